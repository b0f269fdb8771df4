package backendtest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
)

// testUpload checks Create, Write, Commit and Close. One piece: a sequence of uploads to one name,
// each of which depends on the one before.
func testUpload(s *suite) {
	s.mkdir("/d")
	before := ""
	for i, content := range []string{"", "first", strings.Repeat("much ", 100_000), "last"} {
		u, err := s.b.Create(s.ctx, at("/d/f"))
		s.ok(err)
		if old := u.Replaces(); i == 0 && old != nil || i > 0 && (old == nil || old.Size() != int64(len(before))) {
			s.Errorf("Replaces = %v, want what holds %.20q", old, before)
		}
		for rest := []byte(content); len(rest) > 0; {
			n, err := u.Write(rest[:min(len(rest), 4096)])
			s.ok(err)
			rest = rest[n:]
		}
		if i == 0 {
			s.wantGone("/d/f")
		} else if s.get("/d/f") != before {
			s.Error("the old content changed before the new one was committed")
		}
		fi, err := u.Commit(s.ctx)
		s.ok(err)
		if fi == nil || fi.Name() != "f" || fi.Size() != int64(len(content)) || s.tag(fi) != s.tag(s.stat("/d/f")) {
			s.Errorf("Commit describes %v", fi)
		}
		if got := s.get("/d/f"); got != content {
			s.Errorf("content = %.20q (%d bytes), want %.20q (%d)", got, len(got), content, len(content))
		}
		s.ok(u.Close())
		if s.get("/d/f") != content {
			s.Error("Close after Commit removed the file")
		}
		if _, err := u.Commit(s.ctx); err == nil {
			s.Error("a second Commit succeeded")
		}
		if n, err := u.Write([]byte("x")); err == nil {
			s.Errorf("Write after Commit = %d, nil", n)
		}
		before = content
	}
	s.wantTree("after the commits", "/d/ /d/f=last")

	u := s.create("/d/f", "partial")
	s.ok(u.Close())
	s.ok(u.Close())
	if _, err := u.Commit(s.ctx); err == nil {
		s.Error("Commit after Close succeeded")
	}
	u, err := s.b.Create(s.ctx, at("/d/new"))
	s.ok(err)
	s.ok(u.Close())
	s.wantTree("after two were discarded", "/d/ /d/f=last")

	first, second := s.create("/d/f", "first"), s.create("/d/f", "second")
	_, err = second.Commit(s.ctx)
	s.ok(err)
	_, err = first.Commit(s.ctx)
	s.ok(err)
	s.wantTree("after two at once", "/d/ /d/f=first")
}

func testUploadRefused(s *suite) {
	s.mkdir("/d")
	for _, name := range []string{"/d", "/"} {
		_, err := s.b.Create(s.ctx, at(name))
		s.want("Create of the collection "+name, err, syscall.EISDIR)
	}

	u := s.create("/late", "x")
	s.mkdir("/late")
	_, err := u.Commit(s.ctx)
	s.want("Commit over a collection", err, syscall.EISDIR)

	ctx, cancel := context.WithCancel(s.ctx)
	u = s.create("/cancelled", "x")
	cancel()
	_, err = u.Commit(ctx)
	s.want("Commit after the request was cancelled", err, context.Canceled)
	_, err = s.b.Create(ctx, at("/cancelled"))
	s.want("Create after the request was cancelled", err, context.Canceled)
	s.wantTree("after all was refused", "/d/ /late/")
}

// testUploadFollows removes or renames the parent of an upload before its Commit. Another
// collection with the parent's name then gets the file.
func testUploadFollows(s *suite) {
	for what, away := range map[string]func(){
		"removed":        func() { s.removeAll("/a/gone") },
		"moved":          func() { s.ok(s.b.Rename(s.ctx, at("/a/gone"), at("/moved"))) },
		"moved with its": func() { s.ok(s.b.Rename(s.ctx, at("/a"), at("/b"))); s.mkdir("/a") },
	} {
		s.mkdir("/a", "/a/gone")
		u := s.create("/a/gone/f", "x")
		away()
		_, err := u.Commit(s.ctx)
		s.want("Commit after the parent was "+what, err, fs.ErrNotExist)
		s.ok(u.Close())
		for _, name := range []string{"/a", "/b", "/moved"} {
			if _, err := s.b.Stat(s.ctx, at(name)); err == nil {
				s.removeAll(name)
			}
		}
		s.wantTree("after the parent was "+what, "")

		s.mkdir("/a", "/a/gone")
		u = s.create("/a/gone/f", "x")
		_, err = io.WriteString(u, "y")
		s.ok(err)
		away()
		s.mkdir("/a/gone")
		_, err = io.WriteString(u, "z")
		s.ok(err)
		_, err = u.Commit(s.ctx)
		s.want("Commit after another took the place of the parent that was "+what, err, nil)
		if got := s.get("/a/gone/f"); got != "xyz" {
			s.Errorf("the file of a collection that was %s holds %q", what, got)
		}
		for _, name := range []string{"/a", "/b", "/moved"} {
			if _, err := s.b.Stat(s.ctx, at(name)); err == nil {
				s.removeAll(name)
			}
		}
		s.wantTree("after the parent was "+what, "")
	}
}

func testCopyFile(s *suite) {
	big := strings.Repeat("0123456789abcdef", 1<<16)
	s.mkdir("/d")
	s.put("/f", "file")
	s.put("/big", big)
	s.put("/d/old", "old")
	s.ok(s.b.CopyFile(s.ctx, at("/f"), at("/d/new")))
	s.ok(s.b.CopyFile(s.ctx, at("/f"), at("/d/old")))
	s.ok(s.b.CopyFile(s.ctx, at("/big"), at("/d/big")))
	if s.get("/d/big") != big {
		s.Error("a large file was copied wrong")
	}
	s.removeAll("/big")
	s.removeAll("/d/big")
	s.put("/d/new", "changed")
	const want = "/d/ /d/new=changed /d/old=file /f=file"
	s.wantTree("after", want)

	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, tt := range []struct {
		why, src, dst string
		ctx           context.Context
		err           error
		at            string
	}{
		{"nothing there", "/none", "/new", s.ctx, fs.ErrNotExist, "/none"},
		{"a collection", "/d", "/new", s.ctx, syscall.EISDIR, "/d"},
		{"onto a collection", "/f", "/d", s.ctx, syscall.EISDIR, "/d"},
		{"onto the root", "/f", "/", s.ctx, syscall.EISDIR, "/"},
		{"onto itself", "/f", "/f", s.ctx, fs.ErrInvalid, "/f"},
		{"cancelled", "/f", "/new", cancelled, context.Canceled, ""},
		{"cancelled, over a file", "/f", "/d/new", cancelled, context.Canceled, ""},
	} {
		err := s.b.CopyFile(tt.ctx, at(tt.src), at(tt.dst))
		s.want(tt.why, err, tt.err)
		if failure := (*fs.PathError)(nil); tt.at != "" && (!errors.As(err, &failure) || failure.Path != tt.at) {
			s.Errorf("%s: error %v is not one of %s", tt.why, err, tt.at)
		}
		s.wantTree(tt.why, want)
	}
}
