package props

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"sort"

	"dav207/server/access"
	"dav207/server/multistatus"
)

// Kind is which of its three forms a PROPFIND has (RFC 4918 §9.1).
type Kind uint8

// The forms of a PROPFIND.
const (
	Prop     Kind = iota // the properties named
	AllProp              // all dead ones, all live ones but those Hidden, and those included
	PropName             // the names of all that there are
)

// Query is what a PROPFIND asks for.
type Query struct {
	Kind  Kind
	Names []xml.Name // those named by DAV:prop, or by DAV:include
}

// Finder answers one query for one resource after another. It is not safe for concurrent use.
type Finder struct {
	registry *Registry
	ctx      context.Context
	policy   access.PropertyPolicy // nil: every property may be read
	kind     Kind
	asked    []asked    // what is looked for in each resource, in the order of the answer
	unknown  []xml.Name // those asked for by name that are no live ones, where all dead ones are given anyway
	groups   []group    // the properties that were not found, by status
	err      error
}

// asked is a property that the answer has for each resource, or says why it has not.
type asked struct {
	name   xml.Name
	live   *live // nil for one that is only dead
	append AppendFunc
	// optional leaves it out where the resource does not have it.
	optional bool
}

// group is the propstat of properties that were not found.
type group struct {
	status   int
	propstat []byte
}

// NewFinder returns a Finder for the answer to one request, whose context is ctx. A name that the query gives twice is answered
// once. policy may be nil.
func (g *Registry) NewFinder(ctx context.Context, q Query, policy access.PropertyPolicy) *Finder {
	f := &Finder{registry: g, ctx: ctx, policy: policy, kind: q.Kind}
	named := make(map[xml.Name]bool, len(q.Names))
	var names []xml.Name
	for _, n := range q.Names {
		if !named[n] {
			named[n] = true
			names = append(names, n)
		}
	}
	if q.Kind == Prop {
		for _, n := range names {
			f.ask(n, g.lookup(n), false)
		}
		return f
	}
	for i := range g.live {
		l := &g.live[i]
		if included := named[l.Name]; included || !l.Alias && (!l.Hidden || q.Kind == PropName) {
			f.ask(l.Name, l, !included)
		}
	}
	for _, n := range names {
		if g.lookup(n) == nil {
			f.unknown = append(f.unknown, n)
		}
	}
	return f
}

func (f *Finder) ask(n xml.Name, l *live, optional bool) {
	a := asked{name: n, live: l, optional: optional}
	if l != nil {
		a.append = l.begin(f.ctx)
	}
	f.asked = append(f.asked, a)
}

// Find appends the propstats for r to b, as XML for multistatus.Writer.WriteBy: at most one for each status, in ascending
// order; dead holds r's dead properties. There is always at least one, as RFC 4918 §14.24 wants, even if it is empty. A live
// property that fails stands in a propstat with its own status. The error is that of a dead property which is not XML.
func (f *Finder) Find(b []byte, r *Resource, dead []Property) ([]byte, error) {
	f.err = nil
	for i := range f.groups {
		f.groups[i].propstat = f.groups[i].propstat[:0]
	}
	from := len(b)
	b = multistatus.AppendPropstatStart(b)
	start := len(b)
	b = f.named(b, r, dead)
	if f.kind != Prop {
		b = f.all(b, r, dead)
	}
	if len(b) > start {
		b = multistatus.AppendPropstatEnd(b, http.StatusOK, nil, "")
	} else {
		b = b[:from]
	}
	for i := range f.groups {
		if g := &f.groups[i]; len(g.propstat) > 0 {
			b = append(b, g.propstat...)
			b = multistatus.AppendPropstatEnd(b, g.status, nil, "")
		}
	}
	if len(b) == from {
		b = multistatus.AppendPropstatEnd(multistatus.AppendPropstatStart(b), http.StatusOK, nil, "")
	}
	return b, f.err
}

// Fail appends the propstat for a resource that cannot be described, as XML for multistatus.Writer.WriteBy: every property that
// the query names has the status of e, with allprop and propname every live one that they would name (RFC 4918 §9.1: "If there
// is an error retrieving a property, then a proper error result MUST be included"; §14.22). A status of the response itself
// would say the same (§14.24), but clients that read a listing look for propstats alone.
func (f *Finder) Fail(b []byte, e *multistatus.Error) ([]byte, error) {
	b = multistatus.AppendPropstatStart(b)
	var err error
	for i := range f.asked {
		if b, err = multistatus.AppendProperty(b, &Property{XMLName: f.asked[i].name}); err != nil {
			return b, err
		}
	}
	for _, n := range f.unknown {
		if b, err = multistatus.AppendProperty(b, &Property{XMLName: n}); err != nil {
			return b, err
		}
	}
	return multistatus.AppendPropstatEnd(b, e.Status, e.Condition, e.Description), nil
}

