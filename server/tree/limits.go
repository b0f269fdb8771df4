package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"dav207/props"
	"dav207/server/davpath"
)

// TooLongError means that Path is longer or deeper than what may be created, be it a member of what was to be moved.
type TooLongError struct{ Path davpath.Path }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a path of %d bytes is too long or too deep", len(e.Path.String()))
}

// fits returns a *TooLongError if a member of src would have a path at dst that may not be created.
// Most trees do not get longer paths, and those that do are not looked at member by member where
// the file system is an Exceeder: a rename stays cheap, whatever the size of the tree.
func (t *Tree) fits(ctx context.Context, src props.Resource, dst davpath.Path) error {
	if !src.Info.IsDir() {
		return nil
	}
	bytes, segments := dst.Room()
	if b, s := src.Path.Room(); bytes >= b && segments >= s {
		return nil
	}
	if e, ok := t.FS.(Exceeder); ok {
		name, err := e.Exceeding(ctx, src.Path.String(), bytes, segments)
		if err == nil && name != "" {
			var p davpath.Path
			if p, err = davpath.Clean(name); err == nil {
				err = &TooLongError{p.Rebase(src.Path, dst)}
			}
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return t.membersFit(ctx, src.Path, dst)
}

// membersFit is fits for the members of src. A collection that cannot be read is passed over.
func (t *Tree) membersFit(ctx context.Context, src, dst davpath.Path) error {
	members, err := t.kinds(ctx, src)
	if err != nil {
		return ctx.Err()
	}
	for name, collection := range members {
		to := dst.Child(name)
		if to.TooLong() {
			return &TooLongError{to}
		}
		if collection {
			if err := t.membersFit(ctx, src.Child(name), to); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// kinds returns the names of the members of p and whether each is a collection, without a look at
// each where the file system lists both together.
func (t *Tree) kinds(ctx context.Context, p davpath.Path) (map[string]bool, error) {
	kinds := map[string]bool{}
	f, err := t.FS.OpenFile(ctx, p.String(), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if d, ok := f.(fs.ReadDirFile); ok {
		entries, err := d.ReadDir(-1)
		for _, e := range entries {
			if name := e.Name(); davpath.ValidSegment(name) && !davpath.Reserved(name) {
				kinds[name] = e.IsDir()
			}
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return kinds, err
		}
	}
	l, err := t.list(ctx, p)
	if err != nil {
		return nil, err
	}
	for e := range l.entries {
		kinds[e.path.Name()] = e.info != nil && e.info.IsDir()
	}
	return kinds, nil
}
