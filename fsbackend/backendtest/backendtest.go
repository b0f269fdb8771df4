// Package backendtest holds the contract that the server expects of a webdav.FileSystem and of the optional interfaces
// of dav207/server/tree, as tests that a back end calls from its own.
//
// What the file system does not implement, or answers with errors.ErrUnsupported, is skipped. That a back end may only
// write in sequence, or keeps no modes, is no fault here.
package backendtest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/webdav"
)

type (
	remover interface {
		Remove(ctx context.Context, name string) error
	}
	lstater interface {
		Lstat(ctx context.Context, name string) (fs.FileInfo, error)
	}
	stager interface {
		Stage(ctx context.Context, name string) (io.WriteCloser, func() error, error)
	}
	fileCopier interface {
		CopyFile(ctx context.Context, src, dst string) error
	}
	chtimer interface {
		Chtimes(ctx context.Context, name string, mtime time.Time) error
	}
	spacer interface {
		Space(ctx context.Context, name string) (used, available uint64, err error)
	}
	nameLister interface {
		Readdirnames(n int) ([]string, error)
		Lstat(name string) (fs.FileInfo, error)
	}
	sameFiler interface {
		SameFile(fs.FileInfo) bool
	}
)

// Test checks the contract. open returns an empty file system, a new one each time, and has t.Cleanup release it.
func Test(t *testing.T, open func(t *testing.T) webdav.FileSystem) {
	for _, part := range []struct {
		name string
		test func(*suite)
	}{
		{"Parents", testParents},
		{"Mkdir", testMkdir},
		{"OpenFile", testOpenFile},
		{"Infos", testInfos},
		{"Listing", testListing},
		{"Paths", testPaths},
		{"Names", testNames},
		{"Rename", testRename},
		{"RenameRefused", testRenameRefused},
		{"OpenHandles", testOpenHandles},
		{"Remove", testRemove},
		{"RemoveAll", testRemoveAll},
		{"Stage", testStage},
		{"StageRefused", testStageRefused},
		{"CopyFile", testCopyFile},
		{"ETag", testETag},
		{"Chtimes", testChtimes},
		{"Space", testSpace},
		{"ConcurrentCommits", testConcurrentCommits},
		{"ConcurrentRenames", testConcurrentRenames},
		{"ConcurrentChanges", testConcurrentChanges},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.test(&suite{T: t, fs: open(t), ctx: context.Background()})
		})
	}
}

// suite is one part of the test with its file system.
type suite struct {
	*testing.T
	fs  webdav.FileSystem
	ctx context.Context
}

// want fails unless err is one of the targets; nil is one too.
func (s *suite) want(what string, err error, targets ...error) {
	s.Helper()
	for _, target := range targets {
		if target == nil && err == nil || target != nil && errors.Is(err, target) {
			return
		}
	}
	s.Errorf("%s: error = %v, want %v", what, err, targets)
}

// ok fails at once when err is not nil.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) mkdir(names ...string) {
	s.Helper()
	for _, name := range names {
		s.ok(s.fs.Mkdir(s.ctx, name, 0o777))
	}
}

// put writes a file in place.
func (s *suite) put(name, content string) {
	s.Helper()
	f, err := s.fs.OpenFile(s.ctx, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	s.ok(err)
	_, err = io.WriteString(f, content)
	s.ok(err)
	s.ok(f.Close())
}

// get returns what a file holds.
func (s *suite) get(name string) string {
	s.Helper()
	f, err := s.fs.OpenFile(s.ctx, name, os.O_RDONLY, 0)
	s.ok(err)
	defer f.Close()
	b, err := io.ReadAll(f)
	s.ok(err)
	return string(b)
}

// stage returns the Stager, or skips the rest.
func (s *suite) stager() stager {
	s.Helper()
	st, ok := s.fs.(stager)
	if !ok {
		s.Skip("no Stage")
	}
	w, _, err := st.Stage(s.ctx, "/probe")
	if errors.Is(err, errors.ErrUnsupported) {
		s.Skip("Stage is not supported")
	}
	s.ok(err)
	s.ok(w.Close())
	return st
}

func (s *suite) remover() remover {
	s.Helper()
	r, ok := s.fs.(remover)
	if !ok || errors.Is(r.Remove(s.ctx, "/probe"), errors.ErrUnsupported) {
		s.Skip("no Remove")
	}
	return r
}

// commit stages a file and puts it in place.
func (s *suite) commit(name, content string) {
	s.Helper()
	w, commit, err := s.stager().Stage(s.ctx, name)
	s.ok(err)
	_, err = io.WriteString(w, content)
	s.ok(err)
	s.ok(commit())
	s.ok(w.Close())
}

// list returns the names in a collection, in order.
func (s *suite) list(name string) []string {
	s.Helper()
	f, err := s.fs.OpenFile(s.ctx, name, os.O_RDONLY, 0)
	s.ok(err)
	defer f.Close()
	infos, err := f.Readdir(-1)
	s.ok(err)
	names := []string{}
	for _, fi := range infos {
		names = append(names, fi.Name())
	}
	slices.Sort(names)
	return names
}

// tree returns the whole tree as text: "/ /c/ /c/1=content".
func (s *suite) tree() string {
	s.Helper()
	var b strings.Builder
	var walk func(name string)
	walk = func(name string) {
		b.WriteString(name)
		for _, n := range s.list(name) {
			p := path.Join(name, n)
			fi, err := s.fs.Stat(s.ctx, p)
			s.ok(err)
			b.WriteByte(' ')
			if fi.IsDir() {
				walk(p + "/")
			} else {
				b.WriteString(p + "=" + s.get(p))
			}
		}
	}
	walk("/")
	return b.String()
}

// wantTree fails unless the tree is as described.
func (s *suite) wantTree(what, want string) {
	s.Helper()
	if got := s.tree(); got != want {
		s.Errorf("%s: tree = %q, want %q", what, got, want)
	}
}

// exists reports whether something is there; any error but fs.ErrNotExist fails.
func (s *suite) exists(name string) bool {
	s.Helper()
	_, err := s.fs.Stat(s.ctx, name)
	if err != nil {
		s.want("Stat "+name, err, fs.ErrNotExist)
	}
	return err == nil
}

// tag returns the ETag of an info, and false where there is none.
func (s *suite) tag(fi fs.FileInfo) (string, bool) {
	s.Helper()
	e, ok := fi.(webdav.ETager)
	if !ok {
		return "", false
	}
	tag, err := e.ETag(s.ctx)
	if errors.Is(err, webdav.ErrNotImplemented) {
		return "", false
	}
	s.ok(err)
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		s.Errorf("ETag = %s, want a strong one in quotes (RFC 9110 §8.8.3)", tag)
	}
	return tag, true
}

func (s *suite) stat(name string) fs.FileInfo {
	s.Helper()
	fi, err := s.fs.Stat(s.ctx, name)
	s.ok(err)
	return fi
}

// notDir are the errors of making something below a file: what the system says, or that the parent does not exist.
var notDir = []error{syscall.ENOTDIR, fs.ErrNotExist}
