package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// TooLongError means that the path of a resource to be created, or of a member that is moved, is
// longer or deeper than allowed.
type TooLongError struct{ Path davpath.Path }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a path of %d bytes is too long or too deep", len(e.Path.String()))
}

// checkBounds returns an error if p is longer or deeper than allowed for a new resource.
func checkBounds(p davpath.Path) error {
	if err := p.Bounds(); err != nil {
		return fmt.Errorf("%w: %w", syscall.ENAMETOOLONG, err)
	}
	return nil
}

// checkPathLengths returns a *TooLongError if a member of src would have too long a path at dst. It
// looks at the members only if the paths get longer, and with Bulk it uses Exceeding, so that a
// rename stays cheap whatever the size of the tree.
func (t *Tree) checkPathLengths(ctx context.Context, src props.Resource, dst davpath.Path) error {
	if !src.Info.IsDir() {
		return nil
	}
	bytes, segments := dst.Room()
	if b, s := src.Path.Room(); bytes >= b && segments >= s {
		return nil
	}
	if b := t.bulk(); b != nil {
		found, ok, err := b.Exceeding(ctx, src.Path, bytes, segments)
		switch {
		case err == nil && ok:
			return &TooLongError{found.Rebase(src.Path, dst)}
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
	}
	return t.checkMemberPathLengths(ctx, src.Path, dst)
}

// checkMemberPathLengths is checkPathLengths member by member. It skips a collection that cannot be
// read.
func (t *Tree) checkMemberPathLengths(ctx context.Context, src, dst davpath.Path) error {
	l, err := t.list(ctx, src)
	if err != nil {
		return ctx.Err()
	}
	defer l.close()
	for e := range l.entries {
		to := e.path.Rebase(src, dst)
		if to.TooLong() {
			return &TooLongError{to}
		}
		if e.info != nil && e.info.IsDir() {
			if err := t.checkMemberPathLengths(ctx, e.path, to); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// checkOverlap returns ErrOverlap if src and dst are one resource or one contains the other, also
// through links, and ErrNoParent if dst has no parent. old is what is at dst, or nil.
func (t *Tree) checkOverlap(ctx context.Context, src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	if src.Path.Contains(dst) || dst.Contains(src.Path) {
		return ErrOverlap
	}
	parent, err := t.parent(ctx, dst)
	if err != nil {
		return err
	}
	// Links give one resource several names: what they lead to must not overlap either.
	from, into := t.realOf(ctx, src), t.realOf(ctx, parent).Child(dst.Name())
	if from.Contains(into) || into.Contains(from) {
		return ErrOverlap
	}
	if src.Info.IsDir() && (src.Info.SameFile(parent.Info) || t.hasAncestor(ctx, parent.Path, davpath.Root, src.Info)) {
		return ErrOverlap
	}
	if old == nil {
		return nil
	}
	// One file under two names, a link or a hard link: rename(2) would remove neither.
	to := old
	if old.IsLink() {
		if to, err = t.FS.Stat(ctx, dst); err != nil {
			to = old
		}
	}
	if src.Info.SameFile(to) {
		return ErrOverlap
	}
	if old.IsDir() && t.hasAncestor(ctx, src.Path, davpath.Root, old) {
		return ErrOverlap
	}
	return nil
}

// hasAncestor reports whether info describes one of the collections above p, up to top.
func (t *Tree) hasAncestor(ctx context.Context, p, top davpath.Path, info *fsbackend.Info) bool {
	for p != top {
		p = p.Parent()
		if above, err := t.FS.Stat(ctx, p); err == nil && info.SameFile(above) {
			return true
		}
	}
	return false
}

// sameFold reports whether two paths differ only in the case of their last segment. Some file
// systems take them for one.
func sameFold(a, b davpath.Path) bool {
	return a != b && a.Parent() == b.Parent() && strings.EqualFold(a.Name(), b.Name())
}

// checkMove asks the guard whether src may leave its parent, and whether it may come to dst. With
// replaces it also asks whether the resource at dst may leave (RFC 4918 §9.9.3).
func (t *Tree) checkMove(ctx context.Context, src, dst davpath.Path, replaces bool) error {
	err := t.check(ctx, access.Unbind, src)
	if err == nil && replaces {
		err = t.check(ctx, access.Unbind, dst)
	}
	if err == nil {
		err = t.check(ctx, access.Bind, dst)
	}
	return err
}

// checkReplace asks the guard whether a copy may be made at dst, where old is. collection is the
// kind of the copy.
func (t *Tree) checkReplace(ctx context.Context, dst davpath.Path, old *fsbackend.Info, collection bool) error {
	switch {
	case old == nil:
		return t.check(ctx, access.Bind, dst)
	case old.IsDir() == collection: // only the content changes
		return t.check(ctx, access.WriteContent, dst)
	}
	return errors.Join(t.check(ctx, access.Unbind, dst), t.check(ctx, access.Bind, dst))
}

// denied calls allowed for every member below the collection p and reports each error for the path
// that allowed returns with it. It returns errNotEmptied if there was one. An fs.ErrNotExist hides
// the member: denied then reports its collection. It skips collections for which clear returns
// true.
func (t *Tree) denied(ctx context.Context, p davpath.Path, clear func(davpath.Path) bool, allowed func(entry) (davpath.Path, error), report Report) error {
	if clear(p) {
		return nil
	}
	l, err := t.list(ctx, p)
	if err != nil {
		return err
	}
	defer l.close()
	var result error
	for e := range l.entries {
		collection := e.info != nil && e.info.IsDir()
		at, err := allowed(e)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			report(p, true, errHidden)
			return errNotEmptied
		case err == nil && collection:
			at, err = e.path, t.denied(ctx, e.path, clear, allowed, report)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errNotEmptied):
			if at != e.path {
				if old, err := t.FS.Lstat(ctx, at); err == nil {
					collection = old.IsDir()
				}
			}
			report(at, collection, err)
		}
		result = errNotEmptied
	}
	return result
}

// undeletable reports each resource in the collection p that is known to be undeletable and returns
// errNotEmptied if there is one. The caller then removes nothing, since the other members would be
// lost with nothing in their place.
func (t *Tree) undeletable(ctx context.Context, p davpath.Path, report Report) error {
	err := t.undeletableIn(ctx, p, report)
	if err != nil && !errors.Is(err, errNotEmptied) && ctx.Err() == nil {
		report(p, true, err)
		return errNotEmptied
	}
	return err
}

// undeletableIn is undeletable, but returns why p itself is undeletable instead of reporting it.
func (t *Tree) undeletableIn(ctx context.Context, p davpath.Path, report Report) error {
	l, err := t.list(ctx, p)
	if err != nil {
		return ctx.Err() // the removal itself may succeed
	}
	defer l.close()
	reasons := map[string]error{}
	if b := t.bulk(); b != nil {
		for name, reason := range b.Undeletable(ctx, p) {
			reasons[name] = reason
		}
	}
	var result error
	for e := range l.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		collection := e.info != nil && e.info.IsDir()
		err := reasons[e.path.Name()]
		if err == nil && collection {
			err = t.undeletableIn(ctx, e.path, report)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, errNotEmptied) {
			report(e.path, collection, err)
		}
		result = errNotEmptied
	}
	if result == nil && l.foreign {
		return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.ENOTEMPTY}
	}
	return result
}

