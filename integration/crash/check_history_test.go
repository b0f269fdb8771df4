package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// found is the tree and the locks after a crash, below the collection of a history.
type found struct {
	tree  harness.Model
	locks map[string]held // by token
}

// durability is what a restart of the server must keep.
type durability struct {
	state bool          // dead properties and locks survive a restart
	late  time.Duration // a lock may be lost so long after the answer
}

// lockLate is the longest time until a lock is written. One that is not written is lost as a whole.
const lockLate = time.Second

// checkHistory compares the tree and the locks after the server was killed with the history. It
// returns the first name that is wrong and the problem, or "".
//
// The results of all answered requests must exist. The request without an answer must have happened
// as a whole or not at all; DELETE and COPY do so for each member. The properties of a copy may be
// missing, because they are written after the content: until then the copy has those of the
// resource that it replaced, or none.
func (l *history) checkHistory(f found, killed time.Time, k durability) (name, problem string) {
	before, after := l.tree, l.tree
	members := false
	if l.open != nil {
		after, _ = l.expect(l.open)
		members = l.open.Method == "DELETE" || l.open.Method == "COPY"
	}
	if !k.state {
		before, after = withoutProperties(before), withoutProperties(after)
	}
	names := maps.Clone(f.tree)
	maps.Copy(names, before)
	maps.Copy(names, after)
	same := map[string]bool{"as before": true, "as after": true}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		got, was, becomes := showNode(f.tree, name), showNode(before, name), showNode(after, name)
		may := []string{was, becomes}
		if n, there := after[name]; there && l.open != nil && l.open.Method == "COPY" {
			n.Colour = before[name].Colour
			may = append(may, showNode(harness.Model{name: n}, name))
		}
		if !slices.Contains(may, got) {
			return name, fmt.Sprintf("is %s, want %s", got, strings.Join(slices.Compact(may), " or "))
		}
		same["as before"] = same["as before"] && got == was
		same["as after"] = same["as after"] && got == becomes
	}
	if !members && !same["as before"] && !same["as after"] {
		return l.open.Name, "has half of the result of the request without an answer"
	}
	return l.checkLocks(f, killed, k)
}

func (l *history) checkLocks(f found, killed time.Time, k durability) (name, problem string) {
	var open op
	if l.open != nil {
		open = *l.open
	}
	recent := killed.Add(-k.late)
	for token, h := range f.locks {
		held, ended := l.locks[token], l.ended[token]
		switch {
		case !k.state:
			return h.root, "is locked, although locks end with the process"
		case held.root == h.root && held.deep == h.deep:
		case ended.root == h.root && ended.deep == h.deep && ended.when.After(recent):
		case open.Method == "LOCK" && open.Name == h.root && open.deep == h.deep:
		default:
			return h.root, fmt.Sprintf("has the lock %s (deep %v), which no client holds", token, h.deep)
		}
		for other, o := range f.locks {
			if other != token && h.covers(o.root) {
				return o.root, "has two locks that conflict"
			}
		}
	}
	for token, h := range l.locks {
		_, there := f.tree[h.root]
		_, kept := f.locks[token]
		ends := open.Method == "UNLOCK" && open.Token == token
		if k.state && there && !kept && !ends && h.when.Before(recent) {
			return h.root, fmt.Sprintf("has lost its lock %s, granted %v before the kill", token, killed.Sub(h.when))
		}
	}
	return "", ""
}

// adopt makes the tree and the locks that were found those of the history.
func (l *history) adopt(f found) {
	l.tree, l.locks, l.ended, l.open = f.tree, f.locks, map[string]held{}, nil
}

