package tree

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// transfer is a COPY, or a MOVE that goes member by member. It replaces the destination one
// resource at a time, each in one step, and removes at the end what has no counterpart in the
// source.
//
// If a member of a COPY fails, the destination's old member stays: it was to be overwritten in
// place (RFC 4918 §9.8.4). If a member of a MOVE fails, it stays at the source, and the
// destination's old member is removed with what has no counterpart: a DELETE comes before a MOVE
// (§9.9.3), and an old member among new ones would look like one of them.
//
// A file that replaces a collection is special: see undeletable and replaceDir.
type transfer struct {
	t         *Tree
	ctx       context.Context
	report    Report
	move      bool
	dst       davpath.Path
	dstInfo   *fsbackend.Info       // of dst, once it is a collection
	ancestors []*fsbackend.Info     // the source collections of the current member
	links     int                   // how many of them were reached through a link
	changed   bool                  // something was created, replaced or removed
	reported  map[davpath.Path]bool // the failures at the destination of a MOVE

	// noProps reports whether the store has nothing for the source and the destination, nor below
	// them. membersWithProps is that function of Tree for the source. Both are nil in a MOVE, and
	// read the store once.
	noProps          func() bool
	membersWithProps func() (members []davpath.Path, few bool)
}

// finish turns the error of the resource that the request named into that of the operation.
func (x *transfer) finish(src props.Resource, dst davpath.Path, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotEmptied):
		return ErrPartial
	case x.changed || errors.As(err, new(*partialError)):
		x.fail(src, dst, err)
		return ErrPartial
	}
	return err
}

// fail reports err for the source or the destination, whichever caused it.
func (x *transfer) fail(src props.Resource, dst davpath.Path, err error) {
	collection := src.Info != nil && src.Info.IsDir() || errors.Is(err, ErrLoop)
	if errors.As(err, &sourceError{}) {
		x.report(src.Path, collection, err)
		return
	}
	if old, err := x.t.FS.Lstat(x.ctx, dst); err == nil { // the href has the form of what is there
		collection = old.IsDir()
	}
	x.reportOnce(dst, collection, err)
}

// reportOnce reports a failure of the destination. After a failed MOVE the removal of the old
// resource can fail, too; only the first failure is reported.
func (x *transfer) reportOnce(dst davpath.Path, collection bool, err error) {
	if x.reported[dst] {
		return
	}
	if x.move {
		if x.reported == nil {
			x.reported = map[davpath.Path]bool{}
		}
		x.reported[dst] = true
	}
	x.report(dst, collection, err)
}

// resource transfers src, whose link is followed, to dst. If members failed it has reported them
// and returns errNotEmptied; any other error is that of src itself.
func (x *transfer) resource(src props.Resource, dst davpath.Path, depth Depth) error {
	if err := checkBounds(dst); err != nil {
		return err
	}
	old, err := x.t.lstat(x.ctx, dst)
	if err != nil {
		return err
	}
	if src.Info.IsDir() {
		return x.collection(src, dst, old, depth)
	}
	return x.file(src, dst, old)
}

// collection transfers src to dst, where old is or, if that is nil, nothing. It returns a
// partialError for a failure after which members of src may be at dst.
func (x *transfer) collection(src props.Resource, dst davpath.Path, old *fsbackend.Info, depth Depth) error {
	// List first: an unreadable collection must not replace anything.
	var members *listing
	if depth != Zero {
		now, l, _, err := x.t.listCurrent(x.ctx, src)
		if err != nil {
			return sourceError{err}
		}
		if l == nil { // a file has replaced it
			return x.file(now, dst, old)
		}
		defer l.close()
		src, members = now, l
	}
	if err := x.ensureCollection(dst, old); err != nil {
		return err
	}
	// From here on members of src may be at dst.
	err := x.fill(members, src, dst, old != nil && old.IsDir())
	if err != nil && !errors.Is(err, errNotEmptied) {
		err = &partialError{err}
	}
	return err
}

// fill transfers the properties and the members of src to the collection dst. It removes what else
// is in dst, which has members only if replaces is true, and at the end of a MOVE src itself.
func (x *transfer) fill(members *listing, src props.Resource, dst davpath.Path, replaces bool) (err error) {
	if x.dstInfo == nil {
		if x.dstInfo, err = x.t.FS.Stat(x.ctx, dst); err != nil {
			return err
		}
	}
	if err := x.properties(src, dst); err != nil {
		return err
	}
	kept := false
	var seen []string // the names of the members whose counterparts must not be removed
	if members != nil {
		if seen, kept, err = x.contents(members, src, dst, !replaces); err != nil {
			return err
		}
	}
	if replaces {
		if err := x.removeExtra(dst, seen); errors.Is(err, errNotEmptied) {
			kept = true
		} else if err != nil {
			return err
		}
	}
	if kept {
		return errNotEmptied
	}
	if x.move {
		return x.removeSource(src.Path)
	}
	return nil
}

// contents transfers the members of src, in bulk if it can. It returns what members does.
func (x *transfer) contents(l *listing, src props.Resource, dst davpath.Path, fresh bool) (seen []string, kept bool, err error) {
	x.ancestors = append(x.ancestors, src.Info)
	defer func(level int) { x.ancestors = x.ancestors[:level] }(len(x.ancestors) - 1)
	if fresh {
		if kept, done, err := x.copyTree(src, dst); done || err != nil {
			return nil, kept, err
		}
	}
	return x.members(l, dst, fresh)
}

