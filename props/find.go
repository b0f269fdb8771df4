package props

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"slices"

	"dav207/server/access"
	"dav207/server/multistatus"
)

// Kind is the form of a PROPFIND (RFC 4918 §9.1).
type Kind uint8

// The forms of a PROPFIND.
const (
	Prop     Kind = iota // DAV:prop: the properties named
	AllProp              // DAV:allprop: all dead ones, the live ones that are not Hidden, and those included
	PropName             // DAV:propname: the names of all
)

// Query is the parsed body of a PROPFIND.
type Query struct {
	Kind  Kind
	Names []xml.Name // of DAV:prop or DAV:include
}

// Finder finds the properties that one query names, for one resource after another. It is not safe
// for concurrent use.
type Finder struct {
	registry *Registry
	ctx      context.Context
	format   multistatus.Format
	policy   access.PropertyPolicy // nil if every property may be read
	kind     Kind
	asked    []asked    // looked up for each resource, in the order of the response
	unknown  []xml.Name // names of DAV:include without a live property: all dead ones are listed anyway
	groups   []group    // properties with another status than 200, in the order of compareFailures
	err      error
}

// asked is a property that the response lists for each resource, with a value or with a status.
type asked struct {
	name   xml.Name
	live   *live // nil if only a dead property can have the name
	append AppendFunc
	last   multistatus.LastElement
	// optional omits the property where the resource does not have it.
	optional bool
}

// group is the properties that failed for the same reason.
type group struct {
	failure *multistatus.Error
	names   []xml.Name
}

// NewFinder returns a Finder for the response to one request, whose context is ctx, in the format
// of its multistatus.Writer. A name that q has twice is looked up once. policy may be nil.
func (g *Registry) NewFinder(ctx context.Context, format multistatus.Format, q Query, policy access.PropertyPolicy) *Finder {
	f := &Finder{registry: g, ctx: ctx, format: format, policy: policy, kind: q.Kind}
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

// ask appends the property n, whose live property is l or nil.
func (f *Finder) ask(n xml.Name, l *live, optional bool) {
	a := asked{name: n, live: l, optional: optional}
	if l != nil && l.Prepare != nil {
		a.append = l.Prepare(f.ctx)
	}
	f.asked = append(f.asked, a)
}

// Find appends the propstats of r to b, for multistatus.Writer.WriteFunc: one for each status and
// reason, in ascending order. dead holds r's dead properties. There is always at least one
// propstat, be it empty (RFC 4918 §14.24). A live property that fails has its own status. outcome
// is that of multistatus.Response.Outcome. Find returns an error if the name of a property is not
// an XML name.
func (f *Finder) Find(b []byte, r *Resource, dead []Property) (out []byte, outcome int, err error) {
	f.err, f.groups = nil, f.groups[:0]
	outcome = http.StatusOK
	from := len(b)
	b = f.format.AppendPropstatStart(b, http.StatusOK)
	start := len(b)
	b = f.named(b, r, dead)
	if f.kind != Prop {
		b = f.all(b, r, dead)
	}
	if len(b) > start {
		b = f.format.AppendPropstatEnd(b, http.StatusOK, nil, "")
	} else {
		b = b[:from]
	}
	for i := range f.groups {
		b = f.empty(b, f.groups[i].failure, f.groups[i].names)
		if status := f.groups[i].failure.Status; outcome == http.StatusOK && status != http.StatusNotFound {
			outcome = status
		}
	}
	if len(b) == from {
		b = f.empty(b, &multistatus.Error{Status: http.StatusOK}, nil)
	}
	return b, outcome, f.err
}

// NamesSize returns the bytes that the names in the query take in the response for each resource,
// even if no resource has such properties.
func (f *Finder) NamesSize() int {
	const markup = len(`<ns: xmlns:ns=""/>`)
	size := 0
	for i := range f.asked {
		if n := f.asked[i].name; !f.asked[i].optional {
			size += len(n.Space) + len(n.Local) + markup
		}
	}
	for _, n := range f.unknown {
		size += len(n.Space) + len(n.Local) + markup
	}
	return size
}

// empty appends a propstat with the names of properties.
func (f *Finder) empty(b []byte, e *multistatus.Error, names []xml.Name) []byte {
	b = f.format.AppendPropstatStart(b, e.Status)
	for _, n := range names {
		b = f.property(b, &Property{XMLName: n})
	}
	return f.format.AppendPropstatEnd(b, e.Status, e.Condition, e.Description)
}

// Fail appends the propstat of a resource whose properties cannot be read, for
// multistatus.Writer.WriteFunc. Each property that the query names has the status of e; for allprop
// and propname, each live property (RFC 4918 §9.1: "If there is an error retrieving a property,
// then a proper error result MUST be included"; §14.22). A DAV:status of the response would say the
// same (§14.24), but clients read only the propstats of a listing.
func (f *Finder) Fail(b []byte, e *multistatus.Error) ([]byte, error) {
	f.err = nil
	names := make([]xml.Name, len(f.asked), len(f.asked)+len(f.unknown))
	for i := range f.asked {
		names[i] = f.asked[i].name
	}
	b = f.empty(b, e, append(names, f.unknown...))
	return b, f.err
}

// all appends the dead properties, and reports the unknown names that r does not have as 404.
func (f *Finder) all(b []byte, r *Resource, dead []Property) []byte {
	for i := range dead {
		if !f.isNamed(dead[i].XMLName) {
			b = f.dead(b, r, &dead[i])
		}
	}
	for _, n := range f.unknown {
		if index(dead, n) < 0 && f.readable(r, n) {
			f.report(errNotFound, n)
		}
	}
	return b
}

// named appends the asked properties of r, or adds them to the group of their status.
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
		b = a.live.tags.AppendStart(b, f.format)
		value := len(b)
		var err error
		b, err = f.value(b, r, a, dead)
		valued := err == nil && len(b) > value && f.kind != PropName
		if !valued || !f.readable(r, a.name) {
			b = f.other(b[:from], r, a, err, valued)
			continue
		}
		if a.live.plain {
			b = a.live.tags.AppendEndPlain(b, f.format)
		} else {
			b = a.live.tags.AppendEnd(b, f.format, value, &a.last)
		}
	}
	return b
}

