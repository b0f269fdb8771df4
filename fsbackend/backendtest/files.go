package backendtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

var errUnsupported = errors.ErrUnsupported

func testOpenFile(s *suite) {
	s.mkdir("/d")
	s.put("/f", "0123456789")
	if got := s.get("/f"); got != "0123456789" {
		s.Errorf("content = %q", got)
	}
	s.put("/f", "abc")
	if got := s.get("/f"); got != "abc" {
		s.Errorf("content after O_TRUNC = %q, want %q", got, "abc")
	}
	f, err := s.fs.OpenFile(s.ctx, "/f", os.O_RDONLY, 0)
	s.ok(err)
	if n, err := f.Seek(-2, io.SeekEnd); n != 1 || err != nil {
		s.Errorf("Seek = %d, %v, want 1", n, err)
	}
	if b, err := io.ReadAll(f); string(b) != "bc" || err != nil {
		s.Errorf("read after Seek = %q, %v", b, err)
	}
	if _, err := f.Write([]byte("x")); err == nil {
		s.Error("a file opened for reading was written")
	}
	s.ok(f.Close())

	for _, tt := range []struct {
		why, name string
		flag      int
		errs      []error
	}{
		{"nothing there", "/none", os.O_RDONLY, []error{fs.ErrNotExist}},
		{"nothing there to write", "/none", os.O_WRONLY, []error{fs.ErrNotExist}},
		{"O_EXCL on a file", "/f", os.O_WRONLY | os.O_CREATE | os.O_EXCL, []error{fs.ErrExist}},
		{"writing a directory", "/d", os.O_WRONLY, []error{syscall.EISDIR, fs.ErrPermission}},
		{"writing a directory", "/d", os.O_RDWR | os.O_CREATE | os.O_TRUNC, []error{syscall.EISDIR, fs.ErrPermission, fs.ErrExist}},
		{"writing the root", "/", os.O_WRONLY | os.O_CREATE, []error{syscall.EISDIR, fs.ErrPermission, fs.ErrExist}},
	} {
		f, err := s.fs.OpenFile(s.ctx, tt.name, tt.flag, 0o666)
		if err == nil {
			f.Close()
		}
		s.want(tt.why, err, tt.errs...)
	}
	s.wantTree("after all was refused", "/ /d/ /f=abc")
}

func testInfos(s *suite) {
	s.mkdir("/d")
	s.put("/d/f", "12345")
	fi := s.stat("/d/f")
	if fi.Name() != "f" || fi.Size() != 5 || fi.IsDir() || !fi.Mode().IsRegular() {
		s.Errorf("info of a file = %s %d %v", fi.Name(), fi.Size(), fi.Mode())
	}
	if age := time.Since(fi.ModTime()); age < -time.Minute || age > time.Minute {
		s.Errorf("modified %v ago", age)
	}
	for _, name := range []string{"/d", "/"} {
		if fi := s.stat(name); !fi.IsDir() || !fi.Mode().IsDir() || "/"+fi.Name() != name && fi.Name() != "/" {
			s.Errorf("info of %s = %s %v", name, fi.Name(), fi.Mode())
		}
	}
	mode, mtime := fi.Mode(), fi.ModTime()
	tag, tagged := s.tag(fi)
	s.put("/d/f", "1234567")
	s.ok(s.fs.Rename(s.ctx, "/d/f", "/d/g"))
	again, _ := s.tag(fi)
	if fi.Name() != "f" || fi.Size() != 5 || fi.Mode() != mode || !fi.ModTime().Equal(mtime) || tagged && again != tag {
		s.Errorf("an info changed after the file did: %s %d %v %v", fi.Name(), fi.Size(), fi.Mode(), fi.ModTime())
	}
	f, err := s.fs.OpenFile(s.ctx, "/d/g", os.O_RDONLY, 0)
	s.ok(err)
	defer f.Close()
	now, err := f.Stat()
	s.ok(err)
	if now.Size() != 7 {
		s.Errorf("size by the handle = %d, want 7", now.Size())
	}
	if l, ok := s.fs.(lstater); ok {
		fi, err := l.Lstat(s.ctx, "/d/g")
		s.ok(err)
		if same, ok := fi.(sameFiler); ok && s.sameFiles() {
			if !same.SameFile(s.stat("/d/g")) || same.SameFile(s.stat("/d")) {
				s.Error("SameFile does not tell files apart")
			}
		}
	}
}

// sameFiles reports whether SameFile knows anything here.
func (s *suite) sameFiles() bool {
	a, ok := s.stat("/").(sameFiler)
	return ok && a.SameFile(s.stat("/"))
}

