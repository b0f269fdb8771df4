package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// aside counts the names written aside in a collection.
func (s *suite) aside(name string) (n int) {
	s.Helper()
	for _, member := range s.list(name) {
		if strings.HasPrefix(strings.ToLower(member), ".dav207") {
			n++
		}
	}
	return n
}

func testStage(s *suite) {
	st := s.stager()
	s.mkdir("/d")
	for i, content := range []string{"", "first", strings.Repeat("much ", 100_000), "last"} {
		before := ""
		if i > 0 {
			before = s.get("/d/f")
		}
		w, commit, err := st.Stage(s.ctx, "/d/f")
		s.ok(err)
		for chunk := []byte(content); len(chunk) > 0; {
			n, err := w.Write(chunk[:min(len(chunk), 4096)])
			s.ok(err)
			chunk = chunk[n:]
		}
		if i == 0 && s.exists("/d/f") {
			s.Error("a staged file is seen before it is committed")
		} else if i > 0 && s.get("/d/f") != before {
			s.Error("the old content changed before the new one was committed")
		}
		s.ok(commit())
		if got := s.get("/d/f"); got != content {
			s.Errorf("content = %.20q (%d bytes), want %.20q (%d)", got, len(got), content, len(content))
		}
		s.ok(w.Close())
		if s.get("/d/f") != content {
			s.Error("Close after commit took it back")
		}
		if err := commit(); err == nil {
			s.Error("a second commit succeeded")
		}
		if n, err := w.Write([]byte("x")); err == nil {
			s.Errorf("Write after commit = %d, nil", n)
		}
	}
	s.wantTree("after the commits", "/ /d/ /d/f=last")

	w, commit, err := st.Stage(s.ctx, "/d/f")
	s.ok(err)
	_, err = io.WriteString(w, "partial")
	s.ok(err)
	s.ok(w.Close())
	s.ok(w.Close())
	if err := commit(); err == nil {
		s.Error("commit after Close succeeded")
	}
	s.wantTree("after one was discarded", "/ /d/ /d/f=last")

	a, commitA, err := st.Stage(s.ctx, "/d/f")
	s.ok(err)
	b, commitB, err := st.Stage(s.ctx, "/d/f")
	s.ok(err)
	io.WriteString(a, "aaaa")
	io.WriteString(b, "bb")
	s.ok(commitB())
	s.ok(commitA())
	s.wantTree("after two at once", "/ /d/ /d/f=aaaa")
}

func testStageRefused(s *suite) {
	st := s.stager()
	s.mkdir("/d")
	for _, name := range []string{"/d", "/"} {
		if w, _, err := st.Stage(s.ctx, name); err == nil {
			w.Close()
			s.Errorf("Stage of the directory %s succeeded", name)
		} else {
			s.want("Stage of a directory", err, syscall.EISDIR)
		}
	}

	w, commit, err := st.Stage(s.ctx, "/late")
	s.ok(err)
	io.WriteString(w, "x")
	s.mkdir("/late")
	if err := commit(); err == nil {
		s.Error("a commit replaced a directory")
	}
	s.ok(w.Close())

	ctx, cancel := context.WithCancel(s.ctx)
	w, commit, err = st.Stage(ctx, "/cancelled")
	s.ok(err)
	io.WriteString(w, "x")
	cancel()
	s.want("commit after the request was cancelled", commit(), context.Canceled)
	s.ok(w.Close())
	_, _, err = st.Stage(ctx, "/cancelled")
	s.want("Stage after the request was cancelled", err, context.Canceled)

	s.mkdir("/gone")
	w, commit, err = st.Stage(s.ctx, "/gone/f")
	s.ok(err)
	io.WriteString(w, "x")
	s.ok(s.fs.RemoveAll(s.ctx, "/gone"))
	s.want("commit after the parent was removed", commit(), fs.ErrNotExist)
	s.ok(w.Close())

	// Another directory in the place of the parent is the parent.
	for _, step := range []struct {
		what string
		away func() error
	}{
		{"removed", func() error { return s.fs.RemoveAll(s.ctx, "/gone") }},
		{"moved", func() error { return s.fs.Rename(s.ctx, "/gone", "/moved") }},
	} {
		s.mkdir("/gone")
		w, commit, err = st.Stage(s.ctx, "/gone/f")
		s.ok(err)
		io.WriteString(w, "x")
		s.ok(step.away())
		s.mkdir("/gone")
		s.ok(commit())
		if got := s.get("/gone/f"); got != "x" {
			s.Errorf("the file of a directory that was %s holds %q", step.what, got)
		}
		s.ok(s.fs.RemoveAll(s.ctx, "/gone"))
		s.ok(s.fs.RemoveAll(s.ctx, "/moved"))
	}
	s.wantTree("after all was refused", "/ /d/ /late/")
}

