package tree

import (
	"context"
	"maps"
	"slices"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
)

// copyTree copies all that is below src in bulk into the collection dst, which this transfer has
// made. Then it copies one by one what the back end skipped. done is false, and nothing has
// changed, if the back end cannot do that, if the guard has to be asked for members, or if many
// members have properties. kept reports whether a member failed.
func (x *transfer) copyTree(src props.Resource, dst davpath.Path) (kept, done bool, err error) {
	b := x.t.bulk()
	if b == nil || x.move || x.links > 0 || !x.t.clear(src.Path) || !x.t.clear(dst) {
		return false, false, nil
	}
	var rest []davpath.Path
	if !x.noProps() {
		members, few := x.membersWithProps()
		if !few || x.t.hasProps(x.ctx, dst) {
			return false, false, nil
		}
		rest = slices.Clone(members)
	}
	notCopied := map[davpath.Path]bool{}
	begun := b.CopyTree(x.ctx, src.Path, dst, func(p davpath.Path) { notCopied[p] = true })
	if !begun {
		return false, false, x.ctx.Err()
	}
	return x.copyRest(src, dst, rest, notCopied)
}

// copyRest finishes what CopyTree began below src. members are those that may have properties,
// notCopied those that CopyTree skipped. It goes through both in the order of a walk, so that
// reports are made in that order.
func (x *transfer) copyRest(src props.Resource, dst davpath.Path, members []davpath.Path, notCopied map[davpath.Path]bool) (kept, done bool, err error) {
	rest := slices.DeleteFunc(members, func(p davpath.Path) bool {
		under := p
		for under != src.Path && !notCopied[under] && !under.IsRoot() {
			under = under.Parent()
		}
		return under != src.Path || p == src.Path
	})
	rest = slices.AppendSeq(rest, maps.Keys(notCopied))
	slices.SortFunc(rest, davpath.Path.Compare)
	defer func(level int) { x.ancestors = x.ancestors[:level] }(len(x.ancestors))
	in, level := src.Path, len(x.ancestors)
	var ancestorErr error // why the infos of the member's ancestors are not known
	for _, p := range rest {
		if err := x.ctx.Err(); err != nil {
			return kept, true, err
		}
		if !notCopied[p] {
			kept = x.copyMemberProperties(p, p.Rebase(src.Path, dst)) || kept
			continue
		}
		if p.Parent() != in {
			in = p.Parent()
			var infos []*fsbackend.Info
			infos, ancestorErr = x.ancestorsBelow(src.Path, in)
			x.ancestors = append(x.ancestors[:level], infos...)
		}
		e := entry{path: p, err: ancestorErr}
		if ancestorErr == nil {
			e.info, e.err = x.t.FS.Lstat(x.ctx, p)
		}
		out, err := x.member(e, in.Rebase(src.Path, dst))
		if err != nil {
			return kept, true, err
		}
		kept = kept || out == failed
	}
	return kept, true, x.ctx.Err()
}

// copyMemberProperties gives dst, the copy of src, its properties and reports whether that failed.
// If src was removed meanwhile it does nothing.
func (x *transfer) copyMemberProperties(src, dst davpath.Path) (failed bool) {
	info, err := x.t.FS.Lstat(x.ctx, src)
	if err != nil {
		return false
	}
	if err = x.copyProperties(x.ctx, src, dst); err == nil {
		return false
	}
	x.fail(props.Resource{Path: src, Info: info}, dst, err)
	return true
}

// maxWithProps bounds the number of members with properties that a bulk copy keeps in memory.
const maxWithProps = 100_000

// membersWithProps returns the paths below p for which the store has an entry. few is false if
// there are more than maxWithProps, or the store cannot be read.
func (t *Tree) membersWithProps(ctx context.Context, p davpath.Path) (members []davpath.Path, few bool) {
	for e, err := range t.Props.All(ctx, p) {
		if err != nil || len(members) == maxWithProps {
			return nil, false // the calls for single resources return the error
		}
		if e.Path != p {
			members = append(members, e.Path)
		}
	}
	return members, true
}

// ancestorsBelow returns the infos of the collections below top on the way to p, of which p is the
// last.
func (x *transfer) ancestorsBelow(top, p davpath.Path) (infos []*fsbackend.Info, err error) {
	if p == top {
		return nil, nil
	}
	infos, err = x.ancestorsBelow(top, p.Parent())
	if err != nil {
		return nil, err
	}
	info, err := x.t.FS.Lstat(x.ctx, p)
	return append(infos, info), err
}

// clearStale removes properties that the store still has for dst if nothing is there, that is if
// old is nil. Its file was removed outside the server, or just before the server was killed. The
// copy must not get them, even if the process is killed before the copy has its own.
func (x *transfer) clearStale(dst davpath.Path, old *fsbackend.Info) error {
	if old != nil || x.noProps != nil && x.noProps() {
		return nil
	}
	return x.t.Props.Update(context.WithoutCancel(x.ctx), props.Delete{Path: dst})
}

// properties gives the copy at dst the properties of src. If neither tree has any it does nothing:
// no other request changes them meanwhile.
func (x *transfer) properties(src props.Resource, dst davpath.Path) error {
	if x.noProps != nil && x.noProps() {
		return nil
	}
	return x.copyProperties(x.ctx, src.Path, dst)
}