// members transfers the members of a collection one by one. It reports whether one of them failed.
// Unless dst is fresh it returns the names of those whose counterparts in dst must stay.
func (x *transfer) members(l *listing, dst davpath.Path, fresh bool) (seen []string, kept bool, err error) {
	for e := range l.entries {
		out, err := x.member(e, dst)
		if err != nil {
			return nil, true, err
		}
		kept = kept || out == failed || out == untouched
		if (out == transferred || out == failed) && !fresh {
			seen = append(seen, e.path.Name())
		}
	}
	return seen, kept, nil
}

// ensureCollection makes a collection at dst. It keeps one that exists, with its members.
func (x *transfer) ensureCollection(dst davpath.Path, old *fsbackend.Info) error {
	if old != nil && old.IsDir() {
		priv := access.WriteContent
		if x.move {
			priv = access.Bind
		}
		if err := x.t.check(x.ctx, priv, dst); err != nil {
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
	if err := x.clearStale(dst, old); err != nil {
		return err
	}
	mkdir := func() error { return x.t.FS.Mkdir(x.ctx, dst) }
	var err error
	if old == nil {
		err = mkdir()
	} else {
		err = x.t.replaceFile(x.ctx, dst, mkdir)
	}
	x.changed = x.changed || err == nil
	return err
}

// outcome is the result for one member.
type outcome uint8

const (
	transferred outcome = iota
	failed              // and was reported
	untouched           // of a MOVE: it failed, was reported, and is at the source as it was
	vanished            // meanwhile, or is hidden: it is no member
)

// member transfers one member into the collection dst and reports its failure. An error ends the
// transfer.
func (x *transfer) member(e entry, dst davpath.Path) (outcome, error) {
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
	if err = x.t.check(x.ctx, priv, e.path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if !x.move {
				return vanished, nil
			}
			src.Path, src.Info, err = e.path.Parent(), x.ancestors[len(x.ancestors)-1], errHidden
		}
		err = sourceError{err}
	} else if err = e.err; err != nil {
		err = sourceError{err}
	} else if x.move {
		err = x.moveMember(src, to)
	} else {
		err = x.copyMember(src, to)
	}
	return x.outcomeOf(e.path, src, to, err)
}

// outcomeOf returns the outcome of the member at path, for which err was returned. It reports err
// for src or to.
func (x *transfer) outcomeOf(path davpath.Path, src props.Resource, to davpath.Path, err error) (outcome, error) {
	switch {
	case err == nil:
		return transferred, nil
	case errors.Is(err, errNotEmptied):
		return failed, nil
	case x.ctx.Err() != nil:
		return failed, x.ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &sourceError{}):
		if _, gone := x.t.FS.Lstat(x.ctx, path); missing(gone) {
			return vanished, nil
		}
	}
	x.fail(src, to, err)
	if x.move && !errors.As(err, new(*partialError)) {
		return untouched, nil
	}
	return failed, nil
}

// moveMember moves a member to dst: in one rename if dst is free and the guard has not to be asked.
func (x *transfer) moveMember(src props.Resource, dst davpath.Path) error {
	oneRename := !src.Info.IsDir() || x.t.clear(src.Path) && x.t.clear(dst)
	old, err := x.t.lstat(x.ctx, dst)
	if err != nil {
		return err
	}
	if old == nil && oneRename {
		return x.rename(src, dst)
	}
	if src.Info.IsLink() || checkServable(src.Info) != nil { // moved as it is, never followed
		return x.file(src, dst, old)
	}
	return x.resource(src, dst, Infinity)
}

// copyMember copies a member, or what it leads to, to dst.
func (x *transfer) copyMember(src props.Resource, dst davpath.Path) error {
	to, err := x.t.follow(x.ctx, src)
	if src.Info.IsLink() {
		x.links++
		defer func() { x.links-- }()
	}
	if err == nil && x.links > 0 && (isAncestor(x.ancestors, to.Info) || x.dstInfo.SameFile(to.Info)) {
		err = ErrLoop
	}
	if err == nil && src.Info.IsLink() && to.Info.IsDir() && x.t.Real(x.ctx, x.dst).Contains(x.t.Real(x.ctx, src.Path)) {
		err = ErrLoop // the link leads to the copy itself
	}
	if err != nil {
		return sourceError{err}
	}
	return x.resource(to, dst, Infinity)
}

// rename moves a member with all that is below it to dst, where nothing is.
func (x *transfer) rename(src props.Resource, dst davpath.Path) error {
	if err := x.t.check(x.ctx, access.Bind, dst); err != nil {
		return err
	}
	if !src.Info.IsDir() {
		return x.moveFile(src, dst, nil)
	}
	err := x.t.FS.Rename(x.ctx, src.Path, dst)
	if crossDevice(err) {
		return x.collection(src, dst, nil, Infinity)
	}
	if err != nil {
		return x.renameFailure(src.Path, err)
	}
	x.changed = true
	x.t.gone(src.Path, false)
	return x.t.queue(x.ctx, props.Move{Src: src.Path, Dst: dst})
}

// removeExtra removes the members of the collection dst except those in seen, which is sorted.
func (x *transfer) removeExtra(dst davpath.Path, seen []string) error {
	l, err := x.t.list(x.ctx, dst)
	if err != nil {
		return err
	}
	defer l.close()
	d := deletion{t: x.t, ctx: x.ctx, report: x.reportOnce}
	var result error
	for e := range l.entries {
		if _, ok := slices.BinarySearch(seen, e.path.Name()); ok {
			continue
		}
		err := e.err
		if err == nil {
			err = d.remove(e.path, e.info)
		}
		switch {
		case err == nil:
			x.t.dropState(x.ctx, e.path)
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case x.ctx.Err() != nil:
			return x.ctx.Err()
		case !errors.Is(err, errNotEmptied):
			x.reportOnce(e.path, e.info != nil && e.info.IsDir(), err)
		}
		result = errNotEmptied
	}
	return result
}
