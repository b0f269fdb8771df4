package mounts_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/backendtest"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/fsbackend/mounts"
	"dav207/server/davpath"
)

func at(name string) davpath.Path { return davpath.Must(name) }

func table(t *testing.T, list ...mounts.Mount) *mounts.Table {
	t.Helper()
	m, err := mounts.New(t.Context(), list, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func openDisk(t *testing.T, dir string, o *disk.Options) fsbackend.Backend {
	t.Helper()
	d, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.Backend()
}

func tree() fsbackend.Backend { return memory.New(nil).Backend() }

// TestContract checks a table whose root is a mount. No wrapper may lose a capability.
func TestContract(t *testing.T) {
	linux, unix, dir := runtime.GOOS == "linux", runtime.GOOS != "windows", ""
	onDisk := backendtest.Claims{CopyTree: linux, RemoveTree: linux, Exceeding: linux, SetModTime: true, Usage: true, Sync: true,
		UnchangedSince: unix, Identity: unix, FileLinks: true, RealPath: true}
	if info, err := openDisk(t, t.TempDir(), nil).Stat(t.Context(), davpath.Root); err == nil {
		onDisk.Birth = !info.Birth.IsZero()
	}
	if unix {
		onDisk.Symlink = func(target, name string) error {
			return os.Symlink(filepath.FromSlash(target), filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	synced := onDisk
	synced.CopyTree = false
	for _, tt := range []struct {
		name   string
		claims backendtest.Claims
		files  func(t *testing.T) fsbackend.Backend
	}{
		{"disk", onDisk, func(t *testing.T) fsbackend.Backend { return openDisk(t, dir, nil) }},
		{"disk with Sync", synced, func(t *testing.T) fsbackend.Backend { return openDisk(t, dir, &disk.Options{Sync: true}) }},
		{"memory", backendtest.Claims{SetModTime: true, Sync: true, UnchangedSince: true, Identity: true, Birth: true},
			func(*testing.T) fsbackend.Backend { return tree() }},
	} {
		for _, path := range []string{"/", "/a/mount"} {
			t.Run(tt.name+" at "+path, func(t *testing.T) {
				backendtest.Test(t, tt.claims, func(t *testing.T) fsbackend.Backend {
					dir = t.TempDir()
					m := table(t, mounts.Mount{Path: path, Files: tt.files(t)})
					if path == "/" {
						return m
					}
					return below{m, at(path)}
				})
			})
		}
	}
}

// below is what a table has below one of its mounts, so that the contract can be checked there.
type below struct {
	fsbackend.Bulk
	top davpath.Path
}

func (b below) in(p davpath.Path) davpath.Path  { return p.Rebase(davpath.Root, b.top) }
func (b below) out(p davpath.Path) davpath.Path { return p.Rebase(b.top, davpath.Root) }

// fail also checks that the error has the name that the caller passed.
func (b below) fail(err error) error {
	cut := func(name string) string {
		rest, ok := strings.CutPrefix(name, b.top.String())
		if !ok || rest != "" && rest[0] != '/' {
			return "an error with the wrong name: " + name
		}
		if rest == "" {
			return "/"
		}
		return rest
	}
	switch e := err.(type) {
	case *fs.PathError:
		return &fs.PathError{Op: e.Op, Path: cut(e.Path), Err: e.Err}
	case *os.LinkError:
		// A mount point is no root: EBUSY and not EPERM.
		cause := e.Err
		if errors.Is(cause, syscall.EBUSY) {
			cause = fs.ErrPermission
		}
		return &os.LinkError{Op: e.Op, Old: cut(e.Old), New: cut(e.New), Err: cause}
	}
	return err
}

func (b below) named(i *fsbackend.Info, p davpath.Path, err error) (*fsbackend.Info, error) {
	if p.IsRoot() && err == nil {
		if i.Name() != b.top.Name() || !i.Fixed {
			return nil, fmt.Errorf("the mount point is %+v", i.Attr)
		}
		i = fsbackend.InfoOf("/", i)
	}
	return i, b.fail(err)
}

func (b below) Stat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	i, err := b.Bulk.Stat(ctx, b.in(p))
	return b.named(i, p, err)
}
func (b below) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	i, err := b.Bulk.Lstat(ctx, b.in(p))
	return b.named(i, p, err)
}
func (b below) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	d, err := b.Bulk.OpenDir(ctx, b.in(p))
	return d, b.fail(err)
}
func (b below) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := b.Bulk.Open(ctx, b.in(p))
	return f, b.fail(err)
}
func (b below) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	u, err := b.Bulk.Create(ctx, b.in(p))
	return u, b.fail(err)
}
func (b below) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	return b.fail(b.Bulk.CopyFile(ctx, b.in(src), b.in(dst)))
}
func (b below) Mkdir(ctx context.Context, p davpath.Path) error {
	return b.fail(b.Bulk.Mkdir(ctx, b.in(p)))
}
func (b below) Remove(ctx context.Context, p davpath.Path) error {
	err := b.fail(b.Bulk.Remove(ctx, b.in(p)))
	if p.IsRoot() && errors.Is(err, syscall.EBUSY) {
		err = &fs.PathError{Op: "remove", Path: "/", Err: fs.ErrPermission}
	}
	return err
}
func (b below) Rename(ctx context.Context, from, to davpath.Path) error {
	err := b.fail(b.Bulk.Rename(ctx, b.in(from), b.in(to)))
	if to.IsRoot() && errors.Is(err, syscall.EBUSY) {
		err = &fs.PathError{Op: "rename", Path: "/", Err: fs.ErrPermission}
	}
	return err
}
func (b below) SetModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	return b.fail(b.Bulk.SetModTime(ctx, b.in(p), t))
}
func (b below) Usage(ctx context.Context, p davpath.Path) (used, free uint64, err error) {
	return b.Bulk.Usage(ctx, b.in(p))
}
func (b below) RealPath(ctx context.Context, p davpath.Path) (davpath.Path, error) {
	real, err := b.Bulk.RealPath(ctx, b.in(p))
	return b.out(real), err
}
func (b below) UnchangedSince(ctx context.Context, p davpath.Path, since time.Time) bool {
	return b.Bulk.UnchangedSince(ctx, b.in(p), since)
}
func (b below) CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) bool {
	return b.Bulk.CopyTree(ctx, b.in(src), b.in(dst), func(p davpath.Path) { skipped(b.out(p)) })
}
func (b below) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) bool {
	return b.Bulk.RemoveTree(ctx, b.in(p), func(p davpath.Path) { removed(b.out(p)) })
}
func (b below) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return b.Bulk.Undeletable(ctx, b.in(p))
}
func (b below) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	found, ok, err := b.Bulk.Exceeding(ctx, b.in(p), bytes, segments)
	return b.out(found), ok, err
}

