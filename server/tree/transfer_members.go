package tree

import (
	"context"
	"io/fs"
	"maps"
	"slices"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// together copies files among the members o of src, as many as the file system can at once, into the collection dst, which this
// transfer made. It tells which were copied; all others are to be transferred one by one.
func (x *transfer) together(o *looks, src, dst davpath.Path) (copied []bool) {
	c, ok := x.t.FS.(MembersCopier)
	if !ok || x.move {
		return nil
	}
	clear := x.t.clear(src) && x.t.clear(dst)
	var which []int
	var names []string
	for i, e := range o.entries {
		if e.err != nil || !e.info.Mode().IsRegular() {
			continue
		}
		name := e.path.Name()
		to := dst.Child(name)
		if to.TooLong() || !clear && (x.t.check(x.ctx, access.Read, e.path) != nil || x.t.check(x.ctx, access.Bind, to) != nil) {
			continue
		}
		which, names = append(which, i), append(names, name)
	}
	done := make([]bool, len(names))
	c.CopyMembers(x.ctx, src.String(), dst.String(), names, done)
	copied = make([]bool, len(o.paths))
	for i, done := range done {
		copied[which[i]] = done
	}
	return copied
}

// below copies all that is below src at once into the collection dst, which this transfer made, and then one by one what the
// file system left of it; done is false where it cannot do that, or many members have to be asked about or have properties. It
// returns what collection returns for its members.
func (x *transfer) below(src props.Resource, dst davpath.Path) (kept, done bool, err error) {
	c, ok := x.t.FS.(TreeCopier)
	if !ok || x.move || x.links > 0 || !x.t.clear(src.Path) || !x.t.clear(dst) {
		return false, false, nil
	}
	var rest []davpath.Path
	if !x.bare() {
		owned, few := x.owned()
		if !few || !x.t.bare(x.ctx, dst) {
			return false, false, nil
		}
		rest = slices.Clone(owned)
	}
	left := map[davpath.Path]bool{}
	begun := c.CopyTree(x.ctx, src.Path.String(), dst.String(), func(name string) {
		if p, err := davpath.Clean(name); err == nil {
			left[p] = true
		}
	})
	if !begun {
		return false, false, x.ctx.Err()
	}
	rest = slices.DeleteFunc(rest, func(p davpath.Path) bool {
		under := p
		for under != src.Path && !left[under] && !under.IsRoot() {
			under = under.Parent()
		}
		return under != src.Path || p == src.Path
	})
	rest = slices.AppendSeq(rest, maps.Keys(left))
	slices.SortFunc(rest, davpath.Path.Compare)
	defer func(level int) { x.above = x.above[:level] }(len(x.above))
	in, level := src.Path, len(x.above)
	var lost error // why the collections that the member is in are not known any more
	for _, p := range rest {
		if err := x.ctx.Err(); err != nil {
			return kept, true, err
		}
		if !left[p] {
			kept = x.copiedProperties(p, p.Rebase(src.Path, dst)) || kept
			continue
		}
		if p.Parent() != in {
			in = p.Parent()
			var between []fs.FileInfo
			between, lost = x.between(src.Path, in)
			x.above = append(x.above[:level], between...)
		}
		e := entry{path: p, err: lost}
		if lost == nil {
			e.info, e.err = x.t.lstat(x.ctx, p)
		}
		out, err := x.member(e, in.Rebase(src.Path, dst), false)
		if err != nil {
			return kept, true, err
		}
		kept = kept || out == failed
	}
	return kept, true, x.ctx.Err()
}

// copiedProperties gives dst, the copy of src, its properties, and reports whether that failed. Where one of them went, or src came
// after it could have been copied, there is nothing to do.
func (x *transfer) copiedProperties(src, dst davpath.Path) (failed bool) {
	info, err := x.t.lstat(x.ctx, src)
	if err != nil {
		return false
	}
	if err = x.copyProperties(x.ctx, src, dst); err == nil {
		return false
	}
	x.fail(props.Resource{Path: src, Info: info}, dst, err)
	return true
}

// maxOwned bounds how many members of a tree that is copied at once have properties, each of which is then looked at by its own
// name. With one in a hundred that is no matter; where all of 10,000 had some, going from one collection to the next took a tenth
// less.
const maxOwned = 1000

// ownedBelow returns the members that may have properties, and whether they are few.
func (t *Tree) ownedBelow(ctx context.Context, p davpath.Path) (owned []davpath.Path, few bool) {
	for e, err := range t.Props.All(ctx, p) {
		if err != nil || len(owned) == maxOwned {
			return nil, false // whoever asks for single ones hears the error
		}
		if e.Path != p {
			owned = append(owned, e.Path)
		}
	}
	return owned, true
}

// between looks at the collections below top on the way to p, which is the last of them.
func (x *transfer) between(top, p davpath.Path) (infos []fs.FileInfo, err error) {
	if p == top {
		return nil, nil
	}
	infos, err = x.between(top, p.Parent())
	if err != nil {
		return nil, err
	}
	info, err := x.t.lstat(x.ctx, p)
	return append(infos, info), err
}

// clearStale removes what is stored for dst where nothing is, as old says: the properties of something that was removed
// behind the server's back, or just before the server was killed. What is put there must not have them, even if it is killed
// again before the copy has its own.
func (x *transfer) clearStale(dst davpath.Path, old fs.FileInfo) error {
	if old != nil || x.bare != nil && x.bare() {
		return nil
	}
	return x.t.Props.Update(context.WithoutCancel(x.ctx), props.Delete{Path: dst})
}

// properties gives the copy at dst the properties of src. Where nothing has any, which is asked once for all, there is nothing
// to look for: the request has both trees for itself.
func (x *transfer) properties(src props.Resource, dst davpath.Path) error {
	if x.bare != nil && x.bare() {
		return nil
	}
	return x.copyProperties(x.ctx, src.Path, dst)
}
