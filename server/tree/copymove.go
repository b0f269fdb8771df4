package tree

import (
	"context"
	"io/fs"
	"strings"
	"sync"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Copy makes dst a copy of src, with its properties and, unless depth is Zero, its members (RFC 4918 §9.8). What is at dst
// is replaced, not merged. A member that cannot be copied is reported, under its own URL or that of its copy, whichever
// caused it; what was at the destination under its name stays. Other subtrees go on.
//
// Before anything changes it refuses with ErrOverlap, ErrNoParent, what Stat says of src, and what the guard says of
// both. A symbolic link is copied as what it leads to. A time of creation that a client set is not
// copied: see props.Copied.
func (t *Tree) Copy(ctx context.Context, src, dst davpath.Path, depth Depth, report Report) error {
	t = t.noting()
	err := t.durably(ctx, dst, report, func(ctx context.Context, report Report) error {
		return t.copy(ctx, src, dst, depth, report)
	})
	return t.told(ctx, dst, report, err)
}

func (t *Tree) copy(ctx context.Context, src, dst davpath.Path, depth Depth, report Report) error {
	r, err := t.Stat(ctx, src)
	if err != nil {
		return err
	}
	old, err := t.lstat(ctx, dst)
	if err != nil {
		old = nil // it is free, or what is wrong with it will show
	}
	if err := t.apart(ctx, r, dst, old); err != nil {
		return err
	}
	if err := t.check(ctx, access.Read, src); err != nil {
		return err
	}
	x := &transfer{t: t, ctx: ctx, report: report, dst: dst}
	x.bare = sync.OnceValue(func() bool { return t.bare(ctx, src) && t.bare(ctx, dst) })
	x.owned = sync.OnceValues(func() ([]davpath.Path, bool) { return t.ownedBelow(ctx, src) })
	return x.finish(r, dst, x.resource(r, dst, depth))
}

// Move gives src, its members and their properties the name dst (RFC 4918 §9.9). What is at dst is
// replaced: where a member of it may not go, or is known to stay, nothing changes and that member
// is reported, since a DELETE of it comes first (§9.9.3). So it is with a member of src, which
// would be missing at dst after that DELETE: a method fails where the token of a lock on what it
// changes is not submitted (§7.5). If the guard allows it for every member that is one rename: all
// or nothing. Otherwise, and where the file system cannot rename that far, it goes member by
// member: what cannot be moved is reported and stays, with its ancestors, others go on (§9.9.2),
// and dst has nothing under its name.
//
// Before anything changes it refuses as Copy does. A symbolic link is moved itself.
func (t *Tree) Move(ctx context.Context, src, dst davpath.Path, report Report) error {
	t = t.noting()
	before := t.Before
	announced := false
	t.Before = func() error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		announced = true
		return t.Props.Update(context.WithoutCancel(ctx), props.MoveIntent{Src: src, Dst: dst})
	}
	err := t.durably(ctx, dst, report, func(ctx context.Context, report Report) error {
		return t.move(ctx, src, dst, report)
	})
	if announced {
		if failed := t.note(ctx, props.MoveDone{Src: src}); err == nil {
			err = failed
		}
	}
	return t.told(ctx, dst, report, err)
}

func (t *Tree) move(ctx context.Context, src, dst davpath.Path, report Report) error {
	old, err := t.lstat(ctx, dst)
	if err != nil && !missing(err) {
		return err
	}
	info, srcErr := t.lstat(ctx, src)
	if srcErr == nil && err == nil && recased(src, dst) && sameFile(info, old) {
		return t.recase(ctx, src, dst)
	}
	r := props.Resource{Path: src, Info: info}
	if srcErr == nil && !isLink(info) {
		err = servable(info)
	} else {
		r, err = t.Stat(ctx, src)
	}
	if err != nil {
		return err
	}
	if err := t.apart(ctx, r, dst, old); err != nil {
		return err
	}
	if srcErr == nil {
		r.Info = info // of a link itself
	}
	x := &transfer{t: t, ctx: ctx, report: report, dst: dst, move: true}
	if err := t.check(ctx, access.Unbind, src); err != nil {
		return err
	}
	if old != nil { // a member leaves the destination's parent, and another one comes (§9.9.3)
		if err := t.check(ctx, access.Unbind, dst); err != nil {
			return err
		}
	}
	if err := t.check(ctx, access.Bind, dst); err != nil {
		return err
	}
	if err := t.fits(ctx, r, dst); err != nil {
		return err
	}
	var refused []func() // reports that are made unless a member of the destination stays
	staying := x.immovable(r, func(p davpath.Path, collection bool, err error) {
		if old != nil {
			refused = append(refused, func() { report(p, collection, err) })
		}
	})
	if err := x.begin(); err != nil {
		return err
	}
	if old != nil && old.IsDir() {
		if err := x.removable(dst); err != nil {
			return x.finish(r, dst, err)
		}
	}
	if old != nil && staying != nil {
		for _, tell := range refused {
			tell()
		}
		return x.finish(r, dst, staying)
	}
	if staying == nil {
		err := t.moveWhole(ctx, src, dst, r.Info, old, report)
		if !tooFar(err) {
			return x.finish(r, dst, err)
		}
		if old != nil {
			if err := x.stuck(r); err != nil {
				return x.finish(r, dst, err)
			}
		}
	}
	if isLink(r.Info) {
		return x.finish(r, dst, x.file(r, dst, old))
	}
	return x.finish(r, dst, x.resource(r, dst, Infinity))
}