func testCopyFile(s *suite) {
	c, ok := s.fs.(fileCopier)
	if !ok || errors.Is(c.CopyFile(s.ctx, "/none", "/probe"), errors.ErrUnsupported) {
		s.Skip("no CopyFile")
	}
	big := string(bytes.Repeat([]byte("0123456789abcdef"), 1<<16))
	s.mkdir("/d")
	s.put("/f", "file")
	s.put("/big", big)
	s.put("/d/old", "old")
	s.ok(c.CopyFile(s.ctx, "/f", "/d/new"))
	s.ok(c.CopyFile(s.ctx, "/f", "/d/old"))
	s.ok(c.CopyFile(s.ctx, "/big", "/d/big"))
	if s.get("/d/big") != big {
		s.Error("a large file was copied wrong")
	}
	s.ok(s.fs.RemoveAll(s.ctx, "/big"))
	s.ok(s.fs.RemoveAll(s.ctx, "/d/big"))
	s.put("/d/new", "changed")
	want := "/ /d/ /d/new=changed /d/old=file /f=file"
	s.wantTree("after", want)

	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, tt := range []struct {
		why, src, dst string
		ctx           context.Context
		errs          []error
	}{
		{"nothing there", "/none", "/new", s.ctx, []error{fs.ErrNotExist}},
		{"a directory", "/d", "/new", s.ctx, []error{syscall.EISDIR, fs.ErrInvalid}},
		{"onto a directory", "/f", "/d", s.ctx, []error{syscall.EISDIR, fs.ErrExist}},
		{"onto itself", "/f", "/f", s.ctx, []error{fs.ErrInvalid}},
		{"cancelled", "/f", "/new", cancelled, []error{context.Canceled}},
		{"cancelled, over a file", "/f", "/d/new", cancelled, []error{context.Canceled}},
	} {
		s.want(tt.why, c.CopyFile(tt.ctx, tt.src, tt.dst), tt.errs...)
		s.wantTree(tt.why, want)
	}
}

// RFC 9110 §8.8.1: a strong validator changes whenever the content does, and with RFC 4918 §8.6 it stays otherwise.
func testETag(s *suite) {
	s.commit("/f", "0000")
	first, ok := s.tag(s.stat("/f"))
	if !ok {
		s.Skip("no ETag")
	}
	seen := map[string]string{first: "0000"}
	second := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	chtimes, _ := s.fs.(chtimer)
	for i := 1; i < 120; i++ {
		content := fmt.Sprintf("%04d", i)
		switch i % 3 {
		case 0:
			s.commit("/f", content)
		case 1:
			s.put("/f", content)
		case 2: // the client says that both are of the same second
			s.commit("/f", content)
			if chtimes != nil {
				s.ok(chtimes.Chtimes(s.ctx, "/f", second))
			}
		}
		tag, _ := s.tag(s.stat("/f"))
		if old, ok := seen[tag]; ok {
			s.Fatalf("ETag %s for %q and %q", tag, old, content)
		}
		seen[tag] = content
	}
	tag, _ := s.tag(s.stat("/f"))
	s.mkdir("/d")
	s.ok(s.fs.Rename(s.ctx, "/f", "/d/g"))
	if got, _ := s.tag(s.stat("/d/g")); got != tag {
		s.Errorf("ETag after Rename = %s, want %s", got, tag)
	}
	if got := s.get("/d/g"); got != "0119" {
		s.Errorf("content = %q", got)
	}
	if got, _ := s.tag(s.stat("/d/g")); got != tag {
		s.Errorf("ETag after reading = %s, want %s", got, tag)
	}
	if c, ok := s.fs.(fileCopier); ok {
		if err := c.CopyFile(s.ctx, "/d/g", "/copy"); !errors.Is(err, errors.ErrUnsupported) {
			s.ok(err)
			if got, _ := s.tag(s.stat("/d/g")); got != tag {
				s.Errorf("ETag after it was copied = %s, want %s", got, tag)
			}
		}
	}
}
