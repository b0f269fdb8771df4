package quota

import (
	"context"
	"errors"
	"iter"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Create implements fsbackend.Backend.
func (b *Backend) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	in, err := b.inner.Create(ctx, p)
	if err != nil {
		return nil, err
	}
	u := &upload{Upload: in, b: b, p: p, old: regular(in.Replaces())}
	if err := u.fit("create", fsbackend.Length(ctx)); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

// upload has reserved what is written to it, but for what the file that it replaces gives back.
type upload struct {
	fsbackend.Upload
	b                      *Backend
	p                      davpath.Path
	old, written, reserved int64
	done                   bool
}

// fit reserves what a file of n bytes needs.
func (u *upload) fit(op string, n int64) error {
	more := n - u.old - u.reserved
	if more <= 0 || u.done {
		return nil
	}
	if err := u.b.reserve(op, u.p, more); err != nil {
		return err
	}
	u.reserved += more
	return nil
}

// Write implements fsbackend.Upload.
func (u *upload) Write(p []byte) (int, error) {
	if err := u.fit("write", u.written+int64(len(p))); err != nil {
		return 0, err
	}
	n, err := u.Upload.Write(p)
	u.written += int64(n)
	return n, err
}

// Commit implements fsbackend.Upload. What is replaced may be another file than at Create.
func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	defer u.b.change()()
	replaced := u.b.replaced(ctx, u.p)
	defer u.Close()
	u.old = replaced()
	if err := u.fit("commit", u.written); err != nil {
		return nil, err
	}
	info, err := u.Upload.Commit(ctx)
	if err != nil {
		return nil, err
	}
	u.b.use(u.written-replaced(), u.reserved)
	u.done, u.reserved = true, 0
	return info, nil
}

// Close implements fsbackend.Upload.
func (u *upload) Close() error {
	u.b.use(0, u.reserved)
	u.done, u.reserved = true, 0
	return u.Upload.Close()
}

// CopyFile implements fsbackend.Backend.
func (b *Backend) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	defer b.change()()
	from, err := b.inner.Stat(ctx, src)
	if err != nil {
		return err
	}
	replaced := b.replaced(ctx, dst)
	n := max(regular(from)-replaced(), 0)
	if err := b.reserve("copy", dst, n); err != nil {
		return err
	}
	if err := b.inner.CopyFile(ctx, src, dst); err != nil {
		b.use(0, n)
		return err
	}
	size := regular(from)
	if to, err := b.inner.Stat(context.WithoutCancel(ctx), dst); err == nil {
		size = regular(to)
	}
	b.use(size-replaced(), n)
	return nil
}

// Remove implements fsbackend.Backend.
func (b *Backend) Remove(ctx context.Context, p davpath.Path) error {
	defer b.change()()
	n, err := b.size(ctx, p)
	if err != nil {
		return fsbackend.ReadError("remove", p, err)
	}
	if err := b.inner.Remove(ctx, p); err != nil {
		return err
	}
	b.use(-n, 0)
	return nil
}

// Rename implements fsbackend.Backend. A rename to a temp name and back changes no number.
func (b *Backend) Rename(ctx context.Context, from, to davpath.Path) error {
	defer b.change()()
	n := int64(0)
	if old, err := b.inner.Lstat(ctx, to); err == nil {
		if now, err := b.inner.Lstat(ctx, from); err == nil && from != to && !now.SameFile(old) {
			n = regular(old)
		}
	}
	if err := b.inner.Rename(ctx, from, to); err != nil {
		return err
	}
	b.use(-n, 0)
	return nil
}

// CopyTree implements fsbackend.Bulk. It does not begin unless there is room for all: then the
// caller copies what fits, one by one.
func (b *Backend) CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) (begun bool) {
	if b.bulk == nil {
		return false
	}
	defer b.change()()
	n, err := b.size(ctx, src)
	if err != nil || b.reserve("copy", dst, n) != nil {
		return false
	}
	used := n
	begun = b.bulk.CopyTree(ctx, src, dst, func(p davpath.Path) {
		left, _ := b.size(context.WithoutCancel(ctx), p)
		used -= left
		skipped(p)
	})
	switch {
	case !begun:
		used = 0
	case ctx.Err() != nil: // it may have ended anywhere
		used, _ = b.size(context.WithoutCancel(ctx), dst)
	}
	b.use(used, n)
	return begun
}

// RemoveTree implements fsbackend.Bulk.
func (b *Backend) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	if b.bulk == nil {
		return false
	}
	defer b.change()()
	before, err := b.size(ctx, p)
	if err != nil {
		return false
	}
	gone = b.bulk.RemoveTree(ctx, p, removed)
	after := int64(0)
	if !gone {
		after, _ = b.size(context.WithoutCancel(ctx), p)
	}
	b.use(after-before, 0)
	return gone
}

// Undeletable implements fsbackend.Bulk.
func (b *Backend) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	if b.bulk == nil {
		return func(func(string, error) bool) {}
	}
	return b.bulk.Undeletable(ctx, p)
}

// Exceeding implements fsbackend.Bulk.
func (b *Backend) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	if b.bulk == nil {
		return p, false, errors.ErrUnsupported
	}
	return b.bulk.Exceeding(ctx, p, bytes, segments)
}
