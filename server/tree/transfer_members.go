package tree

import (
	"dav207/props"
	"dav207/server/access"
	"dav207/server/resource"
)

// together copies files among the members o of src, as many as the file system can at once, into the collection dst, which this
// transfer made. It tells which were copied; all others are to be transferred one by one.
func (x *transfer) together(o *looks, src, dst resource.Path) (copied []bool) {
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

// properties gives the copy at dst the properties of src. Where nothing has any, which is asked once for all, there is nothing
// to look for: the request has both trees for itself.
func (x *transfer) properties(src props.Resource, dst resource.Path) error {
	if x.bare != nil && x.bare() {
		return nil
	}
	return x.t.copyProperties(x.ctx, src, dst)
}
