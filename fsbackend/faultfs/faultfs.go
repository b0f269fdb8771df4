// Package faultfs makes chosen operations on chosen resources of a fsbackend.Backend fail.
//
//	files := faultfs.New(fsbackend.New(memory.New(nil)))
//	files.Fail(faultfs.Remove, "/c/3", fs.ErrPermission)
//	files.Fail(faultfs.Write, "/c/*", syscall.ENOSPC).After(2)
//
// A rule is deterministic: it fires at every call, at the n-th, after the first n, or a number of
// times. Its error is returned unchanged, except by Rename and CopyFile, which wrap it in an
// *fs.PathError with the name that it was for. Operations without a rule go to the inner back end.
//
// Some faults follow from others, as on an object store. While a Rename rule is for something below
// a collection's old or new name, Rename of the collection is syscall.EXDEV, and the caller has to
// move the members one by one. CopyTree and RemoveTree do nothing where a rule may be for a part of
// the tree.
package faultfs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// FS is a back end with faults. All methods are safe for concurrent use.
type FS struct {
	inner fsbackend.Backend
	bulk  fsbackend.Bulk // nil where inner has none
	mu    sync.Mutex
	rules []*Rule
}

var _ fsbackend.Bulk = (*FS)(nil)

// New wraps a back end. Without rules it does not fail.
func New(inner fsbackend.Backend) *FS {
	bulk, _ := inner.(fsbackend.Bulk)
	return &FS{inner: inner, bulk: bulk}
}

// Fail makes the operation op fail with err for name, a canonical name such as "/c/3". A last
// segment "*" matches every member of a collection, "**" everything below it. If several rules
// fire, the error is that of the oldest.
func (f *FS) Fail(op Op, name string, err error) *Rule {
	r := &Rule{mu: &f.mu, op: op, name: path.Clean("/" + name), err: err}
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

// fault counts an operation on p and returns the error of the first rule that fires.
func (f *FS) fault(ctx context.Context, op Op, p davpath.Path) error {
	name := p.String()
	return f.apply(ctx, op, func(r *Rule) bool { return r.matches(name) })
}

// faultAt is fault for an operation on two paths. The error is an *fs.PathError with the path that
// the rule is for, unless the rule's own error is one.
func (f *FS) faultAt(ctx context.Context, op Op, from, to davpath.Path) error {
	at := ""
	err := f.apply(ctx, op, func(r *Rule) bool {
		for _, name := range []string{from.String(), to.String()} {
			if r.matches(name) {
				at = cmp.Or(at, name)
				return true
			}
		}
		return false
	})
	return pathError(op, at, err)
}

// pathError wraps err in an *fs.PathError for name, unless it is one.
func pathError(op Op, name string, err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return &fs.PathError{Op: string(op), Path: name, Err: err}
}

// apply counts an operation for all rules that match and runs their hooks. It returns the error of
// the oldest rule that fires.
func (f *FS) apply(ctx context.Context, op Op, matches func(*Rule) bool) error {
	f.mu.Lock()
	var hooks []func(context.Context)
	var failure error
	for _, r := range f.rules {
		if r.op != op || !matches(r) || !r.fires() {
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

// hasRuleWithin reports whether a rule is, or may be, for p or something below it.
func (f *FS) hasRuleWithin(p davpath.Path) bool {
	name := p.String()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.rules, func(r *Rule) bool { return r.matches(name) || r.mayMatchBelow(name) })
}

// Stat implements fsbackend.Backend.
func (f *FS) Stat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	if err := f.fault(ctx, Stat, p); err != nil {
		return nil, err
	}
	return f.inner.Stat(ctx, p)
}

// Lstat implements fsbackend.Backend.
func (f *FS) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	if err := f.fault(ctx, Stat, p); err != nil {
		return nil, err
	}
	return f.inner.Lstat(ctx, p)
}

// OpenDir implements fsbackend.Backend. A member with a Stat rule is listed; its Lstat fails.
func (f *FS) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	if err := f.fault(ctx, Open, p); err != nil {
		return nil, err
	}
	d, err := f.inner.OpenDir(ctx, p)
	if err != nil {
		return nil, err
	}
	return &dir{d, f, ctx, p}, nil
}

type dir struct {
	fsbackend.Dir
	fs  *FS
	ctx context.Context
	p   davpath.Path
}

// Names implements fsbackend.Dir.
func (d *dir) Names() ([]string, error) {
	if err := d.fs.fault(d.ctx, Readdir, d.p); err != nil {
		return nil, err
	}
	return d.Dir.Names()
}

// Lstat implements fsbackend.Dir.
func (d *dir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	if !d.fs.hasRuleWithin(d.p) {
		d.Dir.Lstat(names, infos, errs)
		return
	}
	for i, name := range names { // one by one: a rule may change the tree
		if errs[i] = d.fs.fault(d.ctx, Stat, d.p.Child(name)); errs[i] == nil {
			d.Dir.Lstat(names[i:i+1], infos[i:i+1], errs[i:i+1])
		}
	}
}

// Open implements fsbackend.Backend.
func (f *FS) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	if err := f.fault(ctx, Open, p); err != nil {
		return nil, err
	}
	inner, err := f.inner.Open(ctx, p)
	if err != nil {
		return nil, err
	}
	return &file{inner, f, ctx, p}, nil
}

type file struct {
	fsbackend.File
	fs  *FS
	ctx context.Context
	p   davpath.Path
}

// Read implements fsbackend.File.
func (f *file) Read(b []byte) (int, error) {
	if err := f.fs.fault(f.ctx, Read, f.p); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

// Create implements fsbackend.Backend.
func (f *FS) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	if err := f.fault(ctx, Create, p); err != nil {
		return nil, err
	}
	inner, err := f.inner.Create(ctx, p)
	if err != nil {
		return nil, err
	}
	return &upload{inner, f, ctx, p}, nil
}