// all appends the dead properties, and says which of those asked for there are not.
func (f *Finder) all(b []byte, r *Resource, dead []Property) []byte {
	for i := range dead {
		if !f.isNamed(dead[i].XMLName) {
			b = f.dead(b, r, &dead[i])
		}
	}
	for _, n := range f.unknown {
		if index(dead, n) < 0 {
			f.name(http.StatusNotFound, n)
		}
	}
	return b
}

// named appends the properties that each resource is asked for.
func (f *Finder) named(b []byte, r *Resource, dead []Property) []byte {
	for i := range f.asked {
		a := &f.asked[i]
		if len(dead) > 0 && (a.live == nil || a.live.Stored) {
			if stored := index(dead, a.name); stored >= 0 {
				b = f.dead(b, r, &dead[stored])
				continue
			}
		}
		if a.append == nil {
			b = f.other(b, r, a, ErrUndefined, false)
			continue
		}
		from := len(b)
		b = append(b, a.live.start...)
		value := len(b)
		var err error
		b, err = f.value(b, r, a, dead)
		valued := err == nil && len(b) > value && f.kind != PropName
		if !valued || !f.readable(r, a.name) {
			b = f.other(b[:from], r, a, err, valued)
			continue
		}
		b = append(b, a.live.end...)
	}
	return b
}

// value appends the content of a live property: what Kept makes of a dead one, else what Append makes.
func (f *Finder) value(b []byte, r *Resource, a *asked, dead []Property) ([]byte, error) {
	if len(dead) > 0 && a.live.Kept != nil {
		if stored := index(dead, a.live.Kept.Name); stored >= 0 {
			if b, ok := a.live.Kept.Append(b, &dead[stored]); ok {
				return b, nil
			}
		}
	}
	return a.append(b, r)
}

// other appends the element of a live property that has no content to show, or notes what has become of it. refused says that it has
// one, which may not be read.
func (f *Finder) other(b []byte, r *Resource, a *asked, err error, refused bool) []byte {
	switch {
	case err == nil && (refused || !f.readable(r, a.name)): // noted
	case err == nil:
		b = append(b, a.live.empty...)
	case err != ErrUndefined && !errors.Is(err, ErrUndefined):
		f.name(multistatus.StatusOf(err), a.name)
	case !a.optional:
		f.name(http.StatusNotFound, a.name)
	}
	return b
}

// isNamed reports whether named answers for n: for each live property, but for a Stored Alias that was not included.
func (f *Finder) isNamed(n xml.Name) bool {
	l := f.registry.lookup(n)
	return l != nil && (!l.Alias || !l.Stored || slices.ContainsFunc(f.asked, func(a asked) bool { return a.name == n }))
}

// readable asks the policy, and notes the property that may not be read. That it is there may be known (RFC 4918 §9.1.4).
func (f *Finder) readable(r *Resource, n xml.Name) bool {
	if f.policy == nil || f.kind == PropName {
		return true
	}
	err := f.policy.CheckProperty(f.ctx, access.Read, r.Path, n)
	if err != nil {
		f.name(multistatus.StatusOf(err), n)
	}
	return err == nil
}

// dead appends a dead property.
func (f *Finder) dead(b []byte, r *Resource, p *Property) []byte {
	if !f.readable(r, p.XMLName) {
		return b
	}
	if f.kind == PropName {
		p = &Property{XMLName: p.XMLName}
	}
	b, err := multistatus.AppendProperty(b, p)
	if err != nil {
		f.err = err
	}
	return b
}

// name puts the name of a property that was not found into the propstat of its status.
func (f *Finder) name(status int, n xml.Name) {
	// Sorted, so that the answer for a resource does not depend on what was found before it.
	at := sort.Search(len(f.groups), func(i int) bool { return f.groups[i].status >= status })
	if at == len(f.groups) || f.groups[at].status != status {
		f.groups = slices.Insert(f.groups, at, group{status: status})
	}
	g := &f.groups[at]
	if len(g.propstat) == 0 {
		g.propstat = multistatus.AppendPropstatStart(g.propstat)
	}
	var err error
	if g.propstat, err = multistatus.AppendProperty(g.propstat, &Property{XMLName: n}); err != nil {
		f.err = err
	}
}

func index(properties []Property, n xml.Name) int {
	for i := range properties {
		if properties[i].XMLName == n {
			return i
		}
	}
	return -1
}

// Dead reports whether the answer depends on dead properties: if not, Find may be given none.
func (f *Finder) Dead() bool {
	return f.kind != Prop || slices.ContainsFunc(f.asked, func(a asked) bool {
		return a.live == nil || a.live.Stored || a.live.Kept != nil
	})
}
