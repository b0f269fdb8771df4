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

// Finder answers one query for one resource after another. It reuses its memory: what Find returns is good until the next
// call. It is not safe for concurrent use.
type Finder struct {
	registry *Registry
	policy   access.PropertyPolicy // nil: every property may be read
	query    Query
	named    []*live           // for each of query.Names, nil where it is no live one
	include  map[xml.Name]bool // names of the query, to be given once

	out    []byte  // what was found, the first propstat
	groups []group // the other ones, by status
	err    error
}

// group is the propstat of properties that were not found.
type group struct {
	status   int
	propstat []byte
}

// NewFinder returns a Finder. A name that the query gives twice is answered once. policy may be nil.
func (g *Registry) NewFinder(q Query, policy access.PropertyPolicy) *Finder {
	f := &Finder{registry: g, policy: policy, query: Query{Kind: q.Kind}, include: make(map[xml.Name]bool)}
	for _, n := range q.Names {
		if !f.include[n] {
			f.include[n] = true
			f.query.Names = append(f.query.Names, n)
			f.named = append(f.named, g.lookup(n))
		}
	}
	return f
}

// Find returns the propstats for r as XML (see multistatus.Writer.WritePropstats), at most one for each status, in ascending
// order; dead holds r's dead properties. There is always at least one, as RFC 4918 §14.24 wants, even if it is empty. A live
// property that fails stands in a propstat with its own status. The error is that of a dead property which is not XML.
func (f *Finder) Find(ctx context.Context, r Resource, dead []Property) ([]byte, error) {
	f.out, f.err = multistatus.AppendPropstatStart(f.out[:0]), nil
	start := len(f.out)
	for i := range f.groups {
		f.groups[i].propstat = f.groups[i].propstat[:0]
	}
	switch f.query.Kind {
	case Prop:
		for i := range f.query.Names {
			f.one(ctx, r, f.query.Names[i], f.named[i], dead, false)
		}
	case AllProp, PropName:
		f.all(ctx, r, dead)
	}
	found := len(f.out) > start
	if found {
		f.out = multistatus.AppendPropstatEnd(f.out, http.StatusOK, nil, "")
	} else {
		f.out = f.out[:0]
	}
	for i := range f.groups {
		if g := &f.groups[i]; len(g.propstat) > 0 {
			f.out = append(f.out, g.propstat...)
			f.out = multistatus.AppendPropstatEnd(f.out, g.status, nil, "")
		}
	}
	if len(f.out) == 0 {
		f.out = multistatus.AppendPropstatEnd(multistatus.AppendPropstatStart(f.out), http.StatusOK, nil, "")
	}
	return f.out, f.err
}

func (f *Finder) all(ctx context.Context, r Resource, dead []Property) {
	for i := range f.registry.live {
		l := &f.registry.live[i]
		included := len(f.include) > 0 && f.include[l.Name]
		if (l.Alias || l.Hidden && f.query.Kind == AllProp) && !included {
			continue
		}
		f.one(ctx, r, l.Name, l, dead, !included)
	}
	for i := range dead {
		if f.registry.lookup(dead[i].XMLName) == nil {
			f.one(ctx, r, dead[i].XMLName, nil, dead[i:i+1], false)
		}
	}
	for i, n := range f.query.Names {
		if f.named[i] == nil && index(dead, n) < 0 {
			f.one(ctx, r, n, nil, nil, false)
		}
	}
}

// one finds one property; optional leaves it out where the resource does not have it.
func (f *Finder) one(ctx context.Context, r Resource, n xml.Name, l *live, dead []Property, optional bool) {
	if l == nil || l.Stored {
		if stored := index(dead, n); stored >= 0 {
			if f.readable(ctx, r, n) {
				f.property(&dead[stored])
			}
			return
		}
	}
	from := len(f.out)
	err := ErrUndefined
	if l != nil && l.Append != nil {
		f.out = append(f.out, l.start...)
		value := len(f.out)
		if f.out, err = l.Append(ctx, f.out, r); err == nil && f.query.Kind != PropName {
			if len(f.out) > value {
				f.out = append(f.out, l.end...)
			} else {
				f.out = append(f.out[:from], l.empty...)
			}
			if f.policy != nil && !f.readable(ctx, r, n) {
				f.out = f.out[:from]
			}
			return
		}
		f.out = f.out[:from]
	}
	switch {
	case err == nil:
		f.out = append(f.out, l.empty...)
	case err != ErrUndefined && !errors.Is(err, ErrUndefined):
		f.name(multistatus.StatusOf(err), n)
	case !optional:
		f.name(http.StatusNotFound, n)
	}
}

// readable asks the policy, and notes the property that may not be read. That it is there may be known (RFC 4918 §9.1.4).
func (f *Finder) readable(ctx context.Context, r Resource, n xml.Name) bool {
	if f.policy == nil || f.query.Kind == PropName {
		return true
	}
	err := f.policy.CheckProperty(ctx, access.Read, r.Path, n)
	if err != nil {
		f.name(multistatus.StatusOf(err), n)
	}
	return err == nil
}

// property appends a dead property that was found.
func (f *Finder) property(p *Property) {
	if f.query.Kind == PropName {
		p = &Property{XMLName: p.XMLName}
	}
	var err error
	if f.out, err = multistatus.AppendProperty(f.out, p); err != nil {
		f.err = err
	}
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
	for i := range f.named {
		if f.named[i] == nil || f.named[i].Stored {
			return true
		}
	}
	return f.query.Kind != Prop
}
