package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davtest"
)

// THE 207 MATRIX: what each method answers, and what it leaves, when one resource fails it.
//
// A cell is a method with its depth, a tree, and one fault: a resource, what cannot be done with
// it, and why. The tests run every fault on every resource, also where the method has no use for
// what fails: then nothing must fail. What is to come of a cell is foretold by a model
// (model_test.go and the file of the method), which is the RFC spelled out on a map of names: it
// knows nothing of the server, and no code of the server is called to get an expectation. Compared
// are the whole answer, each href with its status and condition and nothing else, and the whole
// tree with the contents of all files.
//
// No cells are there, since they make no sense, for
//   - a member of the destination: PROPFIND, PROPPATCH, DELETE, LOCK have none;
//   - the depths 0 and 1 of DELETE and MOVE, 1 of COPY and LOCK: the request is refused whatever
//     its members are (testdata/rules), and PROPPATCH has no depth;
//   - what vanishes while it is created, written or committed: nothing is there yet;
//   - a lock on what does not exist, for LOCK would create it.

func grow(names ...string) harness.Tree {
	w := harness.Tree{"/": ""}
	for _, name := range names {
		w[name] = name
		if strings.HasSuffix(name, "/") {
			w[name] = ""
		}
		for p := harness.Parent(name); p != "/"; p = harness.Parent(p) {
			w[p] = ""
		}
	}
	return w
}

// fault is one thing that cannot be done with one resource.
type fault struct {
	name  string // the resource
	kind  string // what cannot be done
	cause string // why, one of the causes of the issue
	err   error  // what the file system says
}

// The kinds of faults. Those that are not here are operations of the file system.
const (
	protected  = "protected"  // the policy refuses every change
	unreadable = "unreadable" // the policy refuses reading
	locked     = "locked"     // by somebody whose token is not submitted, with depth infinity
	lockedFlat = "locked with depth 0"
	look       = "look"    // it is listed, and cannot be looked at
	foresee    = "foresee" // it cannot be removed, and the file system knows that beforehand
)

// operations are the kinds of faults that come from the file system.
var operations = map[string]faultfs.Op{
	look: faultfs.Stat, "open": faultfs.Open, "list": faultfs.Readdir, "read": faultfs.Read,
	"create": faultfs.Create, "write": faultfs.Write, "commit": faultfs.Commit, "mkdir": faultfs.Mkdir,
	"remove": faultfs.Remove, "rename": faultfs.Rename,
}

// The causes of the issue.
const (
	permission = "permission"
	isLocked   = "locked"
	noSpace    = "no space"
	ioError    = "I/O error"
	vanished   = "vanished"
)

// faults returns every fault that a resource can have. One that vanishes does so when it is first
// looked at, opened, listed, read, removed or renamed: the operation finds it gone, and so does
// everybody after it.
func faults(name string) []fault {
	out := []fault{
		{name, protected, permission, nil}, {name, unreadable, permission, nil},
		{name, locked, isLocked, nil}, {name, lockedFlat, isLocked, nil},
	}
	for _, kind := range slices.Sorted(maps.Keys(operations)) {
		out = append(out, fault{name, kind, permission, syscall.EACCES}, fault{name, kind, noSpace, syscall.ENOSPC},
			fault{name, kind, ioError, syscall.EIO})
		switch kind {
		case look, "open", "list", "read", "remove", "rename":
			out = append(out, fault{name, kind, vanished, syscall.ENOENT})
		}
	}
	return out
}

func (f fault) String() string {
	return fmt.Sprintf("%s: %s, %s", f.name, f.kind, f.cause)
}

// outcome is what the resource gets in the answer: its status and condition.
func (f fault) outcome() string {
	switch f.cause {
	case isLocked:
		return "423 lock-token-submitted(" + f.name + ")" // §7.5, §16
	case noSpace:
		return "507 sufficient-disk-space" // RFC 4331 §6
	case ioError:
		return "500"
	case vanished:
		return "404"
	}
	return "403"
}

// href is how the answer names the resource: what cannot be looked at may be a collection or not.
func (f fault) href(name string) string {
	if f.kind == look {
		return strings.TrimSuffix(name, "/")
	}
	return name
}

// cell is one test of the matrix: a server that has a tree and a fault.
type cell struct {
	srv   *davtest.Server
	rules *harness.Rules
}

// newCell builds the tree w, lets the fault in, and the policy where it needs one.
func newCell(t *testing.T, w harness.Tree, f fault) *cell {
	t.Helper()
	c := &cell{rules: &harness.Rules{}}
	opts := &server.Options{}
	if f.kind == protected || f.kind == unreadable {
		opts.Policy = c.rules
	}
	c.srv = davtest.NewServer(t, opts)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if name != "/" {
			c.srv.Put(name)
		}
	}
	c.install(t, f)
	return c
}

func (c *cell) install(t *testing.T, f fault) {
	t.Helper()
	switch f.kind {
	case "":
	case protected:
		for _, privilege := range []string{"bind", "unbind", "write-content", "write-properties"} {
			if err := c.rules.Add("deny " + privilege + " " + f.name); err != nil {
				t.Fatal(err)
			}
		}
	case unreadable:
		if err := c.rules.Add("deny read " + f.name); err != nil {
			t.Fatal(err)
		}
	case locked:
		c.srv.Lock(f.name)
	case lockedFlat:
		c.srv.Lock(f.name, "Depth: 0")
	case foresee:
		c.srv.Files.Fail(faultfs.Foresee, f.name, harness.PathError(f.name, f.err))
		c.srv.Files.Fail(faultfs.Remove, f.name, harness.PathError(f.name, f.err))
	default:
		rule := c.srv.Files.Fail(operations[f.kind], f.name, harness.PathError(f.name, f.err))
		if f.cause == vanished {
			rule.Times(1).Do(func(context.Context) { c.srv.Remove(f.name) })
		}
	}
}

// check holds the answer and the tree against the model.
func (c *cell) check(t *testing.T, got *davtest.Response, want string, w harness.Tree) {
	t.Helper()
	if g := harness.SortResponses(got.String()); g != want {
		t.Errorf("answer\n got %s\nwant %s", g, want)
	}
	if g := harness.TreeOf(c.srv).String(); g != w.String() {
		t.Errorf("tree left\n got %s\nwant %s", g, w)
	}
}
