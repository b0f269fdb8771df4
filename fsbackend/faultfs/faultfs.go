// Package faultfs makes chosen operations on chosen resources of a webdav.FileSystem fail.
//
//	files := faultfs.New(fsbackend.New(fsbackend.Memory()))
//	files.Fail(faultfs.Remove, "/c/3", fs.ErrPermission)
//	files.Fail(faultfs.Write, "/c/*", syscall.ENOSPC).After(2)
//
// A rule is deterministic: it fires at every call, at the n-th, after n, or so many times. Its error is returned as it
// is, by Rename and CopyFile in an *fs.PathError that says which of the two names it was for. What no rule is for goes to the inner file system, optional interfaces included: where that lacks one, the method
// here is errors.ErrUnsupported.
//
// Some faults follow from others, as on a store of objects. A collection is not renamed in one step while a Rename
// rule is for something below its old or new name: that is syscall.EXDEV, and the members have to be moved one by one. A
// collection with a member that cannot be removed is not removed by RemoveAll, and none of it is.
package faultfs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/webdav"
)

// FS is a file system with faults. All methods may be called concurrently.
type FS struct {
	inner webdav.FileSystem
	mu    sync.Mutex
	rules []*Rule
}

// New wraps a file system that does not fail until it is told to.
func New(inner webdav.FileSystem) *FS { return &FS{inner: inner} }

// Fail makes the operation op fail with err for name, a canonical name such as "/c/3". A last segment "*" stands for
// every member of a collection, "**" for everything below it. Of several rules that fire, the oldest decides.
func (f *FS) Fail(op Op, name string, err error) *Rule {
	r := &Rule{mu: &f.mu, op: op, name: clean(name), err: err}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
	return r
}

// Reset removes all rules.
func (f *FS) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

func clean(name string) string { return path.Clean("/" + name) }

// fault counts an operation on names and returns the error of the first rule that fires.
func (f *FS) fault(ctx context.Context, op Op, names ...string) error {
	return f.apply(ctx, op, func(r *Rule) bool {
		for _, name := range names {
			if r.matches(name) {
				return true
			}
		}
		return false
	})
}

// faultAt is fault for an operation on two names, whose caller must be able to tell which of them is to blame: the error
// is an *fs.PathError with that name, unless the rule's own error is one.
func (f *FS) faultAt(ctx context.Context, op Op, from, to string) error {
	at := ""
	err := f.apply(ctx, op, func(r *Rule) bool {
		switch {
		case r.matches(from):
			at = cmp.Or(at, from)
			return true
		case r.matches(to):
			at = cmp.Or(at, to)
			return true
		}
		return false
	})
	return blame(op, at, err)
}

func blame(op Op, name string, err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return &fs.PathError{Op: string(op), Path: name, Err: err}
}

func (f *FS) apply(ctx context.Context, op Op, concerns func(*Rule) bool) error {
	f.mu.Lock()
	var hooks []func(context.Context)
	var failure error
	for _, r := range f.rules {
		if r.op != op || !concerns(r) || !r.take() {
			continue
		}
		if r.hook != nil {
			hooks = append(hooks, r.hook)
		}
		if failure == nil {
			failure = r.err
		}
	}
	f.mu.Unlock()
	for _, hook := range hooks {
		hook(ctx)
	}
	return failure
}

// Mkdir implements webdav.FileSystem.
func (f *FS) Mkdir(ctx context.Context, name string, perm fs.FileMode) error {
	if err := f.fault(ctx, Mkdir, clean(name)); err != nil {
		return err
	}
	return f.inner.Mkdir(ctx, name, perm)
}

// Stat implements webdav.FileSystem.
func (f *FS) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	if err := f.fault(ctx, Stat, clean(name)); err != nil {
		return nil, err
	}
	return f.inner.Stat(ctx, name)
}

// OpenFile implements webdav.FileSystem. The handle has its faults too. That of a directory always has Readdirnames
// and Lstat, so that a member with a Stat rule is listed and fails when it is looked at.
func (f *FS) OpenFile(ctx context.Context, name string, flag int, perm fs.FileMode) (webdav.File, error) {
	op := Open
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND) != 0 {
		op = Create
	}
	if err := f.fault(ctx, op, clean(name)); err != nil {
		return nil, err
	}
	inner, err := f.inner.OpenFile(ctx, name, flag, perm)
	if err != nil {
		return nil, err
	}
	h := &file{File: inner, fs: f, ctx: ctx, name: clean(name)}
	if holder, ok := inner.(webdav.DeadPropsHolder); ok {
		return &holderFile{h, holder}, nil
	}
	if inner, ok := inner.(membersLister); ok && !f.ruledWithin(h.name) {
		return &membersFile{h, inner}, nil
	}
	return h, nil
}

// RemoveAll implements webdav.FileSystem. It fails and removes nothing where a Remove rule fires for something
// that exists at or below name; a pattern is taken to fit something.
func (f *FS) RemoveAll(ctx context.Context, name string) error {
	whole := clean(name)
	present := f.present(ctx, Remove, whole)
	err := f.apply(ctx, Remove, func(r *Rule) bool {
		return r.matches(whole) || r.reaches(whole) && (r.pattern() || present[r.name])
	})
	if err != nil {
		return err
	}
	return f.inner.RemoveAll(ctx, name)
}

// present tells which of the names that rules of this kind have below name exist. It asks the inner file system, and
// without the lock, which that must not wait for.
func (f *FS) present(ctx context.Context, op Op, name string) map[string]bool {
	var names []string
	f.mu.Lock()
	for _, r := range f.rules {
		if r.op == op && r.reaches(name) {
			names = append(names, r.name)
		}
	}
	f.mu.Unlock()
	found := make(map[string]bool, len(names))
	for _, n := range names {
		if _, err := f.look(ctx, n); err == nil {
			found[n] = true
		}
	}
	return found
}

// look describes a name without faults and without following it where it is a link, if that can be.
func (f *FS) look(ctx context.Context, name string) (fs.FileInfo, error) {
	if l, ok := f.inner.(lstater); ok {
		if fi, err := l.Lstat(ctx, name); !errors.Is(err, errors.ErrUnsupported) {
			return fi, err
		}
	}
	return f.inner.Stat(ctx, name)
}

// Rename implements webdav.FileSystem. A collection with a rule for something below its old or its new name is
// syscall.EXDEV; that is no call of the rule.
func (f *FS) Rename(ctx context.Context, oldName, newName string) error {
	from, to := clean(oldName), clean(newName)
	if err := f.faultAt(ctx, Rename, from, to); err != nil {
		return err
	}
	f.mu.Lock()
	split := false
	for _, r := range f.rules {
		split = split || r.op == Rename && !r.spent() && (r.reaches(from) || r.reaches(to))
	}
	f.mu.Unlock()
	if split {
		if fi, err := f.look(ctx, from); err == nil && fi.IsDir() {
			return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: syscall.EXDEV}
		}
	}
	return f.inner.Rename(ctx, oldName, newName)
}

// Chtimes sets a time of modification: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) Chtimes(ctx context.Context, name string, mtime time.Time) error {
	inner, ok := f.inner.(chtimer)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := f.fault(ctx, Chtimes, clean(name)); err != nil {
		return err
	}
	return inner.Chtimes(ctx, name, mtime)
}

// Space tells how much room there is: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) Space(ctx context.Context, name string) (used, available uint64, err error) {
	inner, ok := f.inner.(spacer)
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	if err := f.fault(ctx, Space, clean(name)); err != nil {
		return 0, 0, err
	}
	return inner.Space(ctx, name)
}
