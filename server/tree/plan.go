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

// Plan is a COPY, MOVE or DELETE that was checked and has changed nothing yet. It is valid as long
// as no other request changes the resources that it is about. Run executes it, once.
type Plan struct {
	t     *Tree
	op    operation
	src   props.Resource
	dst   davpath.Path    // unused by a DELETE
	old   *fsbackend.Info // at dst; nil for nothing
	depth Depth
}

type operation uint8

const (
	deleting operation = iota
	copying
	moving
	renamingCase // a MOVE to another spelling of the same name
)

// PlanDelete plans to remove p with all its members and their properties (RFC 4918 §9.6). A
// symbolic link is removed, not what it leads to. Run removes what it can. It reports each member
// that it cannot remove and keeps that member's ancestors, which it does not report.
func (t *Tree) PlanDelete(ctx context.Context, p davpath.Path) (*Plan, error) {
	info, err := t.lstat(ctx, p)
	if err == nil && info == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if err := t.check(ctx, access.Unbind, p); err != nil {
		return nil, err
	}
	return &Plan{t: t, op: deleting, src: props.Resource{Path: p, Info: info}}, nil
}

// PlanCopy plans to copy src to dst with its properties and, unless depth is Zero, its members (RFC
// 4918 §9.8). What is at dst is replaced, not merged. A symbolic link is copied as what it leads
// to. Which properties are copied is up to props.Copied
// and Tree.Readable.
//
// Run reports a member that cannot be copied under the URL of the source or of the destination,
// whichever failed. The destination's old member of that name stays. Other subtrees are copied.
//
// PlanCopy returns ErrOverlap, ErrNoParent, what Stat returns for src, or what the guard returns
// for src and dst.
func (t *Tree) PlanCopy(ctx context.Context, src, dst davpath.Path, depth Depth) (*Plan, error) {
	r, err := t.Stat(ctx, src)
	if err != nil {
		return nil, err
	}
	old, lstatErr := t.lstat(ctx, dst)
	if err := t.checkOverlap(ctx, r, dst, old); err != nil {
		return nil, err
	}
	if err := t.check(ctx, access.Read, src); err != nil {
		return nil, err
	}
	if err := checkBounds(dst); err != nil {
		return nil, err
	}
	if lstatErr != nil {
		return nil, lstatErr
	}
	if err := t.checkReplace(ctx, dst, old, r.Info.IsDir(), overwriting); err != nil {
		return nil, err
	}
	return &Plan{t: t, op: copying, src: r, dst: dst, old: old, depth: depth}, nil
}

// PlanMove plans to rename src, with its members and their properties, to dst (RFC 4918 §9.9). A
// symbolic link is moved itself. What is at dst is replaced, which begins with a DELETE of it
// (§9.9.3).
//
// If a member of an existing dst may not be removed, or is known to be undeletable, Run changes
// nothing and reports that member. The same holds for a member of src that may not be moved while
// there is something at dst (§7.5). If the guard allows every member, Run renames src in one step.
// Otherwise, and where the back end cannot rename that far, it goes member by member. It reports
// each member that cannot be moved. Those stay at src with their ancestors; others are moved
// (§9.9.2).
//
// PlanMove returns the errors that PlanCopy does, and a *TooLongError if a member's new path would
// be too long.
func (t *Tree) PlanMove(ctx context.Context, src, dst davpath.Path) (*Plan, error) {
	r, err := t.Stat(ctx, src)
	if err != nil {
		return nil, err
	}
	old, err := t.lstat(ctx, dst)
	if err != nil {
		return nil, err
	}
	if sameFold(src, dst) && old != nil && r.Info.SameFile(old) {
		// The resource at dst is src itself, under another spelling: nothing is replaced.
		return &Plan{t: t, op: renamingCase, src: r, dst: dst}, t.checkMove(ctx, src, dst, false)
	}
	if err := t.checkOverlap(ctx, r, dst, old); err != nil {
		return nil, err
	}
	if !r.Info.Direct { // a link is moved itself
		if info, err := t.FS.Lstat(ctx, src); err == nil {
			r.Info = info
		}
	}
	if err := cmp.Or(t.checkMove(ctx, src, dst, old != nil), checkFixed(src, r.Info), checkFixed(dst, old)); err != nil {
		return nil, err
	}
	if err := t.checkPathLengths(ctx, r, dst); err != nil {
		return nil, err
	}
	return &Plan{t: t, op: moving, src: r, dst: dst, old: old}, nil
}

// Run executes the plan. It returns nil if all was done, ErrPartial if it reported all failures,
// and any other error if nothing has changed. report may be nil where no member can fail.
func (p *Plan) Run(ctx context.Context, report Report) error {
	t, ctx := p.t.begin(ctx)
	at, reported := p.dst, false
	if p.op == deleting {
		at = p.src.Path
	}
	err := t.run(ctx, p, func(q davpath.Path, collection bool, err error) {
		reported = reported || q == at
		report(q, collection, err)
	})
	failed := t.batch.sync()
	if left := t.flush(ctx); left != nil && p.op == deleting {
		t.warn(ctx, "the properties of a removed resource were not removed", at, left) // not visible to clients
	} else if failed == nil {
		failed = left
	}
	switch {
	case failed == nil:
		return err
	case reported || err != nil && !errors.Is(err, ErrPartial):
		t.warn(ctx, "changes may not be on the disk", at, failed)
		return err
	}
	info, _ := t.lstat(context.WithoutCancel(ctx), at)
	report(at, info != nil && info.IsDir(), failed)
	return ErrPartial
}

// run is Run without its end.
func (t *Tree) run(ctx context.Context, p *Plan, report Report) error {
	if p.op == deleting {
		return t.delete(ctx, p.src, report)
	}
	src := p.src.Path
	x := &transfer{t: t, ctx: ctx, report: report, src: src, dst: p.dst, move: p.op != copying,
		same: []access.Privilege{access.Bind}, reported: map[davpath.Path]bool{},
		noProps: !t.hasProps(ctx, src) && !t.hasProps(ctx, p.dst)}
	if !x.move {
		x.same = overwriting
		return x.finish(p.src, p.dst, x.resource(p.src, p.dst, p.depth))
	}
	if !x.noProps {
		if err := t.Props.Update(context.WithoutCancel(ctx), props.MoveIntent{Src: src, Dst: p.dst}); err != nil {
			return err
		}
		defer func() { t.batch.ops = append(t.batch.ops, props.MoveDone{Src: src}) }()
	}
	return x.finish(p.src, p.dst, x.moveAll(p))
}
