package integration

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serialSearch looks for an order of requests that explains them.
type serialSearch struct {
	all    []*request
	want   string          // the tree after them
	failed map[string]bool // from where nothing was found: what was done, and the tree
}

// from reports whether the requests that are not done yet can follow on a tree.
func (s *serialSearch) from(m model207, done uint) bool {
	if done == 1<<len(s.all)-1 {
		return m.String() == s.want
	}
	here := m.String()
	key := strconv.FormatUint(uint64(done), 36) + " " + here
	if s.failed[key] {
		return false
	}
	for i, q := range s.all {
		if done&(1<<i) != 0 || !s.first(q, done) {
			continue
		}
		next, seen := m.apply(q)
		if !slices.Contains(seen, q.seen) {
			continue
		}
		if next == nil { // it changes nothing: whoever is next does not care
			return s.from(m, done|1<<i)
		}
		if s.from(next, done|1<<i) {
			return true
		}
	}
	s.failed[key] = true
	return false
}

// first reports whether q may be the next: no request that is not done had its answer before q was sent.
func (s *serialSearch) first(q *request, done uint) bool {
	for i, other := range s.all {
		if done&(1<<i) == 0 && other != q && other.answered.Before(q.sent) {
			return false
		}
	}
	return true
}

// model207 is a tree: what the RFC says of each request, on a map of names.
type model207 map[string]node

type node struct {
	collection, locked bool
	content, colour    string
}

func (m model207) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		n := m[name]
		fmt.Fprintf(&b, "%s", name)
		if n.collection {
			b.WriteString("/")
		} else {
			fmt.Fprintf(&b, "=%q", n.content)
		}
		if n.colour != "" {
			fmt.Fprintf(&b, " colour %s", n.colour)
		}
		if n.locked {
			b.WriteString(" locked")
		}
		b.WriteString("; ")
	}
	return b.String()
}

// apply returns what a request makes of the tree, nil for nothing, and what its client may see. Where two reasons refuse a
// request either may be told.
func (m model207) apply(q *request) (next model207, seen []string) {
	n, there := m[q.name]
	up := parent(q.name)
	upper := up == "/" || m[strings.TrimSuffix(up, "/")].collection
	switch q.method {
	case "GET":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.collection:
			return nil, []string{"200 collection"}
		}
		return nil, []string{"200 " + n.content}
	case "PROPFIND":
		if !there {
			return nil, []string{"404"}
		}
		return nil, []string{"207 " + n.colour}
	case "PROPPATCH":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.locked:
			return nil, []string{"423"}
		}
		n.colour = q.value
		return m.with(q.name, n), []string{"207"}
	case "PUT":
		switch {
		case there && n.collection:
			return nil, []string{"405"}
		case !there && !upper:
			return nil, []string{"409"}
		case n.locked:
			return nil, []string{"423"}
		case there && q.create: // last, RFC 9110 §13.2.1
			return nil, []string{"412"}
		case there:
			n.content = q.value // §9.7: its properties stay
			return m.with(q.name, n), []string{"204"}
		}
		return m.with(q.name, node{content: q.value}), []string{"201"}
	case "MKCOL":
		switch {
		case there:
			return nil, []string{"405"}
		case !upper:
			return nil, []string{"409"}
		}
		return m.with(q.name, node{collection: true}), []string{"201"}
	case "LOCK":
		switch {
		case n.locked:
			return nil, []string{"423"}
		case there:
			n.locked = true
			return m.with(q.name, n), []string{"200"}
		}
		return m.with(q.name, node{locked: true}), []string{"201"}
	case "DELETE":
		switch {
		case !there:
			return nil, []string{"404"}
		case n.locked:
			return nil, []string{"423"}
		}
		return m.without(q.name), []string{"204"}
	case "COPY", "MOVE":
		return m.transfer(q)
	}
	return nil, nil
}

