package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// found is what is there after a crash, below the collection of a ledger.
type found struct {
	tree  model207
	locks map[string]held // by token
}

// keeps says what the state file of a server is to keep.
type keeps struct {
	state bool          // dead properties and locks survive a restart
	late  time.Duration // how long after the answer a lock may still be lost
}

// lockLate is how late locks may be written: one that is lost is lost cleanly.
const lockLate = time.Second

// judge says what is wrong with what was found after the server was killed, and with which name; "" for nothing.
//
// All that was answered is there. The request that was not answered happened as a whole or not at all; but DELETE and COPY go
// member by member, each of which is as it was or as it was to be. Of a copy the properties come after the content: until then it
// has those of what it replaced, or none.
func (l *ledger) judge(f found, killed time.Time, k keeps) (name, problem string) {
	before, after := l.tree, l.tree
	members := false
	if l.open != nil {
		after, _ = l.expect(l.open)
		members = l.open.method == "DELETE" || l.open.method == "COPY"
	}
	if !k.state {
		before, after = before.withoutProperties(), after.withoutProperties()
	}
	names := maps.Clone(f.tree)
	maps.Copy(names, before)
	maps.Copy(names, after)
	same := map[string]bool{"as before": true, "as after": true}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		got, was, becomes := f.tree.show(name), before.show(name), after.show(name)
		may := []string{was, becomes}
		if n, there := after[name]; there && l.open != nil && l.open.method == "COPY" {
			n.colour = before[name].colour
			may = append(may, model207{name: n}.show(name))
		}
		if !slices.Contains(may, got) {
			return name, fmt.Sprintf("is %s, want %s", got, strings.Join(slices.Compact(may), " or "))
		}
		same["as before"] = same["as before"] && got == was
		same["as after"] = same["as after"] && got == becomes
	}
	if !members && !same["as before"] && !same["as after"] {
		return l.open.name, "has half of what was asked for"
	}
	return l.judgeLocks(f, killed, k)
}

func (l *ledger) judgeLocks(f found, killed time.Time, k keeps) (name, problem string) {
	var open deed
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
		case open.method == "LOCK" && open.name == h.root && open.deep == h.deep:
		default:
			return h.root, fmt.Sprintf("is locked by %s (deep %v), which nobody holds", token, h.deep)
		}
		for other, o := range f.locks {
			if other != token && h.covers(o.root) {
				return o.root, "is locked by two who exclude each other"
			}
		}
	}
	for token, h := range l.locks {
		_, there := f.tree[h.root]
		_, kept := f.locks[token]
		ends := open.method == "UNLOCK" && open.token == token
		if k.state && there && !kept && !ends && h.when.Before(recent) {
			return h.root, fmt.Sprintf("has lost its lock %s, granted %v before", token, killed.Sub(h.when))
		}
	}
	return "", ""
}

// adopt goes on with what was found.
func (l *ledger) adopt(f found) {
	l.tree, l.locks, l.ended, l.open = f.tree, f.locks, map[string]held{}, nil
}

// show writes down what is at a name.
func (m model207) show(name string) string {
	n, there := m[name]
	s := "a collection"
	if !n.collection {
		s = fmt.Sprintf("a file %q", n.content)
	}
	if !there {
		return "not there"
	}
	if n.colour != "" {
		s += fmt.Sprintf(" with properties %q", n.colour)
	}
	return s
}

func (m model207) withoutProperties() model207 {
	next := maps.Clone(m)
	for name, n := range next {
		n.colour = ""
		next[name] = n
	}
	return next
}

