package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// transfer is a COPY, or a MOVE that goes member by member. What is at the destination is replaced
// one resource at a time, each in one step, and what has no counterpart in the source is removed
// last. Where a member of a COPY fails, the destination's old one is still there: it was to be
// overwritten in place, and the failure is reported (§9.8.4). Where a member of a MOVE fails it is
// at the source still, and the destination's old one goes with what has no counterpart: a DELETE
// comes before a MOVE (§9.9.3), and among new files the old one would pass for one of them. Only a
// collection that a file replaces goes member by member: if some of it is known to stay, all of it
// does (see obstacles); if some of it turns out to stay, the rest is back under its name, and what
// went before is lost with nothing in its place (see supplant).
type transfer struct {
	t       *Tree
	ctx     context.Context
	report  Report
	move    bool
	begun   bool                                      // the first change was allowed
	changed bool                                      // something was created, replaced or removed
	above   []fs.FileInfo                             // the source collections that the transfer is in
	links   int                                       // how many of them were reached through a link
	into    fs.FileInfo                               // the destination, once it is a collection: a link in the source may lead to it
	dst     davpath.Path                              // the destination
	told    map[davpath.Path]bool                     // of the destination of a MOVE: was reported
	bare    func() bool                               // neither of them has properties, nor has anything below them
	owned   func() (members []davpath.Path, few bool) // ownedBelow of the source
}

// finish turns the outcome of the resource that the request named into that of the operation.
func (x *transfer) finish(src props.Resource, dst davpath.Path, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errKept):
		return ErrPartial
	case x.changed || errors.As(err, new(*changedError)):
		x.fail(src, dst, err)
		return ErrPartial
	}
	return err
}

// fail reports err for the resource that caused it.
func (x *transfer) fail(src props.Resource, dst davpath.Path, err error) {
	collection := src.Info != nil && src.Info.IsDir() || errors.Is(err, ErrLoop)
	if errors.As(err, &sideError{}) {
		x.report(src.Path, collection, err)
		return
	}
	if old, err := x.t.lstat(x.ctx, dst); err == nil { // it is named as what it is, not as what it was to become
		collection = old.IsDir()
	}
	x.tell(dst, collection, err)
}

// tell reports a failure of the destination, once: where a MOVE fails the old resource is removed,
// and that may fail, too.
func (x *transfer) tell(dst davpath.Path, collection bool, err error) {
	if x.told[dst] {
		return
	}
	if x.move {
		if x.told == nil {
			x.told = map[davpath.Path]bool{}
		}
		x.told[dst] = true
	}
	x.report(dst, collection, err)
}

// resource transfers src, whose link is followed, to dst. It returns errKept where members failed, which were
// reported, or what stopped src itself.
func (x *transfer) resource(src props.Resource, dst davpath.Path, depth Depth) error {
	if err := dst.Bounds(); err != nil {
		return fmt.Errorf("%w: %w", syscall.ENAMETOOLONG, err)
	}
	old, err := x.t.lstat(x.ctx, dst)
	if missing(err) {
		old, err = nil, nil
	}
	if err != nil {
		return err
	}
	if src.Info.IsDir() {
		return x.collection(src, dst, old, depth)
	}
	return x.file(src, dst, old)
}

// begin asks, before the first change, whether the request still wants it.
func (x *transfer) begin() error {
	if x.begun {
		return nil
	}
	x.begun = true
	return x.t.before()
}

// collection returns a changedError for a failure after which members of src may be at dst.
func (x *transfer) collection(src props.Resource, dst davpath.Path, old fs.FileInfo, depth Depth) (err error) {
	// The source first: a collection that cannot be listed must not replace anything.
	var members *listing
	if depth != Zero {
		l, err := x.t.list(x.ctx, src.Path)
		if err != nil {
			return sideError{err}
		}
		defer l.close()
		members = l
	}
	if err := x.container(dst, old); err != nil {
		return err
	}
	defer func() {
		if err != nil && !errors.Is(err, errKept) {
			err = &changedError{err}
		}
	}()
	fresh := old == nil || !old.IsDir()
	if x.into == nil {
		var err error
		if x.into, err = x.t.FS.Stat(x.ctx, dst.String()); err != nil {
			return err
		}
	}
	if err := x.properties(src, dst); err != nil {
		return err
	}
	kept := false
	var came []string // the names of the members whose counterparts are to stay
	if members != nil {
		x.above = append(x.above, src.Info)
		defer func(level int) { x.above = x.above[:level] }(len(x.above) - 1)
		done := false
		if fresh {
			var err error
			if kept, done, err = x.below(src, dst); err != nil {
				return err
			}
		}
		if !done {
			var err error
			if came, kept, err = x.members(members, src.Path, dst, fresh); err != nil {
				return err
			}
		}
	}
	if old != nil && old.IsDir() {
		if err := x.surplus(dst, came); errors.Is(err, errKept) {
			kept = true
		} else if err != nil {
			return err
		}
	}
	if kept {
		return errKept
	}
	if x.move {
		return x.removeSource(src.Path, true)
	}
	return nil
}

// members transfers the members of src one collection after the other. It reports whether one of them failed, and, unless the
// collection dst is fresh, of which ones what is there now is to stay.
func (x *transfer) members(l *listing, src, dst davpath.Path, fresh bool) (came []string, kept bool, err error) {
	for o := range l.batches {
		var copied []bool
		if fresh {
			copied = x.together(o, src, dst)
		}
		for i, e := range o.entries {
			out, err := x.member(e, dst, copied != nil && copied[i])
			if err != nil {
				return nil, true, err
			}
			kept = kept || out == failed || out == left
			if (out == transferred || out == failed) && !fresh {
				came = append(came, e.path.Name())
			}
		}
	}
	return came, kept, nil
}