// moveWhole renames src to dst, whatever is there.
func (t *Tree) moveWhole(ctx context.Context, src, dst davpath.Path, info, old fs.FileInfo, report Report) error {
	back := context.WithoutCancel(ctx)
	// The properties go along before anything that was there is removed: a disk may be too full for them.
	rename := func() error {
		if err := t.rename(ctx, src, dst, info.IsDir()); err != nil {
			return err
		}
		err := t.moveProperties(ctx, src, dst)
		if err != nil && t.rename(back, dst, src, info.IsDir()) != nil {
			t.gone(src, false)
			return &changedError{err}
		}
		return err
	}
	var err error
	switch {
	case old == nil:
		err = rename()
	case !info.IsDir() && !old.IsDir() && !t.tight(ctx, src, dst):
		if err = t.replace(ctx, src, dst); err == nil {
			if failed := t.moveProperties(ctx, src, dst); failed != nil {
				t.gone(src, false)
				err = &changedError{failed}
			}
		}
	case !old.IsDir():
		err = t.swap(ctx, dst, rename)
	default:
		var replaced []props.Entry
		if replaced, err = t.entries(ctx, dst); err != nil {
			return err
		}
		undo := func() error {
			if err := t.rename(back, dst, src, info.IsDir()); err != nil {
				return err
			}
			t.unmoved(src, dst, replaced)
			return nil
		}
		err = t.supplant(ctx, dst, old, report, rename, undo)
	}
	if err != nil {
		return err
	}
	t.gone(src, false)
	t.gone(dst, true)
	return nil
}

// apart makes sure that dst, where old is if that is not nil, has a parent and that neither it nor src is within the other, also by
// way of links.
func (t *Tree) apart(ctx context.Context, src props.Resource, dst davpath.Path, old fs.FileInfo) error {
	if src.Path.Contains(dst) || dst.Contains(src.Path) {
		return ErrOverlap
	}
	parent, err := t.parent(ctx, dst)
	if err != nil {
		return err
	}
	// Links give one resource several names: also what they lead to must not overlap.
	from, into := t.realOf(ctx, src), t.realOf(ctx, parent).Child(dst.Name())
	if from.Contains(into) || into.Contains(from) {
		return ErrOverlap
	}
	if src.Info.IsDir() {
		if sameFile(src.Info, parent.Info) {
			return ErrOverlap
		}
		for p := parent.Path; !p.IsRoot(); {
			p = p.Parent()
			if info, err := t.FS.Stat(ctx, p.String()); err == nil && sameFile(src.Info, info) {
				return ErrOverlap
			}
		}
	}
	if old == nil {
		return nil
	}
	// One file under two names: a link to it, or another hard link, of which a rename would remove neither.
	to := old
	if isLink(old) {
		if to, err = t.FS.Stat(ctx, dst.String()); err != nil {
			to = old
		}
	}
	if sameFile(src.Info, to) {
		return ErrOverlap
	}
	if old.IsDir() {
		for p := src.Path; !p.IsRoot(); p = p.Parent() {
			if info, err := t.FS.Stat(ctx, p.String()); err == nil && sameFile(old, info) {
				return ErrOverlap
			}
		}
	}
	return nil
}

// recased reports whether two names differ in case only: on some file systems they are one.
func recased(a, b davpath.Path) bool {
	return a != b && a.Parent() == b.Parent() && strings.EqualFold(a.Name(), b.Name())
}

// recase renames a resource to another spelling of its own name, which is not there to be replaced.
func (t *Tree) recase(ctx context.Context, src, dst davpath.Path) error {
	for _, c := range []struct {
		priv access.Privilege
		path davpath.Path
	}{{access.Unbind, src}, {access.Bind, dst}} {
		if err := t.check(ctx, c.priv, c.path); err != nil {
			return err
		}
	}
	if err := t.before(); err != nil {
		return err
	}
	if err := t.rename(ctx, src, dst, true); err != nil {
		return err
	}
	t.gone(src, false)
	return t.note(ctx, props.Move{Src: src, Dst: dst})
}
