package tree

import (
	"cmp"
	"context"
	"errors"
	"io/fs"

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
// A file that replaces a collection is special: see survey and replace.
type transfer struct {
	t        *Tree
	ctx      context.Context
	report   Report
	move     bool
	src, dst davpath.Path
	links    int                   // how many links lead to the current member
	changed  bool                  // something was created, replaced or removed
	reported map[davpath.Path]bool // the failures at the destination of a MOVE
	noProps  bool                  // the store has nothing for the two trees
	// same is what replacing a file by a file, or filling a collection, takes. For a MOVE the
	// removal of the old one was checked before (RFC 4918 §9.9.3).
	same []access.Privilege
}

// overwriting are the privileges that a COPY over something of the same kind takes (RFC 3744
// Appendix B).
var overwriting = []access.Privilege{access.WriteContent, access.WriteProperties}

// finish turns the error of the resource that the request named into that of the operation.
func (x *transfer) finish(src props.Resource, dst davpath.Path, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotEmptied):
		return ErrPartial
	case x.changed || isPartial(err):
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
	if !errors.Is(err, errUnseen) {
		collection = x.t.hrefIsCollection(x.ctx, dst, collection)
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
		x.reported[dst] = true
	}
	x.report(dst, collection, err)
}

// resource transfers src, whose link is followed in a COPY, to dst. If members failed it has
// reported them and returns errNotEmptied; any other error is that of src itself.
func (x *transfer) resource(src props.Resource, dst davpath.Path, depth Depth) error {
	if err := cmp.Or(checkBounds(dst), x.t.checkSeen(x.ctx, dst)); err != nil {
		return err
	}
	old, err := x.t.lstat(x.ctx, dst)
	if err != nil {
		return err
	}
	if !src.Info.IsDir() {
		return x.file(src, dst, old)
	}
	if x.move && old == nil && x.t.clear(src.Path) && x.t.clear(dst) {
		err := x.t.check(x.ctx, access.Bind, dst)
		if err == nil {
			err = x.rename(src, dst, nil)
		}
		if !crossDevice(err) {
			return err
		}
	}
	return x.collection(src, dst, old, depth)
}

