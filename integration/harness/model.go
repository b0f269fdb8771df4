package harness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Model is a tree as a map of names. Apply is what RFC 4918 says about each request, without code
// of the server.
type Model map[string]Node

// Node is a resource of a Model. Colour stands for its dead properties.
type Node struct {
	Collection, Locked bool
	Content, Colour    string
}

// String returns the resources in the order of their names.
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

// Apply returns the tree after a request, or nil if the request changes nothing, and the answers
// that the client may see. If several reasons refuse a request, each of them is among the answers.
func (m Model) Apply(q *Request) (next Model, seen []string) {
	switch q.Method {
	case "GET", "PROPFIND":
		return nil, []string{m.read(q)}
	case "PROPPATCH":
		return m.proppatch(q)
	case "PUT":
		return m.put(q)
	case "MKCOL":
		return m.mkcol(q)
	case "LOCK":
		return m.lock(q)
	case "DELETE":
		return m.remove(q)
	case "COPY", "MOVE":
		return m.transfer(q)
	}
	return nil, nil
}

func (m Model) read(q *Request) string {
	n, exists := m[q.Name]
	switch {
	case !exists:
		return "404"
	case q.Method == "PROPFIND":
		return "207 " + n.Colour
	case n.Collection:
		return "200 collection"
	}
	return "200 " + n.Content
}

func (m Model) proppatch(q *Request) (Model, []string) {
	n, exists := m[q.Name]
	switch {
	case !exists:
		return nil, []string{"404"}
	case n.Locked:
		return nil, []string{"423"}
	}
	n.Colour = q.Value
	return m.With(q.Name, n), []string{"207"}
}

func (m Model) put(q *Request) (Model, []string) {
	n, exists := m[q.Name]
	switch {
	case exists && n.Collection:
		return nil, []string{"405"}
	case !exists && !m.hasParent(q.Name):
		return nil, []string{"409"}
	case n.Locked:
		return nil, []string{"423"}
	case exists && q.Create: // last, RFC 9110 §13.2.1
		return nil, []string{"412"}
	case exists:
		n.Content = q.Value // the dead properties stay (§9.7)
		return m.With(q.Name, n), []string{"204"}
	}
	return m.With(q.Name, Node{Content: q.Value}), []string{"201"}
}

func (m Model) mkcol(q *Request) (Model, []string) {
	switch {
	case m.has(q.Name):
		return nil, []string{"405"}
	case !m.hasParent(q.Name):
		return nil, []string{"409"}
	}
	return m.With(q.Name, Node{Collection: true}), []string{"201"}
}

func (m Model) lock(q *Request) (Model, []string) {
	n, exists := m[q.Name]
	switch {
	case n.Locked:
		return nil, []string{"423"}
	case exists:
		n.Locked = true
		return m.With(q.Name, n), []string{"200"}
	}
	return m.With(q.Name, Node{Locked: true}), []string{"201"}
}

func (m Model) remove(q *Request) (Model, []string) {
	n, exists := m[q.Name]
	switch {
	case !exists:
		return nil, []string{"404"}
	case n.Locked:
		return nil, []string{"423"}
	}
	return m.Without(q.Name), []string{"204"}
}

// transfer is COPY and MOVE (§9.8, §9.9).
func (m Model) transfer(q *Request) (Model, []string) {
	if !m.has(q.Name) {
		return nil, []string{"404"}
	}
	if refused := m.refusals(q); len(refused) > 0 {
		return nil, refused
	}
	next, status := maps.Clone(m), "201"
	if m.has(q.Dst) {
		next, status = m.Without(q.Dst), "204"
	}
	for name, n := range m {
		if name == q.Name || strings.HasPrefix(name, q.Name+"/") {
			n.Locked = false // §7.6
			next[q.Dst+strings.TrimPrefix(name, q.Name)] = n
		}
	}
	if q.Method == "MOVE" {
		next = next.Without(q.Name)
	}
	return next, []string{status}
}

// refusals returns the reasons to refuse a COPY or MOVE whose source exists.
func (m Model) refusals(q *Request) (refused []string) {
	if q.Name == q.Dst || strings.HasPrefix(q.Dst, q.Name+"/") || strings.HasPrefix(q.Name, q.Dst+"/") {
		refused = append(refused, "403") // §9.8.5
	}
	if !m.hasParent(q.Dst) {
		refused = append(refused, "409")
	}
	if m.has(q.Dst) && !q.Overwrite {
		refused = append(refused, "412")
	}
	if m[q.Dst].Locked || q.Method == "MOVE" && m[q.Name].Locked {
		refused = append(refused, "423")
	}
	return refused
}

func (m Model) has(name string) bool { _, exists := m[name]; return exists }

// hasParent reports whether the parent of name is a collection.
func (m Model) hasParent(name string) bool {
	parent := Parent(name)
	return parent == "/" || m[strings.TrimSuffix(parent, "/")].Collection
}

// With returns a copy of the tree with n at name.
func (m Model) With(name string, n Node) Model {
	next := maps.Clone(m)
	next[name] = n
	return next
}

// Without returns a copy of the tree without a resource and its members.
func (m Model) Without(name string) Model {
	next := maps.Clone(m)
	maps.DeleteFunc(next, func(other string, _ Node) bool { return other == name || strings.HasPrefix(other, name+"/") })
	return next
}

// Request is a request of a client with its answer.
type Request struct {
	Method, Name, Dst string
	Value             string // the content of PUT, the property of PROPPATCH
	Overwrite         bool
	Create            bool // If-None-Match: *
	Seen              string
	Token             string // of a lock that was granted
	Sent, Answered    time.Time
}

// String returns the request and its answer in one line.
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
