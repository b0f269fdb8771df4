package tree

import (
	"context"

	"dav207/props"
	"dav207/server/davpath"
)

// notes is what the property store is still to be told of an operation on a tree, so that it hears of many resources in
// one transaction. What a killed process did not tell can be seen from the files: nothing has the name that properties are
// stored for, or they were announced to move.
type notes struct {
	ops  []props.Op
	size int
}

// Bounds of what is kept before it is told: one transaction of a thousand is hardly dearer for each than one of a million.
const (
	maxNotes     = 1024
	maxNotesSize = 1 << 20
)

// noting returns a Tree for one operation, whose changes of properties are collected until tell.
func (t *Tree) noting() *Tree {
	out := *t
	out.notes = &notes{}
	return &out
}

// note adds an operation on the store, and tells all of them when there are many.
func (t *Tree) note(ctx context.Context, op props.Op) error {
	n := t.notes
	switch o := op.(type) {
	case props.Delete:
		// Its members went before it: one operation says it for all of them.
		for len(n.ops) > 0 {
			d, ok := n.ops[len(n.ops)-1].(props.Delete)
			if !ok || !o.Path.Contains(d.Path) {
				break
			}
			n.ops = n.ops[:len(n.ops)-1]
		}
	case props.Set:
		for i := range o.Properties {
			n.size += o.Properties[i].Size()
		}
	}
	n.ops = append(n.ops, op)
	if len(n.ops) < maxNotes && n.size < maxNotesSize {
		return nil
	}
	if err := settle(ctx); err != nil {
		return err
	}
	return t.tell(ctx)
}

// tell makes the store apply all that was noted. They must not be durable before what they tell of: see settle.
func (t *Tree) tell(ctx context.Context) error {
	n := t.notes
	if len(n.ops) == 0 {
		return nil
	}
	ops := n.ops
	n.ops, n.size = nil, 0
	return t.Props.Update(context.WithoutCancel(ctx), ops...) // the files have changed, whoever still waits for it
}

// moveProperties has the store move those of a whole tree at once, so that it can be undone if they cannot be moved.
func (t *Tree) moveProperties(ctx context.Context, src, dst davpath.Path) error {
	if err := t.note(ctx, props.Move{Src: src, Dst: dst}); err != nil {
		return err
	}
	if !t.stored(ctx, src) && !t.stored(ctx, dst) {
		return nil
	}
	if err := settle(ctx); err != nil {
		return err
	}
	return t.tell(ctx)
}

// entries returns what the store has for p and below it.
func (t *Tree) entries(ctx context.Context, p davpath.Path) (entries []props.Entry, err error) {
	for e, err := range t.Props.All(ctx, p) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// unmoved takes back what moveProperties did, before all that was noted since: what was removed meanwhile of what is given
// back has none in the end.
func (t *Tree) unmoved(src, dst davpath.Path, replaced []props.Entry) {
	ops := []props.Op{props.Move{Src: dst, Dst: src}}
	for _, e := range replaced {
		ops = append(ops, props.Set{Path: e.Path, Properties: e.Properties})
	}
	t.notes.ops = append(ops, t.notes.ops...)
}

// tight reports whether there are properties to be moved and so little space that there may be no room for it: what is
// replaced then has to be kept until they have moved, although it is missing for a moment.
func (t *Tree) tight(ctx context.Context, src, dst davpath.Path) bool {
	s, ok := t.FS.(Spacer)
	if !ok || !t.stored(ctx, src) && !t.stored(ctx, dst) {
		return false
	}
	_, available, err := s.Space(ctx, dst.Parent().String())
	return err == nil && available < scarce
}

// scarce is a space that a few requests at the same time can use up.
const scarce = 16 << 20

// stored reports whether the store has anything for p or below it.
func (t *Tree) stored(ctx context.Context, p davpath.Path) bool {
	for range t.Props.All(context.WithoutCancel(ctx), p) {
		return true
	}
	return false
}

// told ends an operation on p, of which err became: what the store could not be told is p's failure.
func (t *Tree) told(ctx context.Context, p davpath.Path, report Report, err error) error {
	failed := t.tell(ctx)
	if failed == nil {
		return err
	}
	info, _ := t.lstat(ctx, p)
	report(p, info != nil && info.IsDir(), failed)
	return ErrPartial
}

// copyProperties gives the one resource at dst, a copy of src, the properties of src and no others.
// A COPY gives it those that props.Copied returns.
func (x *transfer) copyProperties(ctx context.Context, src, dst davpath.Path) error {
	ps, err := x.t.Props.Get(ctx, src)
	if err != nil {
		return err
	}
	if !x.move {
		ps = props.Copied(ps)
	}
	return x.t.note(ctx, props.Set{Path: dst, Properties: ps})
}

// bare reports whether nothing is stored for p and what is below it.
func (t *Tree) bare(ctx context.Context, p davpath.Path) bool {
	for range t.Props.All(ctx, p) { // or an error, which whoever asks for single ones hears
		return false
	}
	return true
}
