package tree

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Walk yields r and its members down to depth: a collection before its members, siblings in byte
// order of their names. r is what Stat returned.
//
// A member whose info cannot be read, or a collection that cannot be listed, is yielded once with
// its error, and the walk goes on. If r itself cannot be listed, its error is all that Walk yields.
// Walk omits members that are removed during the walk, links that lead nowhere, and what the guard
// hides with fs.ErrNotExist.
//
// The Info of a yielded resource is valid until the next one.
//
// Memory grows with the number and length of the names in the collections between r and the current
// resource, not with the number of resources.
func (t *Tree) Walk(ctx context.Context, r props.Resource, depth Depth) iter.Seq2[props.Resource, error] {
	return func(yield func(props.Resource, error) bool) {
		w := walk{t: t, ctx: ctx, yield: yield}
		w.resource(r, depth)
	}
}

// walk is one call of Walk.
type walk struct {
	t         *Tree
	ctx       context.Context
	yield     func(props.Resource, error) bool
	ancestors []*fsbackend.Info // the collections that the walk is in
	links     int               // how many of them were reached through a link: without one there is no way back up
}

// resource walks r and reports whether to go on.
func (w *walk) resource(r props.Resource, depth Depth) bool {
	if !r.Info.IsDir() || depth == Zero {
		return w.yield(r, nil)
	}
	r, l, err := w.t.listCurrent(w.ctx, r)
	if errors.Is(err, fs.ErrNotExist) && len(w.ancestors) > 0 {
		return true
	}
	if err != nil || l == nil {
		return w.yield(r, err)
	}
	defer l.close()
	if !w.yield(r, nil) {
		return false
	}
	w.ancestors = append(w.ancestors, r.Info)
	defer func() { w.ancestors = w.ancestors[:len(w.ancestors)-1] }()
	if depth == One {
		depth = Zero
	}
	clear := w.t.clear(r.Path, access.Read)
	for e := range l.all {
		if !w.member(e.path, e.info, e.err, depth, clear) {
			return false
		}
	}
	return true
}

// member walks a member for which a listing returned info or failed. clear says that the guard
// allows reading it.
func (w *walk) member(p davpath.Path, info *fsbackend.Info, failed error, depth Depth, clear bool) bool {
	if errors.Is(failed, fs.ErrNotExist) {
		// It was removed, or it or the listed collection is being replaced.
		failed = w.t.retryAfterSwap(w.ctx, p, false, func() (err error) {
			info, err = w.t.FS.Lstat(w.ctx, p)
			return err
		})
		if missing(failed) {
			return true
		}
	}
	r := props.Resource{Path: p, Info: info}
	if err := w.ctx.Err(); err != nil {
		w.yield(r, err)
		return false
	}
	if err := w.checkRead(p, clear); err != nil {
		return errors.Is(err, fs.ErrNotExist) || w.yield(r, err)
	}
	if failed != nil {
		return w.yield(r, failed)
	}
	if info.Mode().IsRegular() { // most are
		return w.yield(r, nil)
	}
	r, err := w.t.follow(w.ctx, r)
	if info.IsLink() {
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
		w.links++
		defer func() { w.links-- }()
	}
	if err == nil && depth != Zero && w.links > 0 && slices.ContainsFunc(w.ancestors, r.Info.SameFile) {
		err = ErrLoop
	}
	if err != nil {
		return w.yield(r, err)
	}
	return w.resource(r, depth)
}

func (w *walk) checkRead(p davpath.Path, clear bool) error {
	if clear {
		return nil
	}
	return w.t.check(w.ctx, access.Read, p)
}

// follow returns the resource that a listed member leads to. The error is fs.ErrNotExist for a link
// that leads nowhere, and ErrSpecial for what cannot be served.
func (t *Tree) follow(ctx context.Context, r props.Resource) (props.Resource, error) {
	if r.Info.IsLink() {
		to, err := t.Stat(ctx, r.Path)
		if to.Info == nil {
			to.Info = r.Info
		}
		to.Link = true
		return to, err
	}
	return r, checkServable(r.Info)
}
