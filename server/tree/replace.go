package tree

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// tempBeside returns the name of a temp file in p's collection.
func (t *Tree) tempBeside(p davpath.Path) davpath.Path {
	return p.Parent().Child(davpath.TempName())
}

// moveToTemp moves the resource at p into a new temp directory beside it and keeps its name there.
// If the process is killed, the clean-up at the next start can thus move it back to p.
func (t *Tree) moveToTemp(ctx context.Context, p davpath.Path) (tempDir davpath.Path, err error) {
	tempDir = t.tempBeside(p)
	if err := t.FS.Mkdir(ctx, tempDir); err != nil {
		return tempDir, err
	}
	if err := t.FS.Rename(ctx, p, tempDir.Child(p.Name())); err != nil {
		t.discard(ctx, tempDir)
		return tempDir, err
	}
	return tempDir, nil
}

// restore undoes moveToTemp after cause and returns cause. If it fails it returns cause as a
// partialError.
func (t *Tree) restore(ctx context.Context, tempDir, p davpath.Path, cause error) error {
	ctx = context.WithoutCancel(ctx)
	if err := t.FS.Rename(ctx, tempDir.Child(p.Name()), p); err != nil {
		t.warn("a resource could not be moved back from its temp name", tempDir, err)
		return &partialError{cause}
	}
	t.discard(ctx, tempDir)
	return cause
}

// partialError is a failure after a change. It is reported, since a returned error would say that
// nothing has changed.
type partialError struct{ error }

func (e *partialError) Unwrap() error { return e.error }

// discard removes a temp directory that holds at most temp files.
func (t *Tree) discard(ctx context.Context, tempDir davpath.Path) {
	if err := t.FS.Remove(context.WithoutCancel(ctx), tempDir); err != nil && !missing(err) {
		t.warn("a replaced resource is left under its temp name", tempDir, err)
	}
}

// replaceFile moves the file or link at p to a temp name, calls put, which creates something at p,
// then removes the old one. If put fails it restores the old one.
func (t *Tree) replaceFile(ctx context.Context, p davpath.Path, put func() error) error {
	replaced := t.Swaps.begin(ctx, p)
	defer replaced()
	tempDir, err := t.moveToTemp(ctx, p)
	if err != nil {
		return err
	}
	if err := put(); err != nil {
		return t.restore(ctx, tempDir, p, err)
	}
	if err := syncChanges(ctx); err != nil { // delete nothing before its replacement is on the disk
		t.warn("a replaced resource is left under its temp name", tempDir, err)
		return &partialError{err}
	}
	replaced()
	if err := t.FS.Remove(context.WithoutCancel(ctx), tempDir.Child(p.Name())); err != nil && !missing(err) {
		t.warn("a replaced resource is left under its temp name", tempDir, err)
		return nil
	}
	t.discard(ctx, tempDir)
	return nil
}

// sourceError marks a failure of the source of a COPY or MOVE, which is reported for the source's
// URL. All other failures are reported for the destination's.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// copyFile copies the content of src to dst and replaces a file there in one step. A failure of the
// source is a sourceError.
func (t *Tree) copyFile(ctx context.Context, src, dst davpath.Path) error {
	err := t.FS.CopyFile(ctx, src, dst)
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == src.String() {
		err = sourceError{err}
	}
	return err
}

// crossDevice reports whether a rename failed because the back end cannot rename between the two
// places, or cannot rename a collection.
func crossDevice(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported)
}

// replaceDir moves the collection at dst to a temp name, calls put, which creates something at dst,
// then deletes the old one. It does not ask the guard. If a member cannot be deleted it reports
// that, calls undo, restores what is left of the old collection and returns errNotEmptied. Members
// that were deleted before are lost; undeletable finds most such members in advance.
func (t *Tree) replaceDir(ctx context.Context, dst davpath.Path, old *fsbackend.Info, report Report, put, undo func() error) error {
	replaced := t.Swaps.begin(ctx, dst)
	defer func() { replaced() }()
	tempDir, err := t.moveToTemp(ctx, dst)
	if err != nil {
		return err
	}
	temp := tempDir.Child(dst.Name())
	ctx = context.WithoutCancel(ctx) // a cancelled replacement would leave a half
	if err := put(); err != nil {
		return t.restore(ctx, tempDir, dst, err)
	}
	if err := syncChanges(ctx); err != nil { // delete nothing before its replacement is on the disk
		if failed := undo(); failed != nil {
			t.warn("a replaced resource is left under its temp name", tempDir, err)
			return &partialError{err}
		}
		return t.restore(ctx, tempDir, dst, err)
	}
	replaced()
	unguarded := *t
	unguarded.Guard = nil
	d := deletion{t: &unguarded, ctx: ctx, report: report, stopAtFirst: true, originalName: func(p davpath.Path) davpath.Path { return p.Rebase(temp, dst) }}
	err = d.removeAllowed(temp, old)
	if err == nil || missing(err) {
		t.discard(ctx, tempDir)
		return nil
	}
	if !errors.Is(err, errNotEmptied) {
		report(dst, true, err)
	}
	replaced = t.Swaps.begin(ctx, dst)
	if failed := undo(); failed != nil {
		t.warn("a replaced resource is left under its temp name", tempDir, err)
		t.warn("the replacement could not be undone", dst, failed)
		return errNotEmptied
	}
	t.restore(ctx, tempDir, dst, err) // err was reported
	return errNotEmptied
}