// transfer is COPY and MOVE (§9.8, §9.9).
func (m model207) transfer(q *request) (model207, []string) {
	src, there := m[q.name]
	if !there {
		return nil, []string{"404"}
	}
	dst, existed := m[q.dst]
	up := parent(q.dst)
	upper := up == "/" || m[strings.TrimSuffix(up, "/")].collection
	var refused []string
	if q.name == q.dst || strings.HasPrefix(q.dst, q.name+"/") || strings.HasPrefix(q.name, q.dst+"/") {
		refused = append(refused, "403") // §9.8.5
	}
	if !upper {
		refused = append(refused, "409")
	}
	if existed && !q.overwrite {
		refused = append(refused, "412")
	}
	if dst.locked || q.method == "MOVE" && src.locked {
		refused = append(refused, "423")
	}
	if len(refused) > 0 {
		return nil, refused
	}
	next := m
	if existed {
		next = next.without(q.dst)
	}
	next = maps.Clone(next)
	for name, n := range m {
		if name == q.name || strings.HasPrefix(name, q.name+"/") {
			n.locked = false // §7.6
			next[q.dst+strings.TrimPrefix(name, q.name)] = n
		}
	}
	if q.method == "MOVE" {
		next = next.without(q.name)
	}
	if existed {
		return next, []string{"204"}
	}
	return next, []string{"201"}
}

func (m model207) with(name string, n node) model207 {
	next := maps.Clone(m)
	next[name] = n
	return next
}

// without leaves out a resource with its members.
func (m model207) without(name string) model207 {
	next := maps.Clone(m)
	maps.DeleteFunc(next, func(other string, _ node) bool { return other == name || strings.HasPrefix(other, name+"/") })
	return next
}

// TestSerialSearch makes sure that the search can fail.
func TestSerialSearch(t *testing.T) {
	at := func(q request, sent, answered int) *request {
		zero := time.Unix(0, 0)
		q.sent, q.answered = zero.Add(time.Duration(sent)), zero.Add(time.Duration(answered))
		return &q
	}
	put := func(value, seen string) request { return request{method: "PUT", name: "/a", value: value, seen: seen} }
	create := func(value, seen string) request {
		return request{method: "PUT", name: "/a", value: value, create: true, seen: seen}
	}
	read := func(seen string) request { return request{method: "GET", name: "/a", seen: seen} }
	move := func(seen string) request {
		return request{method: "MOVE", name: "/a", dst: "/b", overwrite: true, seen: seen}
	}
	for _, tt := range []struct {
		what   string
		before model207
		all    []*request
		after  model207
		found  bool
	}{
		{"two writers", model207{}, []*request{at(put("1", "201"), 0, 9), at(put("2", "204"), 0, 9)}, model207{"/a": {content: "2"}}, true},
		{"the other one wrote last", model207{}, []*request{at(put("1", "201"), 0, 9), at(put("2", "204"), 0, 9)}, model207{"/a": {content: "1"}}, false},
		{"nobody wrote", model207{}, []*request{at(put("1", "201"), 0, 9)}, model207{}, false},
		{"both created it", model207{}, []*request{at(create("1", "201"), 0, 9), at(create("2", "201"), 0, 9)}, model207{"/a": {content: "2"}}, false},
		{"one created it", model207{}, []*request{at(create("1", "412"), 0, 9), at(create("2", "201"), 0, 9)}, model207{"/a": {content: "2"}}, true},
		{"read before it was written", model207{}, []*request{at(read("200 1"), 0, 1), at(put("1", "201"), 2, 3)}, model207{"/a": {content: "1"}}, false},
		{"read after it was overwritten", model207{"/a": {content: "1"}}, []*request{at(put("2", "204"), 0, 1), at(read("200 1"), 2, 3)}, model207{"/a": {content: "2"}}, false},
		{"read while it was overwritten", model207{"/a": {content: "1"}}, []*request{at(put("2", "204"), 0, 2), at(read("200 1"), 1, 3)}, model207{"/a": {content: "2"}}, true},
		{"moved twice", model207{"/a": {}}, []*request{at(move("201"), 0, 9), at(move("201"), 0, 9)}, model207{"/b": {}}, false},
		{"its property stayed behind", model207{"/a": {colour: "1"}}, []*request{at(move("201"), 0, 9)}, model207{"/b": {}}, false},
		{"its lock came along", model207{"/a": {locked: true}}, []*request{at(move("201"), 0, 9)}, model207{"/b": {locked: true}}, false},
		{"a member stayed behind", model207{"/a": {collection: true}, "/a/x": {}}, []*request{at(move("201"), 0, 9)}, model207{"/a/x": {}, "/b": {collection: true}}, false},
	} {
		search := serialSearch{all: tt.all, want: tt.after.String(), failed: map[string]bool{}}
		if got := search.from(tt.before, 0); got != tt.found {
			t.Errorf("%s: an order was found: %v, want %v", tt.what, got, tt.found)
		}
	}
}
