package concurrency

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"dav207/integration/harness"
)

// serialSearch searches for an order of requests in which the model gives the answers seen.
type serialSearch struct {
	all    []*harness.Request
	want   string          // the tree after all requests
	failed map[string]bool // dead ends: the requests done, and the tree
}

// search reports whether the requests that are not done can follow on the tree m.
func (s *serialSearch) search(m harness.Model, done uint) bool {
	if done == 1<<len(s.all)-1 {
		return m.String() == s.want
	}
	here := m.String()
	key := strconv.FormatUint(uint64(done), 36) + " " + here
	if s.failed[key] {
		return false
	}
	for i, q := range s.all {
		if done&(1<<i) != 0 || !s.mayBeNext(q, done) {
			continue
		}
		next, seen := m.Apply(q)
		if !slices.Contains(seen, q.Seen) {
			continue
		}
		if next == nil { // it changes nothing, so its place in the order does not matter
			return s.search(m, done|1<<i)
		}
		if s.search(next, done|1<<i) {
			return true
		}
	}
	s.failed[key] = true
	return false
}

// mayBeNext reports whether q may be the next in the order: no other request that is not done was
// answered before q was sent.
func (s *serialSearch) mayBeNext(q *harness.Request, done uint) bool {
	for i, other := range s.all {
		if done&(1<<i) == 0 && other != q && other.Answered.Before(q.Sent) {
			return false
		}
	}
	return true
}

// TestLinearizabilitySearch makes sure that the search can fail.
func TestLinearizabilitySearch(t *testing.T) {
	at := func(q harness.Request, sent, answered int) *harness.Request {
		zero := time.Unix(0, 0)
		q.Sent, q.Answered = zero.Add(time.Duration(sent)), zero.Add(time.Duration(answered))
		return &q
	}
	put := func(value, seen string) harness.Request {
		return harness.Request{Method: "PUT", Name: "/a", Value: value, Seen: seen}
	}
	create := func(value, seen string) harness.Request {
		return harness.Request{Method: "PUT", Name: "/a", Value: value, Create: true, Seen: seen}
	}
	read := func(seen string) harness.Request { return harness.Request{Method: "GET", Name: "/a", Seen: seen} }
	move := func(seen string) harness.Request {
		return harness.Request{Method: "MOVE", Name: "/a", Dst: "/b", Overwrite: true, Seen: seen}
	}
	for _, tt := range []struct {
		what   string
		before harness.Model
		all    []*harness.Request
		after  harness.Model
		found  bool
	}{
		{"two writers", harness.Model{}, []*harness.Request{at(put("1", "201"), 0, 9), at(put("2", "204"), 0, 9)}, harness.Model{"/a": {Content: "2"}}, true},
		{"the other one wrote last", harness.Model{}, []*harness.Request{at(put("1", "201"), 0, 9), at(put("2", "204"), 0, 9)}, harness.Model{"/a": {Content: "1"}}, false},
		{"nobody wrote", harness.Model{}, []*harness.Request{at(put("1", "201"), 0, 9)}, harness.Model{}, false},
		{"both created it", harness.Model{}, []*harness.Request{at(create("1", "201"), 0, 9), at(create("2", "201"), 0, 9)}, harness.Model{"/a": {Content: "2"}}, false},
		{"one created it", harness.Model{}, []*harness.Request{at(create("1", "412"), 0, 9), at(create("2", "201"), 0, 9)}, harness.Model{"/a": {Content: "2"}}, true},
		{"read before it was written", harness.Model{}, []*harness.Request{at(read("200 1"), 0, 1), at(put("1", "201"), 2, 3)}, harness.Model{"/a": {Content: "1"}}, false},
		{"read after it was overwritten", harness.Model{"/a": {Content: "1"}}, []*harness.Request{at(put("2", "204"), 0, 1), at(read("200 1"), 2, 3)}, harness.Model{"/a": {Content: "2"}}, false},
		{"read while it was overwritten", harness.Model{"/a": {Content: "1"}}, []*harness.Request{at(put("2", "204"), 0, 2), at(read("200 1"), 1, 3)}, harness.Model{"/a": {Content: "2"}}, true},
		{"moved twice", harness.Model{"/a": {}}, []*harness.Request{at(move("201"), 0, 9), at(move("201"), 0, 9)}, harness.Model{"/b": {}}, false},
		{"its property stayed behind", harness.Model{"/a": {Colour: "1"}}, []*harness.Request{at(move("201"), 0, 9)}, harness.Model{"/b": {}}, false},
		{"its lock came along", harness.Model{"/a": {Locked: true}}, []*harness.Request{at(move("201"), 0, 9)}, harness.Model{"/b": {Locked: true}}, false},
		{"a member stayed behind", harness.Model{"/a": {Collection: true}, "/a/x": {}}, []*harness.Request{at(move("201"), 0, 9)}, harness.Model{"/a/x": {}, "/b": {Collection: true}}, false},
	} {
		search := serialSearch{all: tt.all, want: tt.after.String(), failed: map[string]bool{}}
		if got := search.search(tt.before, 0); got != tt.found {
			t.Errorf("%s: an order was found: %v, want %v", tt.what, got, tt.found)
		}
	}
}