type upload struct {
	fsbackend.Upload
	fs  *FS
	ctx context.Context
	p   davpath.Path
}

// Write implements fsbackend.Upload. When a rule fires it writes half of b before it fails, so that
// tests see whether partial content becomes visible.
func (u *upload) Write(b []byte) (int, error) {
	var failure error
	if len(b) > 0 {
		failure = u.fs.fault(u.ctx, Write, u.p)
	}
	if failure == nil {
		return u.Upload.Write(b)
	}
	n, err := u.Upload.Write(b[:(len(b)+1)/2])
	if err != nil {
		return n, err
	}
	return n, failure
}

// Commit implements fsbackend.Upload.
func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	if err := u.fs.fault(ctx, Commit, u.p); err != nil {
		u.Upload.Close()
		return nil, err
	}
	return u.Upload.Commit(ctx)
}

// CopyFile implements fsbackend.Backend. It counts as one call each of Open and Read for src, and
// of Create, Write and Commit for dst.
func (f *FS) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	for _, step := range []struct {
		op Op
		p  davpath.Path
	}{{Open, src}, {Create, dst}, {Read, src}, {Write, dst}, {Commit, dst}} {
		if err := pathError(step.op, step.p.String(), f.fault(ctx, step.op, step.p)); err != nil {
			return err
		}
	}
	return f.inner.CopyFile(ctx, src, dst)
}

// Mkdir implements fsbackend.Backend.
func (f *FS) Mkdir(ctx context.Context, p davpath.Path) error {
	if err := f.fault(ctx, Mkdir, p); err != nil {
		return err
	}
	return f.inner.Mkdir(ctx, p)
}

// Remove implements fsbackend.Backend.
func (f *FS) Remove(ctx context.Context, p davpath.Path) error {
	if err := f.fault(ctx, Remove, p); err != nil {
		return err
	}
	return f.inner.Remove(ctx, p)
}

// Rename implements fsbackend.Backend. For a collection with a rule for something below its old or
// new name it returns syscall.EXDEV. That does not count as a call of the rule.
func (f *FS) Rename(ctx context.Context, from, to davpath.Path) error {
	if err := f.faultAt(ctx, Rename, from, to); err != nil {
		return err
	}
	f.mu.Lock()
	splits := slices.ContainsFunc(f.rules, func(r *Rule) bool {
		return r.op == Rename && !r.exhausted() && (r.mayMatchBelow(from.String()) || r.mayMatchBelow(to.String()))
	})
	f.mu.Unlock()
	if splits {
		if fi, err := f.inner.Lstat(ctx, from); err == nil && fi.IsDir() {
			return &os.LinkError{Op: "rename", Old: from.String(), New: to.String(), Err: syscall.EXDEV}
		}
	}
	return f.inner.Rename(ctx, from, to)
}

// SetModTime implements fsbackend.Backend.
func (f *FS) SetModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	if err := f.fault(ctx, SetModTime, p); err != nil {
		return err
	}
	return f.inner.SetModTime(ctx, p, t)
}

// Usage implements fsbackend.Backend.
func (f *FS) Usage(ctx context.Context, p davpath.Path) (used, free uint64, err error) {
	if err := f.fault(ctx, Usage, p); err != nil {
		return 0, 0, err
	}
	return f.inner.Usage(ctx, p)
}

// RealPath implements fsbackend.Backend.
func (f *FS) RealPath(ctx context.Context, p davpath.Path) (davpath.Path, error) {
	return f.inner.RealPath(ctx, p)
}

// UnchangedSince implements fsbackend.Backend.
func (f *FS) UnchangedSince(ctx context.Context, p davpath.Path, since time.Time) bool {
	return f.inner.UnchangedSince(ctx, p, since)
}

// Batch implements fsbackend.Backend.
func (f *FS) Batch(ctx context.Context) (context.Context, func() error) { return f.inner.Batch(ctx) }

// CopyTree implements fsbackend.Bulk.
func (f *FS) CopyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) (begun bool) {
	return f.bulk != nil && !f.hasRuleWithin(src) && !f.hasRuleWithin(dst) && f.bulk.CopyTree(ctx, src, dst, left)
}

// RemoveTree implements fsbackend.Bulk.
func (f *FS) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	return f.bulk != nil && !f.hasRuleWithin(p) && f.bulk.RemoveTree(ctx, p, removed)
}

// Exceeding implements fsbackend.Bulk.
func (f *FS) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	if f.bulk == nil || f.hasRuleWithin(p) {
		return p, false, errors.ErrUnsupported
	}
	return f.bulk.Exceeding(ctx, p, bytes, segments)
}

// Undeletable implements fsbackend.Bulk. It yields the members with an Undeletable rule that fires,
// and those that the inner back end yields.
func (f *FS) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if f.bulk != nil {
			for member, err := range f.bulk.Undeletable(ctx, p) {
				if !yield(member, err) {
					return
				}
			}
		}
		f.mu.Lock()
		hasRule := slices.ContainsFunc(f.rules, func(r *Rule) bool { return r.op == Undeletable && r.mayMatchBelow(p.String()) })
		f.mu.Unlock()
		if !hasRule {
			return
		}
		d, err := f.inner.OpenDir(ctx, p)
		if err != nil {
			return
		}
		names, _ := d.Names()
		d.Close()
		for _, member := range names {
			if err := f.fault(ctx, Undeletable, p.Child(member)); err != nil && !yield(member, err) {
				return
			}
		}
	}
}
