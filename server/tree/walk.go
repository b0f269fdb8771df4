package tree

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Walk yields r and, as deep as depth says, its members: a collection before its members, siblings in the byte order of
// their names. r is what Stat returned.
//
// A member that cannot be looked at, or a collection whose members cannot be listed, comes with its error instead: it then
// appears once, and the walk goes on. If r itself is such a collection its error is all there is. Left out are members that
// vanished while the walk went on, links that lead nowhere, which are no resources, and what the guard hides by
// fs.ErrNotExist.
//
// The Info of what is yielded is good until the walk goes on.
//
// Memory grows with the length of the names in the collections between r and the place of the walk, not with the number of
// resources.
func (t *Tree) Walk(ctx context.Context, r props.Resource, depth Depth) iter.Seq2[props.Resource, error] {
	return func(yield func(props.Resource, error) bool) {
		w := walk{t: t, ctx: ctx, yield: yield}
		w.resource(r, depth)
	}
}

type walk struct {
	t     *Tree
	ctx   context.Context
	yield func(props.Resource, error) bool
	above []fs.FileInfo // the collections that the walk is in
	links int           // how many of them were reached through a link: without one there is no way back up
}

// resource walks r and reports whether to go on.
func (w *walk) resource(r props.Resource, depth Depth) bool {
	if !r.Info.IsDir() || depth == Zero {
		return w.yield(r, nil)
	}
	l, err := w.t.list(w.ctx, r.Path)
	for tries := 0; missing(err) && tries < 3; tries++ {
		now, gone := w.t.Stat(w.ctx, r.Path)
		if missing(gone) && len(w.above) > 0 {
			return true
		}
		if gone != nil {
			return w.yield(r, gone)
		}
		if r.Info = now.Info; !r.Info.IsDir() { // a file has come in its place
			return w.yield(r, nil)
		}
		l, err = w.t.list(w.ctx, r.Path)
	}
	if err != nil {
		return w.yield(r, err)
	}
	defer l.close()
	l.passing = true // what is yielded is good until the next one, and the walk itself keeps only the way down
	if !w.yield(r, nil) {
		return false
	}
	w.above = append(w.above, r.Info)
	defer func() { w.above = w.above[:len(w.above)-1] }()
	if depth == One {
		depth = Zero
	}
	for o := range l.batches {
		for i, p := range o.paths {
			if !w.member(p, o.infos[i], o.errs[i], depth) {
				return false
			}
		}
	}
	return true
}

// member walks a member of which a listing has seen info or err.
func (w *walk) member(p davpath.Path, info fs.FileInfo, failed error, depth Depth) bool {
	if failed != nil && errors.Is(failed, fs.ErrNotExist) {
		return true
	}
	r := props.Resource{Path: p, Info: info}
	if err := w.ctx.Err(); err != nil {
		w.yield(r, err)
		return false
	}
	if err := w.t.check(w.ctx, access.Read, p); err != nil {
		return errors.Is(err, fs.ErrNotExist) || w.yield(r, err)
	}
	if failed != nil {
		return w.yield(r, failed)
	}
	if info.Mode().IsRegular() { // most are
		return w.yield(r, nil)
	}
	r, err := w.t.follow(w.ctx, r)
	if isLink(info) {
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
		w.links++
		defer func() { w.links-- }()
	}
	if err == nil && depth != Zero && w.links > 0 && holds(w.above, r.Info) {
		err = ErrLoop
	}
	if err != nil {
		return w.yield(r, err)
	}
	return w.resource(r, depth)
}

// follow looks at what a member found by a listing leads to. For a link that leads nowhere the error is
// fs.ErrNotExist, for what can not be served ErrSpecial.
func (t *Tree) follow(ctx context.Context, r props.Resource) (props.Resource, error) {
	if isLink(r.Info) {
		to, err := t.Stat(ctx, r.Path)
		if to.Info == nil {
			to.Info = r.Info
		}
		to.Link = true
		return to, err
	}
	return r, servable(r.Info)
}

// holds reports whether a collection is one of those above it.
func holds(above []fs.FileInfo, info fs.FileInfo) bool {
	if !info.IsDir() {
		return false
	}
	for _, a := range above {
		if sameFile(a, info) {
			return true
		}
	}
	return false
}