// TestCrashCheckHistory tests that checkHistory finds faults.
func TestCrashCheckHistory(t *testing.T) {
	killed := time.Unix(1000, 0)
	long, lately := killed.Add(-time.Minute), killed.Add(-time.Second/2)
	file := func(value, colour string) harness.Node { return harness.Node{Content: value, Colour: colour} }
	dir := harness.Node{Collection: true}
	old := harness.Model{"/a": file("1", "red"), "/b": dir, "/b/x": file("2", "blue"), "/b/y": file("3", "")}
	with := func(m harness.Model, name string, n harness.Node) harness.Model { return m.With(name, n) }
	put := harness.Request{Method: "PUT", Name: "/a", Value: "9"}
	move := harness.Request{Method: "MOVE", Name: "/b", Dst: "/c", Overwrite: true}
	moved := harness.Model{"/a": file("1", "red"), "/c": dir, "/c/x": file("2", "blue"), "/c/y": file("3", "")}
	over := harness.Request{Method: "MOVE", Name: "/b/x", Dst: "/a", Overwrite: true}
	copied := harness.Request{Method: "COPY", Name: "/b", Dst: "/c", Overwrite: true}
	copiedOver := harness.Request{Method: "COPY", Name: "/b/x", Dst: "/a", Overwrite: true}
	becomes := harness.Request{Method: "COPY", Name: "/b", Dst: "/a", Overwrite: true}
	set := harness.Request{Method: "PROPPATCH", Name: "/a", Value: "green"}
	durable := durability{state: true, late: lockLate}
	memory := durability{late: lockLate}
	for _, tt := range []struct {
		what  string
		open  *harness.Request
		after harness.Model
		keeps durability
		wrong string // the name
	}{
		{"nothing was asked, nothing happened", nil, old, durable, ""},
		{"a file is lost", nil, old.Without("/a"), durable, "/a"},
		{"a file has come", nil, with(old, "/c", file("7", "")), durable, "/c"},
		{"a collection became a file", nil, with(old.Without("/b"), "/b", file("", "")), durable, "/b"},
		{"properties are lost", nil, with(old, "/a", file("1", "")), durable, "/a"},
		{"properties live in memory", nil, withoutProperties(old), memory, ""},
		{"properties that should be gone", nil, old, memory, "/a"},
		{"PUT did not happen", &put, old, durable, ""},
		{"PUT happened", &put, with(old, "/a", file("9", "red")), durable, ""},
		{"PUT took the properties away", &put, with(old, "/a", file("9", "")), durable, "/a"},
		{"PUT was cut", &put, with(old, "/a", file("damaged: 1 bytes", "red")), durable, "/a"},
		{"PUT removed the file", &put, old.Without("/a"), durable, "/a"},
		{"PROPPATCH was mixed", &set, with(old, "/a", file("1", "damaged: [red green green]")), durable, "/a"},
		{"PROPPATCH happened", &set, with(old, "/a", file("1", "green")), durable, ""},
		{"MOVE happened", &move, moved, durable, ""},
		{"MOVE left a member", &move, with(with(moved.Without("/c/x"), "/b", dir), "/b/x", file("2", "blue")), durable, "/b"},
		{"MOVE lost a member", &move, moved.Without("/c/x"), durable, "/b"},
		{"MOVE lost the properties", &move, with(moved, "/c/x", file("2", "")), durable, "/c/x"},
		{"MOVE over a file kept the properties of that", &over, with(old.Without("/b/x"), "/a", file("2", "red")), durable, "/a"},
		{"MOVE left both", &over, with(old, "/a", file("2", "blue")), durable, "/b/x"},
		{"COPY was cut between two members", &copied, with(with(old, "/c", dir), "/c/x", file("2", "blue")), durable, ""},
		{"COPY was cut before the properties", &copied, with(with(old, "/c", dir), "/c/x", file("2", "")), durable, ""},
		{"COPY over a file was cut before the properties", &copiedOver, with(old, "/a", file("2", "red")), durable, ""},
		{"COPY over a file lost the properties", &copiedOver, with(old, "/a", file("2", "")), durable, "/a"},
		{"COPY of a collection over a file was cut", &becomes, with(old, "/a", dir), durable, ""},
		{"COPY of a collection over a file was cut before the properties", &becomes, with(old, "/a", harness.Node{Collection: true, Colour: "red"}), durable, ""},
		{"COPY of a collection over a file made properties up", &becomes, with(old, "/a", harness.Node{Collection: true, Colour: "blue"}), durable, "/a"},
		{"COPY was cut within a file", &copied, with(with(old, "/c", dir), "/c/x", file("damaged", "")), durable, "/c/x"},
		{"COPY took the source away", &copied, with(old.Without("/b/x"), "/c", dir), durable, "/b/x"},
		{"DELETE was cut", &harness.Request{Method: "DELETE", Name: "/b"}, old.Without("/b/x"), durable, ""},
		{"DELETE took the properties first", &harness.Request{Method: "DELETE", Name: "/b"}, with(old, "/b/x", file("2", "")), durable, "/b/x"},
		{"DELETE took a neighbour", &harness.Request{Method: "DELETE", Name: "/b"}, old.Without("/a"), durable, "/a"},
		{"a request that is refused did something", &harness.Request{Method: "MKCOL", Name: "/a"}, with(old, "/a", dir), durable, "/a"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			l := &history{tree: old}
			if tt.open != nil {
				l.open = &op{Request: *tt.open}
			}
			if name, problem := l.checkHistory(found{tree: tt.after}, killed, tt.keeps); name != tt.wrong {
				t.Errorf("%q %s, want the name %q", name, problem, tt.wrong)
			}
		})
	}
	a, deep := held{"/a", false, long}, held{"/b", true, long}
	for _, tt := range []struct {
		what  string
		held  map[string]held
		ended map[string]held
		open  *op
		found map[string]held
		keeps durability
		wrong string
	}{
		{"they are held", map[string]held{"1": a, "2": deep}, nil, nil, map[string]held{"1": {root: "/a"}, "2": {root: "/b", deep: true}}, durable, ""},
		{"one is lost", map[string]held{"1": a, "2": deep}, nil, nil, map[string]held{"1": {root: "/a"}}, durable, "/b"},
		{"one is another's", map[string]held{"1": a}, nil, nil, map[string]held{"2": {root: "/a"}}, durable, "/a"},
		{"one has another depth", map[string]held{"2": deep}, nil, nil, map[string]held{"2": {root: "/b"}}, durable, "/b"},
		{"one is lost that was granted just now", map[string]held{"1": {"/a", false, lately}}, nil, nil, nil, durable, ""},
		{"one that was granted just now, after a clean end", map[string]held{"1": {"/a", false, lately}}, nil, nil, nil, durability{state: true}, "/a"},
		{"one is back that ended just now", nil, map[string]held{"1": {"/a", false, lately}}, nil, map[string]held{"1": {root: "/a"}}, durable, ""},
		{"one is back that ended long ago", nil, map[string]held{"1": a}, nil, map[string]held{"1": {root: "/a"}}, durable, "/a"},
		{"LOCK was not answered", nil, nil, &op{Request: harness.Request{Method: "LOCK", Name: "/a"}}, map[string]held{"3": {root: "/a"}}, durable, ""},
		{"UNLOCK was not answered", map[string]held{"1": a}, nil, &op{Request: harness.Request{Method: "UNLOCK", Name: "/a", Token: "1"}}, nil, durable, ""},
		{"two exclude each other", map[string]held{"2": deep, "3": {"/b/x", false, long}}, nil, nil,
			map[string]held{"2": {root: "/b", deep: true}, "3": {root: "/b/x"}}, durable, "/b/x"},
		{"they live in memory", map[string]held{"1": a}, nil, nil, nil, memory, ""},
		{"they should be gone", map[string]held{"1": a}, nil, nil, map[string]held{"1": {root: "/a"}}, memory, "/a"},
	} {
		t.Run("locks: "+tt.what, func(t *testing.T) {
			l := &history{tree: old, locks: tt.held, ended: tt.ended, open: tt.open}
			tree := old
			if !tt.keeps.state {
				tree = withoutProperties(old)
			}
			if name, problem := l.checkHistory(found{tree, tt.found}, killed, tt.keeps); name != tt.wrong {
				t.Errorf("%q %s, want the name %q", name, problem, tt.wrong)
			}
		})
	}
}
