package tree

import (
	"context"
	"errors"
	"io/fs"

	"dav207/props"
	"dav207/server/resource"
)

// notes is what the property store is still to be told of an operation on a tree, so that it hears of many resources in
// one transaction. What a killed process did not tell can be seen from the files: properties belong to nothing that has
// their name, or were announced to move.
type notes struct {
	steps []props.Step
	size  int
}

// Bounds of what is kept before it is told: one transaction of a thousand is hardly dearer for each than one of a million.
const (
	maxNotes     = 1024
	maxNotesSize = 1 << 20
)

// noting returns a Tree for one operation, whose steps are collected until tell.
func (t *Tree) noting() *Tree {
	out := *t
	out.notes = &notes{}
	return &out
}

// note adds a step, and tells all of them when there are many.
func (t *Tree) note(ctx context.Context, step props.Step) error {
	n := t.notes
	switch s := step.(type) {
	case props.Delete:
		// Its members went before it: one step says it for all of them.
		for len(n.steps) > 0 {
			d, ok := n.steps[len(n.steps)-1].(props.Delete)
			if !ok || !s.Path.Contains(d.Path) {
				break
			}
			n.steps = n.steps[:len(n.steps)-1]
		}
	case props.Set:
		for i := range s.Properties {
			n.size += s.Properties[i].Size()
		}
	}
	n.steps = append(n.steps, step)
	if len(n.steps) < maxNotes && n.size < maxNotesSize {
		return nil
	}
	if err := settle(ctx); err != nil {
		return err
	}
	return t.tell(ctx)
}

// tell makes the store take all steps that were noted. They must not be durable before what they tell of: see settle.
func (t *Tree) tell(ctx context.Context) error {
	n := t.notes
	if len(n.steps) == 0 {
		return nil
	}
	steps := n.steps
	n.steps, n.size = nil, 0
	return t.Props.Update(context.WithoutCancel(ctx), steps...) // the files have changed, whoever still waits for it
}

// moveProperties has the store move those of a whole tree at once, so that it can be undone if they cannot be moved.
func (t *Tree) moveProperties(ctx context.Context, src, dst resource.Path) error {
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
func (t *Tree) entries(ctx context.Context, p resource.Path) (entries []props.Entry, err error) {
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
func (t *Tree) unmoved(src, dst resource.Path, replaced []props.Entry) {
	steps := []props.Step{props.Move{Src: dst, Dst: src}}
	for _, e := range replaced {
		r := props.Resource{Path: e.Path}
		if len(e.Identities) == 1 { // of two, nobody here knows which one has the name
			r.Info = identified{id: e.Identities[0]}
		}
		steps = append(steps, props.Set{Resource: r, Properties: e.Properties})
	}
	t.notes.steps = append(steps, t.notes.steps...)
}

// identified is known by its identity alone.
type identified struct {
	fs.FileInfo
	id string
}

// FileID implements Identifier.
func (i identified) FileID() string { return i.id }

// tight reports whether there are properties to be moved and so little space that there may be no room for it: what is
// replaced then has to be kept until they have moved, although it is missing for a moment.
func (t *Tree) tight(ctx context.Context, src, dst resource.Path) bool {
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
func (t *Tree) stored(ctx context.Context, p resource.Path) bool {
	for range t.Props.All(context.WithoutCancel(ctx), p) {
		return true
	}
	return false
}

// told ends an operation on p, of which err became: what the store could not be told is p's failure.
func (t *Tree) told(ctx context.Context, p resource.Path, report Report, err error) error {
	failed := t.tell(ctx)
	if failed == nil {
		return err
	}
	info, _ := t.lstat(ctx, p)
	report(p, info != nil && info.IsDir(), failed)
	return ErrPartial
}

// copyProperties gives the one resource at dst, a copy of src, the properties of src and no others.
func (t *Tree) copyProperties(ctx context.Context, src props.Resource, dst resource.Path) error {
	to := props.Resource{Path: dst}
	ps, err := t.Props.Get(ctx, src)
	if err == nil && len(ps) > 0 {
		to, err = t.Stat(ctx, dst)
	}
	if err != nil {
		return err
	}
	return t.note(ctx, props.Set{Resource: to, Properties: ps})
}

// bare reports whether nothing is stored for p and what is below it.
func (t *Tree) bare(ctx context.Context, p resource.Path) bool {
	for range t.Props.All(ctx, p) { // or an error, which whoever asks for single ones hears
		return false
	}
	return true
}

// Adopt prepares the store for the file that was written aside as w and is about to take the place of r, whose properties
// stay. Call it before the commit of Stage.
func (t *Tree) Adopt(ctx context.Context, r props.Resource, w any) error {
	if r.Identity() == "" {
		return nil
	}
	var next fs.FileInfo
	if s, ok := w.(StagedFile); ok {
		var err error
		if next, err = s.Stat(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return t.adopt(ctx, r, next)
}

func (t *Tree) adopt(ctx context.Context, r props.Resource, next fs.FileInfo) error {
	id := props.Resource{Info: next}.Identity()
	return t.Props.Update(context.WithoutCancel(ctx), props.Adopt{Resource: r, Next: id})
}

// adopts returns what lets a copy take over the properties of old, the file at dst, until it gets its own: the process may be
// killed in between, and a file without any would be neither the old one nor the new one.
func (t *Tree) adopts(ctx context.Context, dst resource.Path, old fs.FileInfo) func(fs.FileInfo) error {
	if old == nil {
		return nil
	}
	return func(next fs.FileInfo) error {
		r := props.Resource{Path: dst, Info: old}
		if isLink(old) {
			r, _ = t.Stat(ctx, dst)
		}
		if r.Identity() == "" {
			return nil
		}
		return t.adopt(ctx, r, next)
	}
}
