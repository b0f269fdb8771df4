package backendtest

import (
	"io/fs"
	"os"
	"syscall"
)

// RFC 4918 §9.3.1, §9.7.1, §9.8.5: without the parent it is 409, and nothing may come into being on the way.
func testParents(s *suite) {
	s.put("/f", "file")
	before := s.tree()
	create := func(name string) error {
		f, err := s.fs.OpenFile(s.ctx, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err == nil {
			f.Close()
		}
		return err
	}
	for _, parent := range []struct {
		name string
		errs []error
	}{{"/none", []error{fs.ErrNotExist}}, {"/none/none", []error{fs.ErrNotExist}}, {"/f", notDir}, {"/f/none", append(notDir, fs.ErrNotExist)}} {
		name := parent.name + "/x"
		s.want("Mkdir "+name, s.fs.Mkdir(s.ctx, name, 0o777), parent.errs...)
		s.want("create "+name, create(name), parent.errs...)
		s.want("Rename to "+name, s.fs.Rename(s.ctx, "/f", name), append(parent.errs, syscall.EINVAL)...)
		_, err := s.fs.Stat(s.ctx, name)
		s.want("Stat "+name, err, fs.ErrNotExist)
		_, err = s.fs.OpenFile(s.ctx, name, os.O_RDONLY, 0)
		s.want("open "+name, err, fs.ErrNotExist)
		if st, ok := s.fs.(stager); ok {
			_, _, err = st.Stage(s.ctx, name)
			s.want("Stage "+name, err, append(parent.errs, errUnsupported)...)
		}
		if c, ok := s.fs.(fileCopier); ok {
			s.want("CopyFile to "+name, c.CopyFile(s.ctx, "/f", name), append(parent.errs, errUnsupported)...)
		}
	}
	s.wantTree("after all was refused", before)
}

func testMkdir(s *suite) {
	s.mkdir("/d", "/d/e")
	s.put("/f", "file")
	for _, name := range []string{"/d", "/d/e", "/f", "/"} {
		s.want("Mkdir of what exists, "+name, s.fs.Mkdir(s.ctx, name, 0o777), fs.ErrExist)
	}
	s.wantTree("after", "/ /d/ /d/e/ /f=file")
}

func testRename(s *suite) {
	s.mkdir("/c", "/c/d")
	s.put("/c/1", "one")
	s.put("/c/d/2", "two")
	s.put("/f", "file")
	for _, step := range []struct{ from, to, tree string }{
		{"/f", "/g", "/ /c/ /c/1=one /c/d/ /c/d/2=two /g=file"},
		{"/g", "/c/1", "/ /c/ /c/1=file /c/d/ /c/d/2=two"},
		{"/c/1", "/c/1", "/ /c/ /c/1=file /c/d/ /c/d/2=two"},
		{"/c", "/b", "/ /b/ /b/1=file /b/d/ /b/d/2=two"},
		{"/b/d", "/d", "/ /b/ /b/1=file /d/ /d/2=two"},
		{"/d", "/b/d", "/ /b/ /b/1=file /b/d/ /b/d/2=two"},
	} {
		if err := s.fs.Rename(s.ctx, step.from, step.to); err != nil {
			s.Errorf("Rename %s to %s: %v", step.from, step.to, err)
		}
		s.wantTree("Rename "+step.from+" to "+step.to, step.tree)
	}
	for _, gone := range []string{"/c", "/c/1", "/c/d/2", "/d/2", "/f", "/g"} {
		if s.exists(gone) {
			s.Errorf("%s is still there after it was renamed", gone)
		}
	}
}

func testRenameRefused(s *suite) {
	s.mkdir("/c", "/c/d", "/full", "/empty")
	s.put("/c/1", "one")
	s.put("/full/x", "x")
	s.put("/f", "file")
	before := s.tree()
	for _, tt := range []struct {
		why, from, to string
		errs          []error
	}{
		{"nothing there", "/none", "/new", []error{fs.ErrNotExist}},
		{"nothing below a file", "/f/x", "/new", []error{fs.ErrNotExist}},
		{"parent of the new name is missing", "/f", "/none/f", []error{fs.ErrNotExist}},
		{"parent of the new name is a file", "/c", "/f/c", notDir},
		{"directory over a file", "/c", "/f", []error{syscall.ENOTDIR, fs.ErrExist}},
		{"file over an empty directory", "/f", "/empty", []error{syscall.EISDIR, fs.ErrExist}},
		{"file over a directory with members", "/f", "/full", []error{syscall.EISDIR, fs.ErrExist}},
		{"directory over one with members", "/c", "/full", []error{syscall.ENOTEMPTY, fs.ErrExist}},
		{"directory over its parent", "/c/d", "/c", []error{syscall.ENOTEMPTY, fs.ErrExist}},
		{"directory into itself", "/c", "/c/x", []error{syscall.EINVAL}},
		{"directory into its member", "/c", "/c/d/x", []error{syscall.EINVAL}},
		{"the root", "/", "/new", []error{fs.ErrPermission}},
		{"onto the root", "/c", "/", []error{fs.ErrPermission}},
	} {
		s.want(tt.why, s.fs.Rename(s.ctx, tt.from, tt.to), tt.errs...)
		s.wantTree(tt.why, before)
	}
	// Whether a directory replaces an empty one is left to the back end. It does or it does not.
	if err := s.fs.Rename(s.ctx, "/c", "/empty"); err != nil {
		s.want("directory over an empty one", err, fs.ErrExist)
		s.wantTree("directory over an empty one, refused", before)
	} else {
		s.wantTree("directory over an empty one, done", "/ /empty/ /empty/1=one /empty/d/ /f=file /full/ /full/x=x")
	}
}

func testRemove(s *suite) {
	r := s.remover()
	s.mkdir("/c", "/c/d", "/cd", "/aside", "/aside/.dav207-LEFTABCDEFGHIJKLMNOPQRSTUV", "/mixed")
	s.put("/c/1", "one")
	s.put("/aside/.dav207-OVERABCDEFGHIJKLMNOPQRSTUV", "over")
	s.put("/aside/.dav207-LEFTABCDEFGHIJKLMNOPQRSTUV/x", "x")
	s.put("/mixed/.dav207-OVERABCDEFGHIJKLMNOPQRSTUV", "over")
	s.put("/mixed/x", "x")
	s.want("Remove of a directory with members", r.Remove(s.ctx, "/c"), syscall.ENOTEMPTY)
	s.want("Remove of a directory with an own member", r.Remove(s.ctx, "/mixed"), syscall.ENOTEMPTY)
	s.want("Remove of nothing", r.Remove(s.ctx, "/none"), fs.ErrNotExist)
	s.want("Remove of nothing below a file", r.Remove(s.ctx, "/c/1/x"), fs.ErrNotExist)
	s.want("Remove of the root", r.Remove(s.ctx, "/"), fs.ErrPermission)
	s.wantTree("after all was refused", "/ /aside/ /aside/.dav207-LEFTABCDEFGHIJKLMNOPQRSTUV/ /aside/.dav207-LEFTABCDEFGHIJKLMNOPQRSTUV/x=x /aside/.dav207-OVERABCDEFGHIJKLMNOPQRSTUV=over "+
		"/c/ /c/1=one /c/d/ /cd/ /mixed/ /mixed/.dav207-OVERABCDEFGHIJKLMNOPQRSTUV=over /mixed/x=x")
	for _, name := range []string{"/aside", "/c/1", "/c/d", "/c"} {
		s.want("Remove "+name, r.Remove(s.ctx, name), nil)
	}
	s.wantTree("after", "/ /cd/ /mixed/ /mixed/.dav207-OVERABCDEFGHIJKLMNOPQRSTUV=over /mixed/x=x")
}

func testRemoveAll(s *suite) {
	s.mkdir("/a", "/a/b", "/a/b/c", "/ab")
	s.put("/a/b/c/1", "one")
	s.put("/a-", "other")
	s.put("/f", "file")
	s.want("RemoveAll of nothing", s.fs.RemoveAll(s.ctx, "/none/none"), nil)
	if err := s.fs.RemoveAll(s.ctx, "/"); err == nil {
		s.Error("RemoveAll of the root succeeded")
	}
	s.want("RemoveAll of a tree", s.fs.RemoveAll(s.ctx, "/a"), nil)
	s.wantTree("after the tree went", "/ /a-=other /ab/ /f=file")
	for _, gone := range []string{"/a", "/a/b", "/a/b/c", "/a/b/c/1"} {
		if s.exists(gone) {
			s.Errorf("%s is still there", gone)
		}
	}
	s.want("RemoveAll of a file", s.fs.RemoveAll(s.ctx, "/f"), nil)
	s.mkdir("/a")
	s.wantTree("a new directory begins empty", "/ /a/ /a-=other /ab/")
}