// checkReplaceDir asks the guard and the back end whether the collection dst may be removed with
// all its members.
func (x *transfer) checkReplaceDir(dst davpath.Path) error {
	if err := errors.Join(x.t.check(x.ctx, access.Unbind, dst), x.t.check(x.ctx, access.Bind, dst)); err != nil {
		return err
	}
	return x.checkMembersRemovable(dst)
}

// checkMembersRemovable reports each member of the collection dst that the guard does not let the
// request remove or that is known to be undeletable, and returns errNotEmptied if there is one.
func (x *transfer) checkMembersRemovable(dst davpath.Path) error {
	var refused []davpath.Path
	unbind := func(e entry) (davpath.Path, error) { return e.path, x.t.check(x.ctx, access.Unbind, e.path) }
	err := x.t.denied(x.ctx, dst, x.t.clear, unbind, func(p davpath.Path, collection bool, err error) {
		refused = append(refused, p)
		x.report(p, collection, err)
	})
	if err != nil && !errors.Is(err, errNotEmptied) {
		return err
	}
	undeletable := x.t.undeletable(x.ctx, dst, func(p davpath.Path, collection bool, err error) {
		// Not again, and not below a reported member: it may be hidden.
		if !slices.ContainsFunc(refused, func(r davpath.Path) bool { return r.Contains(p) }) {
			x.report(p, collection, err)
		}
	})
	if err != nil {
		return err
	}
	return undeletable
}

// checkMovable reports each member below src that the guard does not let the request move, or whose
// info cannot be read while the guard has to be asked. It returns errNotEmptied if there is one.
func (x *transfer) checkMovable(src props.Resource, report Report) error {
	if !src.Info.IsDir() {
		return nil
	}
	clear := func(p davpath.Path) bool { return x.t.clear(p) && x.t.clear(p.Rebase(src.Path, x.dst)) }
	err := x.t.denied(x.ctx, src.Path, clear, func(e entry) (davpath.Path, error) {
		if err := x.t.check(x.ctx, access.Unbind, e.path); err != nil {
			return e.path, err
		}
		if missing(e.err) {
			return e.path, nil // it was removed meanwhile
		}
		if e.err != nil {
			return e.path, e.err
		}
		to := e.path.Rebase(src.Path, x.dst)
		return to, x.t.check(x.ctx, access.Bind, to)
	}, report)
	if err != nil && !errors.Is(err, errNotEmptied) {
		return sourceError{err}
	}
	return err
}

// checkUndeletable reports each member of src that is known to be undeletable after a copy and
// returns errNotEmptied if there is one, or why src itself is undeletable.
func (x *transfer) checkUndeletable(src props.Resource) error {
	if b := x.t.bulk(); b != nil {
		for name, reason := range b.Undeletable(x.ctx, src.Path.Parent()) {
			if name == src.Path.Name() {
				return sourceError{reason}
			}
		}
	}
	if !src.Info.IsDir() {
		return nil
	}
	return x.t.undeletable(x.ctx, src.Path, x.report)
}
