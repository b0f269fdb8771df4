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
	named    []*Live           // for each of query.Names, nil where it is no live one
	include  map[xml.Name]bool // names of the query, to be given once

	arena  []byte
	groups []group
	out    []multistatus.Propstat
}

// group is the properties of one status. Values are cut from the arena only when it has stopped growing.
type group struct {
	status int
	props  []Property
	spans  []span
}

type span struct{ from, to int }

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

// Find returns the propstats for r, at most one for each status, in ascending order; dead holds r's dead properties. There is
// always at least one, as RFC 4918 §14.24 wants, even if it is empty. A live property that fails stands in a propstat with
// its own status.
func (f *Finder) Find(ctx context.Context, r Resource, dead []Property) []multistatus.Propstat {
	f.arena = f.arena[:0]
	for i := range f.groups {
		f.groups[i].props, f.groups[i].spans = f.groups[i].props[:0], f.groups[i].spans[:0]
	}
	switch f.query.Kind {
	case Prop:
		for i, n := range f.query.Names {
			f.one(ctx, r, n, f.named[i], dead, false)
		}
	case AllProp, PropName:
		for i := range f.registry.live {
			l := &f.registry.live[i]
			if (l.Alias || l.Hidden && f.query.Kind == AllProp) && !f.include[l.Name] {
				continue
			}
			f.one(ctx, r, l.Name, l, dead, !f.include[l.Name])
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
	return f.result()
}

// one finds one property; optional leaves it out where the resource does not have it.
func (f *Finder) one(ctx context.Context, r Resource, n xml.Name, live *Live, dead []Property, optional bool) {
	from := len(f.arena)
	stored := -1
	if live == nil || live.Stored {
		stored = index(dead, n)
	}
	status := http.StatusOK
	if stored < 0 {
		err := ErrUndefined
		if live != nil && live.Append != nil {
			f.arena, err = live.Append(ctx, f.arena, r)
		}
		if errors.Is(err, ErrUndefined) {
			if optional {
				return
			}
			err, status = nil, http.StatusNotFound
		}
		if err != nil {
			status = multistatus.StatusOf(err)
		}
	}
	if status == http.StatusOK && f.query.Kind != PropName && f.policy != nil {
		if err := f.policy.CheckProperty(ctx, access.Read, r.Path, n); err != nil {
			status = multistatus.StatusOf(err)
		}
	}
	g := f.group(status)
	if status == http.StatusOK && stored >= 0 && f.query.Kind != PropName {
		g.props, g.spans = append(g.props, dead[stored]), append(g.spans, span{})
		return
	}
	if status != http.StatusOK || f.query.Kind == PropName {
		f.arena = f.arena[:from]
	}
	g.props, g.spans = append(g.props, Property{XMLName: n}), append(g.spans, span{from, len(f.arena)})
}

func (f *Finder) group(status int) *group {
	for i := range f.groups {
		if f.groups[i].status == status {
			return &f.groups[i]
		}
	}
	// Sorted, so that the answer for a resource does not depend on what was found before it.
	at := sort.Search(len(f.groups), func(i int) bool { return f.groups[i].status > status })
	f.groups = slices.Insert(f.groups, at, group{status: status})
	return &f.groups[at]
}

func (f *Finder) result() []multistatus.Propstat {
	f.out = f.out[:0]
	for i := range f.groups {
		g := &f.groups[i]
		if len(g.props) == 0 {
			continue
		}
		for j, s := range g.spans {
			if s.to > s.from {
				g.props[j].InnerXML = f.arena[s.from:s.to:s.to]
			}
		}
		f.out = append(f.out, multistatus.Propstat{Prop: g.props, Status: g.status})
	}
	if len(f.out) == 0 {
		f.out = append(f.out, multistatus.Propstat{Status: http.StatusOK})
	}
	return f.out
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