func testListing(s *suite) {
	s.mkdir("/d", "/d/sub", "/empty")
	want := []string{"sub"}
	for i := range 300 {
		name := fmt.Sprintf("f%03d", i)
		s.put("/d/"+name, name[:i%4])
		want = append(want, name)
	}
	slices.Sort(want)
	if got := s.list("/d"); !slices.Equal(got, want) {
		s.Errorf("Readdir lists %d members, want %d", len(got), len(want))
	}
	if got := s.list("/empty"); len(got) != 0 {
		s.Errorf("an empty directory lists %q", got)
	}
	d, err := s.fs.OpenFile(s.ctx, "/d", os.O_RDONLY, 0)
	s.ok(err)
	defer d.Close()
	var got []string
	for {
		infos, err := d.Readdir(7)
		for _, fi := range infos {
			got = append(got, fi.Name())
		}
		if err == io.EOF && len(infos) == 0 {
			break
		}
		s.ok(err)
		if len(infos) == 0 || len(infos) > 7 {
			s.Fatalf("Readdir(7) returned %d infos and no error", len(infos))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		s.Errorf("Readdir(7) lists %d members, want %d", len(got), len(want))
	}
	if fi, err := d.Stat(); err != nil || !fi.IsDir() {
		s.Errorf("Stat of an open directory: %v, %v", fi, err)
	}
	if _, err := d.Read(make([]byte, 1)); err == nil || err == io.EOF {
		s.Errorf("Read of a directory: %v, want an error", err)
	}
	testNameLister(s, want)
}

func testNameLister(s *suite, want []string) {
	f, err := s.fs.OpenFile(s.ctx, "/d", os.O_RDONLY, 0)
	s.ok(err)
	defer f.Close()
	d, ok := f.(nameLister)
	if !ok {
		s.Skip("no Readdirnames")
	}
	names, err := d.Readdirnames(-1)
	if errors.Is(err, errors.ErrUnsupported) {
		s.Skip("Readdirnames is not supported")
	}
	s.ok(err)
	if slices.Sort(names); !slices.Equal(names, want) {
		s.Errorf("Readdirnames lists %d members, want %d", len(names), len(want))
	}
	for name, size := range map[string]int64{"f003": 3, "f004": 0} {
		fi, err := d.Lstat(name)
		s.ok(err)
		if fi.Name() != name || fi.Size() != size || !fi.Mode().IsRegular() {
			s.Errorf("Lstat %s = %s %d %v", name, fi.Name(), fi.Size(), fi.Mode())
		}
		a, _ := s.tag(fi)
		if b, _ := s.tag(s.stat("/d/" + name)); a != b {
			s.Errorf("ETag of %s: %s when listed, %s by Stat", name, a, b)
		}
	}
	if fi, err := d.Lstat("sub"); err != nil || !fi.IsDir() {
		s.Errorf("Lstat sub = %v, %v", fi, err)
	}
	s.ok(s.fs.RemoveAll(s.ctx, "/d/f001"))
	// What is no name of a member must not lead anywhere, least of all out.
	for _, name := range []string{"f001", "none", "", ".", "..", "../d", "sub/..", "/", "/d/f002", "f002/", "a\x00b"} {
		_, err := d.Lstat(name)
		s.want(fmt.Sprintf("Lstat %q", name), err, fs.ErrNotExist)
	}
}

func testOpenHandles(s *suite) {
	s.mkdir("/c")
	s.put("/c/f", "before")
	f, err := s.fs.OpenFile(s.ctx, "/c/f", os.O_RDONLY, 0)
	s.ok(err)
	defer f.Close()
	s.ok(s.fs.Rename(s.ctx, "/c", "/d"))
	if b, err := io.ReadAll(f); string(b) != "before" || err != nil {
		s.Errorf("read after the collection was renamed = %q, %v", b, err)
	}
	s.commit("/d/f", "after!")
	_, err = f.Seek(0, io.SeekStart)
	s.ok(err)
	if b, err := io.ReadAll(f); string(b) != "before" || err != nil {
		s.Errorf("read after the file was replaced = %q, %v: a download would be torn", b, err)
	}
}

func testChtimes(s *suite) {
	c, ok := s.fs.(chtimer)
	if !ok {
		s.Skip("no Chtimes")
	}
	s.put("/f", "x")
	s.mkdir("/d")
	seen := map[string]bool{}
	for _, at := range []time.Time{
		time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		time.Date(2030, 1, 1, 0, 0, 0, 500e6, time.UTC),
	} {
		for _, name := range []string{"/f", "/d"} {
			err := c.Chtimes(s.ctx, name, at)
			if errors.Is(err, errors.ErrUnsupported) {
				s.Skip("Chtimes is not supported")
			}
			s.ok(err)
			if got := s.stat(name).ModTime(); got.Unix() != at.Unix() {
				s.Errorf("%s: time = %v, want %v", name, got, at)
			}
		}
		if tag, ok := s.tag(s.stat("/f")); ok && seen[tag] && s.get("/f") != "x" {
			s.Errorf("ETag %s again", tag)
		} else {
			seen[tag] = true
		}
	}
	s.want("Chtimes of nothing", c.Chtimes(s.ctx, "/none", time.Now()), fs.ErrNotExist)
}

func testSpace(s *suite) {
	sp, ok := s.fs.(spacer)
	if !ok {
		s.Skip("no Space")
	}
	s.put("/f", "x")
	for _, name := range []string{"/", "/f"} {
		used, available, err := sp.Space(s.ctx, name)
		if errors.Is(err, errors.ErrUnsupported) {
			s.Skip("Space is not supported")
		}
		s.ok(err)
		// Clients read signed numbers (RFC 4331 §1).
		if used+available == 0 || used > 1<<62 || available > 1<<62 {
			s.Errorf("Space %s = %d, %d", name, used, available)
		}
	}
}