// An upload that began before Replace ends where it began. After an error nothing is replaced.
func TestReplace(t *testing.T) {
	a, b := tree(), tree()
	m := table(t, mounts.Mount{Path: "/a", Files: a})
	u, err := m.Create(t.Context(), at("/a/f"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if _, err := m.Replace(t.Context(), []mounts.Mount{{Path: "/b", Files: b}, {Path: "/b", Files: a}}); err == nil {
		t.Error("two mounts at one path: no error")
	}
	if _, err := m.Stat(t.Context(), at("/a")); err != nil {
		t.Errorf("after an error: %v", err)
	}
	bound := m.Binder()(t.Context())
	var closed []string
	open := func(_ context.Context, user string) (fsbackend.Backend, func() error, error) {
		return tree(), func() error { closed = append(closed, user); return nil }, nil
	}
	release, err := m.Replace(t.Context(), []mounts.Mount{{Path: "/b", Files: b}, {Path: "/home/{user}", Open: open}})
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, err := u.Commit(t.Context()); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if _, err := a.Stat(t.Context(), at("/f")); err != nil {
		t.Errorf("the file that was uploaded: %v", err)
	}
	for name, want := range map[string]error{"/a": fs.ErrNotExist, "/b": nil, "/home/anna": nil} {
		if _, err := m.Stat(mounts.Everyone(t.Context()), at(name)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := m.Stat(bound, at("/a/f")); err != nil {
		t.Errorf("in a request that began before: %v", err)
	}
	if release, err = m.Replace(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if release(); len(closed) != 1 || closed[0] != "anna" {
		t.Errorf("closed are the trees of %v, want that of anna", closed)
	}
}