// value appends the content of a live property: that of Kept if r has the dead property, else that
// of Append.
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

// other appends the empty element of a live property without content, or reports its status.
// refused says that it has content, which the policy does not let the user read.
func (f *Finder) other(b []byte, r *Resource, a *asked, err error, refused bool) []byte {
	switch {
	case err == nil && (refused || !f.readable(r, a.name)): // readable has reported it
	case err == nil:
		b = a.live.tags.AppendEmpty(b, f.format)
	case err != ErrUndefined && !errors.Is(err, ErrUndefined):
		f.report(multistatus.AsError(err), a.name)
	case !a.optional && f.readable(r, a.name):
		f.report(errNotFound, a.name)
	}
	return b
}

// isNamed reports whether named handles n: any live property, except a Stored Alias that the query
// does not name.
func (f *Finder) isNamed(n xml.Name) bool {
	l := f.registry.lookup(n)
	return l != nil && (!l.Alias || !l.Stored || slices.ContainsFunc(f.asked, func(a asked) bool { return a.name == n }))
}

// readable reports whether the policy lets the user read the property, and otherwise reports its
// status. Names are not secret (RFC 4918 §9.1.4), except for those that the policy hides: only a
// query that names such a property gets it, with 404.
func (f *Finder) readable(r *Resource, n xml.Name) bool {
	if f.policy == nil {
		return true
	}
	err := f.policy.CheckProperty(f.ctx, access.Read, r.Path, n)
	if err == nil {
		return true
	}
	hidden := errors.Is(err, fs.ErrNotExist)
	switch {
	case f.kind == PropName && !hidden:
		return true
	case !hidden, f.kind == Prop, f.isIncluded(n):
		f.report(multistatus.AsError(err), n)
	}
	return false
}

// isIncluded reports whether DAV:include has n.
func (f *Finder) isIncluded(n xml.Name) bool {
	return slices.Contains(f.unknown, n) || slices.ContainsFunc(f.asked, func(a asked) bool { return a.name == n && !a.optional })
}

// dead appends a dead property, unless the policy refuses it.
func (f *Finder) dead(b []byte, r *Resource, p *Property) []byte {
	if !f.readable(r, p.XMLName) {
		return b
	}
	if f.kind == PropName {
		p = &Property{XMLName: p.XMLName}
	}
	return f.property(b, p)
}

// property appends one property. It stores the error.
func (f *Finder) property(b []byte, p *Property) []byte {
	b, err := f.format.AppendProperty(b, p)
	if err != nil {
		f.err = err
	}
	return b
}

var errNotFound = &multistatus.Error{Status: http.StatusNotFound}

// report adds the name of a property to the propstat of those that failed for the same reason.
func (f *Finder) report(failure *multistatus.Error, n xml.Name) {
	at, found := slices.BinarySearchFunc(f.groups, failure, func(g group, e *multistatus.Error) int { return compareFailures(g.failure, e) })
	if !found {
		var unused []xml.Name // of a resource before
		if used := len(f.groups); used < cap(f.groups) {
			unused = f.groups[:used+1][used].names[:0]
		}
		f.groups = slices.Insert(f.groups, at, group{failure, unused})
	}
	f.groups[at].names = append(f.groups[at].names, n)
}

// compareFailures returns 0 if two properties that failed can share a propstat (RFC 4918 §14.22):
// one has one DAV:status, DAV:error and DAV:responsedescription.
func compareFailures(a, b *multistatus.Error) int {
	if a == b {
		return 0
	}
	return cmp.Or(cmp.Compare(a.Status, b.Status), compareConditions(a.Condition, b.Condition), cmp.Compare(a.Description, b.Description))
}

func compareConditions(a, b *multistatus.Condition) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Name.Space, b.Name.Space), cmp.Compare(a.Name.Local, b.Name.Local), slices.Compare(a.Hrefs, b.Hrefs))
}

// index returns the index of the property with that name, or -1.
func index(properties []Property, n xml.Name) int {
	for i := range properties {
		if properties[i].XMLName == n {
			return i
		}
	}
	return -1
}

// NeedsDead reports whether the response depends on dead properties. If not, callers may pass none
// to Find.
func (f *Finder) NeedsDead() bool {
	return f.kind != Prop || slices.ContainsFunc(f.asked, func(a asked) bool {
		return a.live == nil || a.live.Stored || a.live.Kept != nil
	})
}
