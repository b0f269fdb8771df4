package faultfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"time"
)

// What the inner file system may offer besides.
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
)

// Remove removes one resource: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) Remove(ctx context.Context, name string) error {
	inner, ok := f.inner.(remover)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := f.fault(ctx, Remove, clean(name)); err != nil {
		return err
	}
	return inner.Remove(ctx, name)
}

// RemoveTree removes at once what no rule is for, as the inner file system does. Where a rule is for something at or below
// name nothing is removed so, and each member is a call of its own.
func (f *FS) RemoveTree(ctx context.Context, name string, went func(name string)) (gone bool) {
	inner, offered := f.inner.(interface {
		RemoveTree(context.Context, string, func(string)) bool
	})
	return offered && !f.ruledWithin(name) && inner.RemoveTree(ctx, name, went)
}

// CopyMembers copies at once as the inner file system does, unless a rule is for something at or below src or dst.
func (f *FS) CopyMembers(ctx context.Context, src, dst string, names []string, copied []bool) {
	inner, offered := f.inner.(interface {
		CopyMembers(context.Context, string, string, []string, []bool)
	})
	if offered && !f.ruledWithin(src) && !f.ruledWithin(dst) {
		inner.CopyMembers(ctx, src, dst, names, copied)
	}
}

// CopyTree copies at once as the inner file system does, unless a rule is for something at or below src or dst.
func (f *FS) CopyTree(ctx context.Context, src, dst string, left func(name string)) (begun bool) {
	inner, offered := f.inner.(interface {
		CopyTree(context.Context, string, string, func(string)) bool
	})
	return offered && !f.ruledWithin(src) && !f.ruledWithin(dst) && inner.CopyTree(ctx, src, dst, left)
}

// Exceeding looks as the inner file system does, unless a rule is for something at or below name.
func (f *FS) Exceeding(ctx context.Context, name string, bytes, segments int) (string, error) {
	inner, offered := f.inner.(interface {
		Exceeding(context.Context, string, int, int) (string, error)
	})
	if !offered || f.ruledWithin(name) {
		return "", errors.ErrUnsupported
	}
	return inner.Exceeding(ctx, name, bytes, segments)
}

// ruledWithin reports whether any rule is, or may be, for something at or below name.
func (f *FS) ruledWithin(name string) bool {
	whole := clean(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.rules, func(r *Rule) bool { return r.matches(whole) || r.reaches(whole) })
}

// Lstat describes a link itself: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) Lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	inner, ok := f.inner.(lstater)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	if err := f.fault(ctx, Stat, clean(name)); err != nil {
		return nil, err
	}
	return inner.Lstat(ctx, name)
}

// Stage writes a file aside: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) Stage(ctx context.Context, name string) (io.WriteCloser, func() error, error) {
	inner, ok := f.inner.(stager)
	if !ok {
		return nil, nil, errors.ErrUnsupported
	}
	whole := clean(name)
	if err := f.fault(ctx, Create, whole); err != nil {
		return nil, nil, err
	}
	w, commit, err := inner.Stage(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return &staged{w, f, ctx, whole}, func() error {
		if err := f.fault(ctx, Commit, whole); err != nil {
			w.Close()
			return err
		}
		return commit()
	}, nil
}

type staged struct {
	io.WriteCloser
	fs   *FS
	ctx  context.Context
	name string
}

func (s *staged) Write(p []byte) (int, error) { return s.fs.write(s.ctx, s.name, s.WriteCloser, p) }

// write writes one half of p when a rule fires: what was written before a failure must not show either.
func (f *FS) write(ctx context.Context, name string, w io.Writer, p []byte) (int, error) {
	if len(p) == 0 {
		return w.Write(p)
	}
	failure := f.fault(ctx, Write, name)
	if failure == nil {
		return w.Write(p)
	}
	n, err := w.Write(p[:(len(p)+1)/2])
	if err != nil {
		return n, err
	}
	return n, failure
}

// Real resolves links as the inner file system does: errors.ErrUnsupported where that cannot.
func (f *FS) Real(ctx context.Context, name string) (string, error) {
	if inner, offered := f.inner.(interface {
		Real(context.Context, string) (string, error)
	}); offered {
		return inner.Real(ctx, name)
	}
	return "", errors.ErrUnsupported
}

// UnchangedSince is as that of the inner file system, and false where that cannot tell.
func (f *FS) UnchangedSince(ctx context.Context, name string, since time.Time) bool {
	inner, offered := f.inner.(interface {
		UnchangedSince(context.Context, string, time.Time) bool
	})
	return offered && inner.UnchangedSince(ctx, name, since)
}

// Unremovable tells which members of a collection cannot be removed: those with a Foresee rule that fires, and those that the
// inner file system knows.
func (f *FS) Unremovable(ctx context.Context, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if inner, offered := f.inner.(interface {
			Unremovable(context.Context, string) iter.Seq2[string, error]
		}); offered {
			for member, err := range inner.Unremovable(ctx, name) {
				if !yield(member, err) {
					return
				}
			}
		}
		whole := clean(name)
		for member := range f.ruled(Foresee, whole) {
			if err := f.fault(ctx, Foresee, path.Join(whole, member)); err != nil && !yield(member, err) {
				return
			}
		}
	}
}

// ruled yields the members of a collection that a rule for op may be for, by their last segments.
func (f *FS) ruled(op Op, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		f.mu.Lock()
		concerns := slices.ContainsFunc(f.rules, func(r *Rule) bool { return r.op == op && r.reaches(name) })
		f.mu.Unlock()
		if !concerns {
			return
		}
		dir, err := f.inner.OpenFile(context.Background(), name, os.O_RDONLY, 0)
		if err != nil {
			return
		}
		infos, _ := dir.Readdir(-1)
		dir.Close()
		for _, fi := range infos {
			if !yield(fi.Name()) {
				return
			}
		}
	}
}

// Abandon is as that of the inner file system, if it has one.
func (f *FS) Abandon(ctx context.Context, name string) {
	if inner, offered := f.inner.(interface {
		Abandon(context.Context, string)
	}); offered {
		inner.Abandon(ctx, name)
	}
}

// Batch has many changes on the disk at once, as the inner file system does. settle is nil where that has no such way.
func (f *FS) Batch(ctx context.Context) (batch context.Context, settle func() error) {
	if inner, offered := f.inner.(interface {
		Batch(context.Context) (context.Context, func() error)
	}); offered {
		return inner.Batch(ctx)
	}
	return ctx, nil
}

// AppendETag appends the entity tag of a file as the inner file system does.
func (f *FS) AppendETag(b []byte, info fs.FileInfo) (tagged []byte, ok bool) {
	if inner, offered := f.inner.(interface {
		AppendETag([]byte, fs.FileInfo) ([]byte, bool)
	}); offered {
		return inner.AppendETag(b, info)
	}
	return b, false
}

// CopyFile copies inside the inner file system, as one call each of Open and Read for src and of Create, Write and
// Commit for dst: errors.ErrUnsupported where the inner file system cannot.
func (f *FS) CopyFile(ctx context.Context, src, dst string) error {
	inner, ok := f.inner.(fileCopier)
	if !ok {
		return errors.ErrUnsupported
	}
	from, to := clean(src), clean(dst)
	for _, step := range []struct {
		op   Op
		name string
	}{{Open, from}, {Create, to}, {Read, from}, {Write, to}, {Commit, to}} {
		if err := blame(step.op, step.name, f.fault(ctx, step.op, step.name)); err != nil {
			return err
		}
	}
	return inner.CopyFile(ctx, src, dst)
}
