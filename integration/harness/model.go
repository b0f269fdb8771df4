package harness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Model is a tree: what the RFC says of each request, on a map of names.
type Model map[string]Node

// Node is a resource of a Model. Colour stands for its dead properties.
type Node struct {
	Collection, Locked bool
	Content, Colour    string
}

// String lists the resources in the order of their names.
func (m Model) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		n := m[name]
		fmt.Fprintf(&b, "%s", name)
		if n.Collection {
			b.WriteString("/")
		} else {
			fmt.Fprintf(&b, "=%q", n.Content)
		}
		if n.Colour != "" {
			fmt.Fprintf(&b, " colour %s", n.Colour)
		}
		if n.Locked {
			b.WriteString(" locked")
		}
		b.WriteString("; ")
	}
	return b.String()
}

// Apply returns what a request makes of the tree, nil for nothing, and what its client may see.
// Where two reasons refuse a request either may be told.
func (m Model) Apply(q *Request) (next Model, seen []string) {
	n, there := m[q.Name]
	up := Parent(q.Name)
	upper := up == "/" || m[strings.TrimSuffix(up, "/")].Collection
	switch q.Method {
	case "GET":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.Collection:
			return nil, []string{"200 collection"}
		}
		return nil, []string{"200 " + n.Content}
	case "PROPFIND":
		if !there {
			return nil, []string{"404"}
		}
		return nil, []string{"207 " + n.Colour}
	case "PROPPATCH":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.Locked:
			return nil, []string{"423"}
		}
		n.Colour = q.Value
		return m.With(q.Name, n), []string{"207"}
	case "PUT":
		switch {
		case there && n.Collection:
			return nil, []string{"405"}
		case !there && !upper:
			return nil, []string{"409"}
		case n.Locked:
			return nil, []string{"423"}
		case there && q.Create: // last, RFC 9110 §13.2.1
			return nil, []string{"412"}
		case there:
			n.Content = q.Value // §9.7: its properties stay
			return m.With(q.Name, n), []string{"204"}
		}
		return m.With(q.Name, Node{Content: q.Value}), []string{"201"}
	case "MKCOL":
		switch {
		case there:
			return nil, []string{"405"}
		case !upper:
			return nil, []string{"409"}
		}
		return m.With(q.Name, Node{Collection: true}), []string{"201"}
	case "LOCK":
		switch {
		case n.Locked:
			return nil, []string{"423"}
		case there:
			n.Locked = true
			return m.With(q.Name, n), []string{"200"}
		}
		return m.With(q.Name, Node{Locked: true}), []string{"201"}
	case "DELETE":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.Locked:
			return nil, []string{"423"}
		}
		return m.Without(q.Name), []string{"204"}
	case "COPY", "MOVE":
		return m.transfer(q)
	}
	return nil, nil
}

// transfer is COPY and MOVE (§9.8, §9.9).
func (m Model) transfer(q *Request) (Model, []string) {
	src, there := m[q.Name]
	if !there {
		return nil, []string{"404"}
	}
	dst, existed := m[q.Dst]
	up := Parent(q.Dst)
	upper := up == "/" || m[strings.TrimSuffix(up, "/")].Collection
	var refused []string
	if q.Name == q.Dst || strings.HasPrefix(q.Dst, q.Name+"/") || strings.HasPrefix(q.Name, q.Dst+"/") {
		refused = append(refused, "403") // §9.8.5
	}
	if !upper {
		refused = append(refused, "409")
	}
	if existed && !q.Overwrite {
		refused = append(refused, "412")
	}
	if dst.Locked || q.Method == "MOVE" && src.Locked {
		refused = append(refused, "423")
	}
	if len(refused) > 0 {
		return nil, refused
	}
	next := m
	if existed {
		next = next.Without(q.Dst)
	}
	next = maps.Clone(next)
	for name, n := range m {
		if name == q.Name || strings.HasPrefix(name, q.Name+"/") {
			n.Locked = false // §7.6
			next[q.Dst+strings.TrimPrefix(name, q.Name)] = n
		}
	}
	if q.Method == "MOVE" {
		next = next.Without(q.Name)
	}
	if existed {
		return next, []string{"204"}
	}
	return next, []string{"201"}
}

// With returns a copy of the tree in which n is at name.
func (m Model) With(name string, n Node) Model {
	next := maps.Clone(m)
	next[name] = n
	return next
}

// Without leaves out a resource with its members.
func (m Model) Without(name string) Model {
	next := maps.Clone(m)
	maps.DeleteFunc(next, func(other string, _ Node) bool { return other == name || strings.HasPrefix(other, name+"/") })
	return next
}

// Request is one that a client sent, with what it saw.
type Request struct {
	Method, Name, Dst string
	Value             string // what PUT and PROPPATCH write
	Overwrite         bool
	Create            bool // If-None-Match: *
	Seen              string
	Token             string // of a lock that was granted
	Sent, Answered    time.Time
}

// String returns the request and what was seen, in one line.
func (q *Request) String() string {
	s := q.Method + " " + q.Name
	if q.Dst != "" {
		s += fmt.Sprint(" to ", q.Dst, " overwrite ", q.Overwrite)
	}
	if q.Value != "" {
		s += " = " + q.Value
	}
	if q.Create {
		s += " if there is none"
	}
	return s + ": " + q.Seen
}