// TestCrashJudge makes sure that the judge can find fault.
func TestCrashJudge(t *testing.T) {
	killed := time.Unix(1000, 0)
	long, lately := killed.Add(-time.Minute), killed.Add(-time.Second/2)
	file := func(value, colour string) node { return node{content: value, colour: colour} }
	dir := node{collection: true}
	old := model207{"/a": file("1", "red"), "/b": dir, "/b/x": file("2", "blue"), "/b/y": file("3", "")}
	with := func(m model207, name string, n node) model207 { return m.with(name, n) }
	put := request{method: "PUT", name: "/a", value: "9"}
	move := request{method: "MOVE", name: "/b", dst: "/c", overwrite: true}
	moved := model207{"/a": file("1", "red"), "/c": dir, "/c/x": file("2", "blue"), "/c/y": file("3", "")}
	over := request{method: "MOVE", name: "/b/x", dst: "/a", overwrite: true}
	copied := request{method: "COPY", name: "/b", dst: "/c", overwrite: true}
	copiedOver := request{method: "COPY", name: "/b/x", dst: "/a", overwrite: true}
	becomes := request{method: "COPY", name: "/b", dst: "/a", overwrite: true}
	set := request{method: "PROPPATCH", name: "/a", value: "green"}
	durable := keeps{state: true, late: lockLate}
	memory := keeps{late: lockLate}
	for _, tt := range []struct {
		what  string
		open  *request
		after model207
		keeps keeps
		wrong string // the name
	}{
		{"nothing was asked, nothing happened", nil, old, durable, ""},
		{"a file is lost", nil, old.without("/a"), durable, "/a"},
		{"a file has come", nil, with(old, "/c", file("7", "")), durable, "/c"},
		{"a collection became a file", nil, with(old.without("/b"), "/b", file("", "")), durable, "/b"},
		{"properties are lost", nil, with(old, "/a", file("1", "")), durable, "/a"},
		{"properties live in memory", nil, old.withoutProperties(), memory, ""},
		{"properties that should be gone", nil, old, memory, "/a"},
		{"PUT did not happen", &put, old, durable, ""},
		{"PUT happened", &put, with(old, "/a", file("9", "red")), durable, ""},
		{"PUT took the properties away", &put, with(old, "/a", file("9", "")), durable, "/a"},
		{"PUT was cut", &put, with(old, "/a", file("damaged: 1 bytes", "red")), durable, "/a"},
		{"PUT removed the file", &put, old.without("/a"), durable, "/a"},
		{"PROPPATCH was mixed", &set, with(old, "/a", file("1", "damaged: [red green green]")), durable, "/a"},
		{"PROPPATCH happened", &set, with(old, "/a", file("1", "green")), durable, ""},
		{"MOVE happened", &move, moved, durable, ""},
		{"MOVE left a member", &move, with(with(moved.without("/c/x"), "/b", dir), "/b/x", file("2", "blue")), durable, "/b"},
		{"MOVE lost a member", &move, moved.without("/c/x"), durable, "/b"},
		{"MOVE lost the properties", &move, with(moved, "/c/x", file("2", "")), durable, "/c/x"},
		{"MOVE over a file kept the properties of that", &over, with(old.without("/b/x"), "/a", file("2", "red")), durable, "/a"},
		{"MOVE left both", &over, with(old, "/a", file("2", "blue")), durable, "/b/x"},
		{"COPY was cut between two members", &copied, with(with(old, "/c", dir), "/c/x", file("2", "blue")), durable, ""},
		{"COPY was cut before the properties", &copied, with(with(old, "/c", dir), "/c/x", file("2", "")), durable, ""},
		{"COPY over a file was cut before the properties", &copiedOver, with(old, "/a", file("2", "red")), durable, ""},
		{"COPY over a file lost the properties", &copiedOver, with(old, "/a", file("2", "")), durable, "/a"},
		{"COPY of a collection over a file was cut", &becomes, with(old, "/a", dir), durable, ""},
		{"COPY of a collection over a file was cut before the properties", &becomes, with(old, "/a", node{collection: true, colour: "red"}), durable, ""},
		{"COPY of a collection over a file made properties up", &becomes, with(old, "/a", node{collection: true, colour: "blue"}), durable, "/a"},
		{"COPY was cut within a file", &copied, with(with(old, "/c", dir), "/c/x", file("damaged", "")), durable, "/c/x"},
		{"COPY took the source away", &copied, with(old.without("/b/x"), "/c", dir), durable, "/b/x"},
		{"DELETE was cut", &request{method: "DELETE", name: "/b"}, old.without("/b/x"), durable, ""},
		{"DELETE took the properties first", &request{method: "DELETE", name: "/b"}, with(old, "/b/x", file("2", "")), durable, "/b/x"},
		{"DELETE took a neighbour", &request{method: "DELETE", name: "/b"}, old.without("/a"), durable, "/a"},
		{"a request that is refused did something", &request{method: "MKCOL", name: "/a"}, with(old, "/a", dir), durable, "/a"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			l := &ledger{tree: old}
			if tt.open != nil {
				l.open = &deed{request: *tt.open}
			}
			if name, problem := l.judge(found{tree: tt.after}, killed, tt.keeps); name != tt.wrong {
				t.Errorf("%q %s, want the name %q", name, problem, tt.wrong)
			}
		})
	}
	a, deep := held{"/a", false, long}, held{"/b", true, long}
	for _, tt := range []struct {
		what  string
		held  map[string]held
		ended map[string]held
		open  *deed
		found map[string]held
		keeps keeps
		wrong string
	}{
		{"they are held", map[string]held{"1": a, "2": deep}, nil, nil, map[string]held{"1": {root: "/a"}, "2": {root: "/b", deep: true}}, durable, ""},
		{"one is lost", map[string]held{"1": a, "2": deep}, nil, nil, map[string]held{"1": {root: "/a"}}, durable, "/b"},
		{"one is another's", map[string]held{"1": a}, nil, nil, map[string]held{"2": {root: "/a"}}, durable, "/a"},
		{"one has another depth", map[string]held{"2": deep}, nil, nil, map[string]held{"2": {root: "/b"}}, durable, "/b"},
		{"one is lost that was granted just now", map[string]held{"1": {"/a", false, lately}}, nil, nil, nil, durable, ""},
		{"one that was granted just now, after a clean end", map[string]held{"1": {"/a", false, lately}}, nil, nil, nil, keeps{state: true}, "/a"},
		{"one is back that ended just now", nil, map[string]held{"1": {"/a", false, lately}}, nil, map[string]held{"1": {root: "/a"}}, durable, ""},
		{"one is back that ended long ago", nil, map[string]held{"1": a}, nil, map[string]held{"1": {root: "/a"}}, durable, "/a"},
		{"LOCK was not answered", nil, nil, &deed{request: request{method: "LOCK", name: "/a"}}, map[string]held{"3": {root: "/a"}}, durable, ""},
		{"UNLOCK was not answered", map[string]held{"1": a}, nil, &deed{request: request{method: "UNLOCK", name: "/a", token: "1"}}, nil, durable, ""},
		{"two exclude each other", map[string]held{"2": deep, "3": {"/b/x", false, long}}, nil, nil,
			map[string]held{"2": {root: "/b", deep: true}, "3": {root: "/b/x"}}, durable, "/b/x"},
		{"they live in memory", map[string]held{"1": a}, nil, nil, nil, memory, ""},
		{"they should be gone", map[string]held{"1": a}, nil, nil, map[string]held{"1": {root: "/a"}}, memory, "/a"},
	} {
		t.Run("locks: "+tt.what, func(t *testing.T) {
			l := &ledger{tree: old, locks: tt.held, ended: tt.ended, open: tt.open}
			tree := old
			if !tt.keeps.state {
				tree = old.withoutProperties()
			}
			if name, problem := l.judge(found{tree, tt.found}, killed, tt.keeps); name != tt.wrong {
				t.Errorf("%q %s, want the name %q", name, problem, tt.wrong)
			}
		})
	}
}
