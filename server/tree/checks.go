package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
// rename stays cheap whatever the size of the tree. Hidden members stay at src: neither the status
// nor the time depends on them.
func (t *Tree) checkPathLengths(ctx context.Context, src props.Resource, dst davpath.Path) error {
	if !src.Info.IsDir() {
		return nil
	}
	bytes, segments := dst.Room()
	if b, s := src.Path.Room(); bytes >= b && segments >= s {
		return nil
	}
	if b := t.bulk(); b != nil && t.clear(src.Path, access.Read) {
		found, ok, err := b.Exceeding(ctx, src.Path, bytes, segments)
		if ok {
			return &TooLongError{found.Rebase(src.Path, dst)}
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	var tooLong error
	s := survey{t: t, ctx: ctx, report: func(davpath.Path, bool, error) {}} // skips the unreadable
	s.ask = func(e entry) (davpath.Path, error) {
		if err := t.check(ctx, access.Read, e.path); errors.Is(err, fs.ErrNotExist) {
			return e.path, err
		}
		if to := e.path.Rebase(src.Path, dst); tooLong == nil && to.TooLong() {
			tooLong = &TooLongError{to}
		}
		return e.path, nil
	}
	s.members(src.Path)
	return cmp.Or(tooLong, ctx.Err())
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
	if src.Info.SameFile(to) || old.IsDir() && t.hasAncestor(ctx, src.Path, davpath.Root, old) {
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

// checkFixed returns syscall.EBUSY if what is at p, or nil, cannot be removed, renamed or replaced.
// Nothing is done to its members then.
func checkFixed(p davpath.Path, info *fsbackend.Info) error {
	if info != nil && info.Fixed {
		return &fs.PathError{Op: "replace", Path: p.String(), Err: syscall.EBUSY}
	}
	return nil
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
	if replaces {
		err = cmp.Or(err, t.check(ctx, access.Unbind, dst))
	}
	return cmp.Or(err, t.check(ctx, access.Bind, dst))
}

// hrefIsCollection reports whether the href of p, where something may be, ends in a slash.
func (t *Tree) hrefIsCollection(ctx context.Context, p davpath.Path, otherwise bool) bool {
	if old, err := t.FS.Lstat(ctx, p); err == nil {
		return old.IsDir()
	}
	return otherwise
}

// checkReplace asks the guard whether a copy may be made at dst, where old is. collection is the
// kind of the copy. same are asked if old is of that kind, too. Nothing replaces what is Fixed.
func (t *Tree) checkReplace(ctx context.Context, dst davpath.Path, old *fsbackend.Info, collection bool, same []access.Privilege) error {
	switch {
	case old == nil:
		return t.check(ctx, access.Bind, dst)
	case old.IsDir() == collection:
		for _, p := range same {
			if err := t.check(ctx, p, dst); err != nil {
				return err
			}
		}
		return checkFixed(dst, old)
	}
	return cmp.Or(t.check(ctx, access.Unbind, dst), t.check(ctx, access.Bind, dst), checkFixed(dst, old))
}

// undeletable returns why members of the collection p are known to be undeletable, by their names.
func (t *Tree) undeletable(ctx context.Context, p davpath.Path) map[string]error {
	if b := t.bulk(); b != nil {
		return maps.Collect(b.Undeletable(ctx, p))
	}
	return nil
}

// survey asks about every member below a collection before a COPY or MOVE changes anything.
type survey struct {
	t      *Tree
	ctx    context.Context
	report Report
	// ask returns why a member prevents the operation, and the path to report that for. An
	// fs.ErrNotExist hides the member: then its collection is reported.
	ask    func(entry) (davpath.Path, error)
	clear  func(davpath.Path) bool // ask returns nil for all below; nil: it has to be asked
	hidden error                   // of a hidden member: errHidden, or nil if such members prevent nothing
	// removal means that the members will be removed: those that are known to be undeletable
	// prevent it, too. The others would be lost with nothing in their place.
	removal bool
}

// members reports each member below the collection p that prevents the operation, and returns
// errNotEmptied if there is one, or why p itself prevents it.
func (s *survey) members(p davpath.Path) error {
	asks := s.clear == nil || !s.clear(p)
	if !asks && !s.removal {
		return nil
	}
	l, err := s.t.list(s.ctx, p)
	if err != nil && !asks {
		return s.ctx.Err() // the removal itself may succeed
	} else if err != nil {
		return err
	}
	defer l.close()
	var undeletable map[string]error
	if s.removal {
		undeletable = s.t.undeletable(s.ctx, p)
	}
	var result error
	for e := range l.entries {
		err := s.member(e, asks, undeletable[e.path.Name()])
		if errors.Is(err, errHidden) {
			s.report(p, true, err)
			return errNotEmptied
		}
		if err != nil && !errors.Is(err, errNotEmptied) {
			return err
		}
		result = cmp.Or(result, err)
	}
	if result == nil && s.removal && l.foreign {
		return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.ENOTEMPTY}
	}
	return result
}

// member is members for e and all below it. It returns s.hidden for a hidden member.
func (s *survey) member(e entry, asks bool, undeletable error) (err error) {
	at, collection := e.path, e.info != nil && e.info.IsDir()
	if asks {
		at, err = s.ask(e)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s.hidden
	}
	if err == nil {
		at, err = e.path, undeletable
	}
	if err == nil && s.removal {
		err = checkFixed(e.path, e.info)
	}
	if err == nil && collection {
		err = s.members(e.path)
	}
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case err == nil, errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		return nil
	case errors.Is(err, errNotEmptied):
		return err
	}
	if at != e.path && !errors.Is(err, errUnseen) {
		collection = s.t.hrefIsCollection(s.ctx, at, collection)
	}
	s.report(at, collection, err)
	return errNotEmptied
}

// checkMembersRemovable reports each member of the collection dst that the guard does not let the
// request remove or that is known to be undeletable, and returns errNotEmptied if there is one.
func (x *transfer) checkMembersRemovable(dst davpath.Path) error {
	s := survey{t: x.t, ctx: x.ctx, report: x.report, clear: func(p davpath.Path) bool { return x.t.clear(p) }, removal: true, hidden: errHidden}
	s.ask = func(e entry) (davpath.Path, error) { return e.path, x.t.check(x.ctx, access.Unbind, e.path) }
	err := s.members(dst)
	if err == nil || errors.Is(err, errNotEmptied) || x.ctx.Err() != nil {
		return err
	}
	x.report(dst, true, err)
	return errNotEmptied
}

// checkMovable reports each member below src that the guard does not let the request move, or whose
// info cannot be read while the guard has to be asked. It returns errNotEmptied if there is one.
func (x *transfer) checkMovable(src props.Resource, report Report) error {
	if !src.Info.IsDir() {
		return nil
	}
	s := survey{t: x.t, ctx: x.ctx, report: report, hidden: errHidden}
	s.clear = func(p davpath.Path) bool { return x.t.clear(p) && x.t.clear(p.Rebase(src.Path, x.dst)) }
	s.ask = func(e entry) (davpath.Path, error) {
		err := x.t.check(x.ctx, access.Unbind, e.path)
		if err == nil && !missing(e.err) { // else it was removed meanwhile
			err = e.err
		}
		if err != nil {
			return e.path, err
		}
		to := e.path.Rebase(src.Path, x.dst)
		return to, cmp.Or(x.t.checkSeen(x.ctx, to), x.t.check(x.ctx, access.Bind, to))
	}
	err := s.members(src.Path)
	if err != nil && !errors.Is(err, errNotEmptied) {
		return sourceError{err}
	}
	return err
}

// checkUndeletable reports each member of src that is known to be undeletable after a copy and
// returns errNotEmptied if there is one, or why src itself is undeletable.
func (x *transfer) checkUndeletable(src props.Resource) error {
	if reason := x.t.undeletable(x.ctx, src.Path.Parent())[src.Path.Name()]; reason != nil {
		return sourceError{reason}
	}
	if !src.Info.IsDir() {
		return nil
	}
	s := survey{t: x.t, ctx: x.ctx, report: x.report, clear: func(davpath.Path) bool { return true }, removal: true, hidden: errHidden}
	return s.members(src.Path)
}
