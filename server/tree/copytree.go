package tree

import (
	"dav207/props"
	"dav207/server/davpath"
)

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
		if err := x.t.queue(x.ctx, props.Set{Path: to, Properties: props.Copied(e.Properties)}); err != nil {
			return err
		}
	}
	return nil
}