// collection transfers src to dst, where old is or, if that is nil, nothing. It returns a
// partialError for a failure after which members of src may be at dst.
func (x *transfer) collection(src props.Resource, dst davpath.Path, old *fsbackend.Info, depth Depth) error {
	// List first: an unreadable collection must not replace anything.
	var members *listing
	if depth != Zero {
		now, l, err := x.t.listCurrent(x.ctx, src)
		if err != nil {
			return sourceError{err}
		}
		if l == nil { // a file has replaced it
			return x.file(now, dst, old)
		}
		defer l.close()
		src, members = now, l
	}
	if err := x.ensureCollection(src.Path, dst, old); err != nil {
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
func (x *transfer) fill(members *listing, src props.Resource, dst davpath.Path, replaces bool) error {
	if err := x.properties(src.Path, dst, replaces); err != nil {
		return err
	}
	kept, done := false, members == nil
	var seen []string // the names of the members whose counterparts must not be removed
	var err error
	if !done && !replaces {
		kept, done, err = x.copyTree(src.Path, dst)
	}
	if !done && err == nil {
		seen, kept, err = x.members(members, dst)
	}
	if err == nil && replaces {
		d := deletion{t: x.t, ctx: x.ctx, report: x.reportOnce}
		err = d.members(dst, seen)
		x.changed = x.changed || d.changed
		if errors.Is(err, errHidden) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return err
	case kept:
		return errNotEmptied
	case x.move:
		return x.removeSource(src.Path)
	}
	return nil
}

// members transfers the members of a collection one by one. It reports whether one of them failed,
// and returns the names of those whose counterparts in dst must stay.
func (x *transfer) members(l *listing, dst davpath.Path) (seen []string, kept bool, err error) {
	for e := range l.entries {
		stays, failed, err := x.member(e, dst)
		if err != nil {
			return nil, true, err
		}
		kept = kept || failed
		if stays {
			seen = append(seen, e.path.Name())
		}
	}
	return seen, kept, nil
}

// ensureCollection makes a collection at dst for src. It keeps one that exists, with its members.
func (x *transfer) ensureCollection(src, dst davpath.Path, old *fsbackend.Info) error {
	err := x.t.checkReplace(x.ctx, dst, old, true, x.same)
	if err == nil && old != nil && old.IsDir() {
		x.changed = true
		return nil
	}
	if err == nil {
		err = x.clearStale(dst, old)
	}
	if err != nil {
		return err
	}
	c := change{put: func() error { return x.t.FS.Mkdir(x.ctx, dst) }}
	c.undo = func() error { return x.t.FS.Remove(context.WithoutCancel(x.ctx), dst) }
	if old == nil {
		err = c.put()
	} else if c.ops, err = x.copied(src, dst); err == nil {
		err = x.replace(dst, old, c)
	}
	x.changed = x.changed || err == nil
	return err
}

// member transfers one member into the collection dst. If that failed it has reported why. stays
// reports whether what is in dst under its name must stay there. An error ends the transfer.
func (x *transfer) member(e entry, dst davpath.Path) (stays, failed bool, err error) {
	if err := x.ctx.Err(); err != nil {
		return false, true, err
	}
	src, to := props.Resource{Path: e.path, Info: e.info}, dst.Child(e.path.Name())
	priv := access.Read
	if x.move {
		priv = access.Unbind
	}
	err = x.t.check(x.ctx, priv, e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it is hidden
		if x.move {
			x.report(e.path.Parent(), true, errHidden)
		}
		return false, x.move, nil
	case err == nil:
		err = e.err
	}
	switch {
	case err != nil:
		err = sourceError{err}
	case x.move:
		err = x.moveMember(src, to)
	default:
		err = x.copyMember(src, to)
	}
	switch {
	case err == nil:
		return true, false, nil
	case errors.Is(err, errNotEmptied):
		return true, true, nil
	case x.ctx.Err() != nil:
		return false, true, x.ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &sourceError{}):
		if _, gone := x.t.FS.Lstat(x.ctx, e.path); missing(gone) {
			return false, false, nil
		}
	}
	x.fail(src, to, err)
	return !x.move || isPartial(err), true, nil
}

// moveMember moves a member to dst, unless it cannot be moved: then its members stay, too.
func (x *transfer) moveMember(src props.Resource, dst davpath.Path) error {
	if err := checkFixed(src.Path, src.Info); err != nil {
		return sourceError{err}
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
	if err == nil && x.links > 0 && to.Info.IsDir() &&
		(x.t.hasAncestor(x.ctx, src.Path, x.src, to.Info) || x.t.Real(x.ctx, x.dst).Contains(x.t.Real(x.ctx, src.Path))) {
		err = ErrLoop // the link leads to a collection that it is in, or to the copy itself
	}
	if err != nil {
		return sourceError{err}
	}
	return x.resource(to, dst, Infinity)
}

// file transfers a file, or in a MOVE a link or a special file, to dst, where old is or, if that is
// nil, nothing.
func (x *transfer) file(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	err := x.t.checkReplace(x.ctx, dst, old, false, x.same)
	if err == nil && old != nil && old.IsDir() {
		err = x.checkMembersRemovable(dst)
	}
	if err == nil {
		err = x.clearStale(dst, old)
	}
	if err != nil {
		return err
	}
	if x.move {
		if err := x.rename(src, dst, old); !crossDevice(err) || src.Info.IsLink() {
			return err
		}
	}
	return x.copyFile(src.Path, dst, old)
}

// copyFile copies src to dst with its properties and, in a MOVE, removes src.
func (x *transfer) copyFile(src, dst davpath.Path, old *fsbackend.Info) error {
	err := x.content(src, dst, old)
	if err != nil {
		return err
	}
	before := x.changed
	x.changed = true
	if err = x.properties(src, dst, old != nil && !old.IsDir()); err == nil && x.move {
		err = x.removeSource(src)
	}
	if err != nil && x.move && old == nil {
		// A resource is at one of the two URLs: remove the copy.
		if back := x.t.FS.Remove(context.WithoutCancel(x.ctx), dst); back == nil {
			x.changed = before
			x.t.dropState(x.ctx, dst)
		}
	}
	return err
}

// content copies the content of src to dst. It replaces a file there in one step, and a collection
// only once the copy is complete. A failure of the source is a sourceError.
func (x *transfer) content(src, dst davpath.Path, old *fsbackend.Info) error {
	to := dst
	over := old != nil && old.IsDir()
	if over {
		to = tempBeside(dst)
	}
	err := x.t.FS.CopyFile(x.ctx, src, to)
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == src.String() {
		err = sourceError{err}
	}
	if err != nil || !over {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	ops, err := x.copied(src, dst)
	if err == nil {
		err = x.replace(dst, old, change{ops: ops,
			put:  func() error { return x.t.FS.Rename(ctx, to, dst) },
			undo: func() error { return x.t.FS.Rename(ctx, dst, to) },
		})
	}
	if err != nil {
		if left := x.t.FS.Remove(ctx, to); left != nil && !missing(left) {
			x.t.warn(ctx, "a temp file is left over", to, left)
		}
		return err
	}
	x.t.gone(dst, true) // a lock on dst itself stays: the URL is still mapped (RFC 4918 §6.1)
	return nil
}

// copyTree copies all that is below src in bulk into the collection dst, which this transfer has
// made. Then it copies one by one what the back end skipped. done is false, and nothing has
// changed, if the back end cannot do that, or if the guard has to be asked for members. kept
// reports whether a member failed.
func (x *transfer) copyTree(src, dst davpath.Path) (kept, done bool, err error) {
	b := x.t.bulk()
	if b == nil || x.move || x.links > 0 || !x.t.clear(src) || !x.t.clear(dst) {
		return false, false, nil
	}
	var skipped []davpath.Path
	if !b.CopyTree(x.ctx, src, dst, func(p davpath.Path) { skipped = append(skipped, p) }) {
		return false, false, x.ctx.Err()
	}
	if err := x.treeProperties(src, dst); err != nil {
		return false, true, err
	}
	for _, p := range skipped {
		e := entry{path: p}
		e.info, e.err = x.t.FS.Lstat(x.ctx, p)
		_, failed, err := x.member(e, p.Parent().Rebase(src, dst))
		if err != nil {
			return kept, true, err
		}
		kept = kept || failed
	}
	return kept, true, x.ctx.Err()
}

// treeProperties gives what is below dst the properties of its counterparts below src. Entries of
// the store without a file are not copied.
func (x *transfer) treeProperties(src, dst davpath.Path) error {
	if x.noProps {
		return nil
	}
	for e, err := range x.t.Props.All(x.ctx, src) {
		if err != nil {
			return err
		}
		to := e.Path.Rebase(src, dst)
		if e.Path == src || !x.t.Present(x.ctx, to) {
			continue
		}
		if err := x.t.queue(x.ctx, props.Set{Path: to, Properties: x.copiedOf(e.Path, e.Properties)}); err != nil {
			return err
		}
	}
	return nil
}
