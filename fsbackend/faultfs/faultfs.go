// Package faultfs makes chosen operations on chosen resources of a fsbackend.Backend fail.
//
//	files := faultfs.New(fsbackend.New(memory.New(nil)))
//	files.Fail(faultfs.Remove, "/c/3", fs.ErrPermission)
//	files.Fail(faultfs.Write, "/c/*", syscall.ENOSPC).After(2)
//
// An unknown operation, a name that no resource can have and a negative count are mistakes in a
// test: they panic. A rule is deterministic: it fires at every call, at the n-th, after the first
// n, or a number of times. Its error is returned in an *fs.PathError with the name that it was for,
// unless it is one. Operations without a rule go to the inner back end.
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
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// FS is a back end with faults. All methods are safe for concurrent use.
type FS struct {
	inner // has no rules for RealPath, UnchangedSince and Batch
	mu    sync.Mutex
	rules []*Rule
}

type inner = fsbackend.Backend

var _ fsbackend.Bulk = (*FS)(nil)

// New wraps a back end. Without rules it does not fail.
func New(files fsbackend.Backend) *FS { return &FS{inner: files} }

// Fail makes the operation op fail with err for name, a canonical name such as "/c/3". A last
// segment "*" matches every member of a collection, "**" everything below it. If several rules
// fire, the error is that of the oldest. Fail panics if op is no operation or if no resource can
// have the name.
func (f *FS) Fail(op Op, name string, err error) *Rule {
	if !slices.Contains(ops, op) {
		panic(fmt.Sprintf("faultfs: no operation is called %q: there are %q", op, ops))
	}
	pattern, mistake := parsePattern(name)
	if mistake != nil {
		panic(fmt.Sprintf("faultfs: no resource has the name %q: %v", name, mistake))
	}
	r := &Rule{mu: &f.mu, op: op, name: pattern, err: err}
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

// fault counts an operation on paths for all rules that match one of them and runs their hooks. It
// returns the error of the oldest rule that fires.
func (f *FS) fault(ctx context.Context, op Op, paths ...davpath.Path) error {
	f.mu.Lock()
	var hooks []func(context.Context)
	var failure error
	for _, r := range f.rules {
		i := slices.IndexFunc(paths, r.matches)
		if r.op != op || i < 0 || !r.fires() {
			continue
		}
		if r.hook != nil {
			hooks = append(hooks, r.hook)
		}
		if failure == nil && r.err != nil {
			if failure = r.err; !errors.As(failure, new(*fs.PathError)) {
				failure = &fs.PathError{Op: string(op), Path: paths[i].String(), Err: failure}
			}
		}
	}
	f.mu.Unlock()
	for _, hook := range hooks {
		hook(ctx)
	}
	return failure
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

func (d *dir) Names() ([]string, error) {
	if err := d.fs.fault(d.ctx, Readdir, d.p); err != nil {
		return nil, err
	}
	return d.Dir.Names()
}

func (d *dir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	if !d.fs.hasRuleIn(d.p) { // an allocation for each member made a listing a quarter slower
		d.Dir.Lstat(names, infos, errs)
		return
	}
	for i, name := range names { // one by one: a rule may change the tree
		errs[i] = nil
		if davpath.ValidSegment(name) {
			errs[i] = d.fs.fault(d.ctx, Stat, d.p.Child(name))
		}
		if errs[i] == nil {
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
	if failure != nil {
		b = b[:(len(b)+1)/2]
	}
	n, err := u.Upload.Write(b)
	return n, cmp.Or(err, failure)
}

func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	if err := u.fs.fault(ctx, Commit, u.p); err != nil {
		u.Upload.Close()
		return nil, err
	}
	return u.Upload.Commit(ctx)
}

// CopyFile implements fsbackend.Backend. It counts as one call each of Open and Read for src, and
// of Create, Write and Commit for dst or src: the rule for a file that is to be copied need not say
// where to.
func (f *FS) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	for _, op := range []Op{Open, Create, Read, Write, Commit} {
		if op == Open || op == Read {
			if err := f.fault(ctx, op, src); err != nil {
				return err
			}
			continue
		}
		err := f.fault(ctx, op, dst, src)
		if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == src.String() {
			err = &fs.PathError{Op: at.Op, Path: dst.String(), Err: at.Err} // the source is in order
		}
		if err != nil {
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
	if err := f.fault(ctx, Rename, from, to); err != nil {
		return err
	}
	f.mu.Lock()
	splits := slices.ContainsFunc(f.rules, func(r *Rule) bool {
		return r.op == Rename && !r.exhausted() && (r.mayMatchBelow(from) || r.mayMatchBelow(to))
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

// hasRuleIn reports whether a rule is, or may be, for a resource in one of the trees.
func (f *FS) hasRuleIn(trees ...davpath.Path) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.rules, func(r *Rule) bool {
		return slices.ContainsFunc(trees, func(p davpath.Path) bool { return r.matches(p) || r.mayMatchBelow(p) })
	})
}

// bulk returns the Bulk of the inner back end if there is one and no rule is for the trees.
func (f *FS) bulk(trees ...davpath.Path) fsbackend.Bulk {
	bulk, _ := f.inner.(fsbackend.Bulk)
	if f.hasRuleIn(trees...) {
		return nil
	}
	return bulk
}

// CopyTree implements fsbackend.Bulk.
func (f *FS) CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) (begun bool) {
	b := f.bulk(src, dst)
	return b != nil && b.CopyTree(ctx, src, dst, skipped)
}

// RemoveTree implements fsbackend.Bulk.
func (f *FS) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	b := f.bulk(p)
	return b != nil && b.RemoveTree(ctx, p, removed)
}

// Exceeding implements fsbackend.Bulk.
func (f *FS) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	b := f.bulk(p)
	if b == nil {
		return p, false, errors.ErrUnsupported
	}
	return b.Exceeding(ctx, p, bytes, segments)
}

// Undeletable implements fsbackend.Bulk. It yields the members with an Undeletable rule that fires,
// and those that the inner back end yields.
func (f *FS) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if b := f.bulk(); b != nil {
			for member, err := range b.Undeletable(ctx, p) {
				if !yield(member, err) {
					return
				}
			}
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