// container makes sure that a collection is at dst. One that is there stays, with its members.
func (x *transfer) container(dst davpath.Path, old fs.FileInfo) error {
	if old != nil && old.IsDir() {
		priv := access.WriteContent
		if x.move {
			priv = access.Bind
		}
		if err := x.t.check(x.ctx, priv, dst); err != nil {
			return err
		}
		if err := x.begin(); err != nil {
			return err
		}
		x.changed = true
		return nil
	}
	if old != nil {
		if err := x.t.check(x.ctx, access.Unbind, dst); err != nil {
			return err
		}
	}
	if err := x.t.check(x.ctx, access.Bind, dst); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	if err := x.clearStale(dst, old); err != nil {
		return err
	}
	mkdir := func() error { return x.t.FS.Mkdir(x.ctx, dst.String(), 0o777) }
	var err error
	if old == nil {
		err = mkdir()
	} else {
		err = x.t.swap(x.ctx, dst, mkdir)
	}
	x.changed = x.changed || err == nil
	return err
}

// outcome is what became of a member.
type outcome uint8

const (
	transferred outcome = iota
	failed              // and was reported
	left                // of a MOVE: it failed, was reported, and is at the source as it was
	vanished            // meanwhile, or is hidden: it is no member
)

// member transfers one member into the collection dst, or its properties if it was copied. It reports a failure itself; an
// error ends the transfer.
func (x *transfer) member(e entry, dst davpath.Path, copied bool) (outcome, error) {
	src := props.Resource{Path: e.path, Info: e.info}
	to := dst.Child(e.path.Name())
	err := x.ctx.Err()
	if err != nil {
		return failed, err
	}
	priv := access.Read
	if x.move {
		priv = access.Unbind
	}
	if copied {
		err = x.properties(src, to)
	} else if err = x.t.check(x.ctx, priv, e.path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if !x.move {
				return vanished, nil
			}
			src.Path, src.Info, err = e.path.Parent(), x.above[len(x.above)-1], errHidden
		}
		err = sideError{err}
	} else if err = e.err; err != nil {
		err = sideError{err}
	} else {
		err = x.found(src, to)
	}
	switch {
	case err == nil:
		return transferred, nil
	case errors.Is(err, errKept):
		return failed, nil
	case x.ctx.Err() != nil:
		return failed, x.ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &sideError{}):
		if _, gone := x.t.lstat(x.ctx, e.path); missing(gone) {
			return vanished, nil
		}
	}
	x.fail(src, to, err)
	if x.move && !errors.As(err, new(*changedError)) {
		return left, nil
	}
	return failed, nil
}

// found transfers a member that could be looked at.
func (x *transfer) found(src props.Resource, dst davpath.Path) error {
	if x.move {
		whole := !src.Info.IsDir() || x.t.clear(src.Path) && x.t.clear(dst)
		if _, err := x.t.lstat(x.ctx, dst); whole && missing(err) {
			return x.rename(src, dst)
		}
		if isLink(src.Info) || servable(src.Info) != nil { // moved as it is, never followed
			old, err := x.t.lstat(x.ctx, dst)
			if missing(err) {
				old, err = nil, nil
			}
			if err != nil {
				return err
			}
			return x.file(src, dst, old)
		}
		return x.resource(src, dst, Infinity)
	}
	to, err := x.t.follow(x.ctx, src)
	if isLink(src.Info) {
		x.links++
		defer func() { x.links-- }()
	}
	if err == nil && x.links > 0 && (holds(x.above, to.Info) || sameFile(x.into, to.Info)) {
		err = ErrLoop
	}
	if err == nil && isLink(src.Info) && to.Info.IsDir() && x.t.Real(x.ctx, x.dst).Contains(x.t.Real(x.ctx, src.Path)) {
		err = ErrLoop // into what is being made
	}
	if err != nil {
		return sideError{err}
	}
	return x.resource(to, dst, Infinity)
}

// rename moves a member with all that is below it to a name that is free.
func (x *transfer) rename(src props.Resource, dst davpath.Path) error {
	if err := x.t.check(x.ctx, access.Bind, dst); err != nil {
		return err
	}
	if !src.Info.IsDir() {
		return x.moveFile(src, dst, nil)
	}
	err := x.t.rename(x.ctx, src.Path, dst, true)
	if tooFar(err) {
		return x.collection(src, dst, nil, Infinity)
	}
	if err != nil {
		return x.blame(src.Path, err)
	}
	x.changed = true
	x.t.gone(src.Path, false)
	return x.t.note(x.ctx, props.Move{Src: src.Path, Dst: dst})
}

// surplus removes the members of the collection dst but for those that came, whose sorted names are
// given.
func (x *transfer) surplus(dst davpath.Path, came []string) error {
	l, err := x.t.list(x.ctx, dst)
	if err != nil {
		return err
	}
	defer l.close()
	d := deletion{t: x.t, ctx: x.ctx, report: x.tell}
	var result error
	for e := range l.entries {
		if _, ok := slices.BinarySearch(came, e.path.Name()); ok {
			continue
		}
		err := e.err
		if err == nil {
			err = d.resource(e.path, e.info)
		}
		switch {
		case err == nil:
			x.t.forget(x.ctx, e.path)
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case x.ctx.Err() != nil:
			return x.ctx.Err()
		case !errors.Is(err, errKept):
			x.tell(e.path, e.info != nil && e.info.IsDir(), err)
		}
		result = errKept
	}
	return result
}

// tooFar reports whether a rename failed because the file system cannot rename between the two places, or not a
// collection as a whole.
func tooFar(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported)
}
