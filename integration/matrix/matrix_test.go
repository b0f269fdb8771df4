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

// THE 207 MATRIX: what each method answers, and which tree it leaves, if one resource fails.
//
// A cell is a method with its depth, a tree, and one fault: a resource, an operation on it, and the
// error. The tests run every fault on every resource, also if the method does not use the
// operation: then the request must succeed. The expectation comes from a model (model_test.go and
// the file of the method), which is the RFC on a map of names and calls no code of the server. The
// tests compare the whole answer, that is each href with its status and condition and nothing else,
// and the whole tree with the contents of all files.
//
// There are no cells, because they make no sense, for
//   - a member of the destination: PROPFIND, PROPPATCH, DELETE, LOCK have none;
//   - the depths 0 and 1 of DELETE and MOVE, 1 of COPY and LOCK: the request is refused whatever
//     its members are (testdata/rules), and PROPPATCH has no depth;
//   - a resource that vanishes while it is created, written or committed: it does not exist yet;
//   - a lock on an unmapped URL, for LOCK would create the resource.

func newTree(names ...string) harness.Tree {
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

// fault is one operation that fails on one resource.
type fault struct {
	name  string // the resource
	kind  string // the operation
	cause string // why it fails, one of the causes below
	err   error  // what the file system returns
}

// The kinds of faults that are not operations of the file system, and two that are.
const (
	protected   = "protected"  // the policy refuses every change
	unreadable  = "unreadable" // the policy refuses reading
	locked      = "locked"     // with depth infinity; the request does not submit the token
	lockedFlat  = "locked with depth 0"
	stat        = "stat"        // it is listed, but stat fails
	undeletable = "undeletable" // it cannot be removed, and the file system reports that beforehand
)

// operations maps the kinds of faults that come from the file system to its operations.
var operations = map[string]faultfs.Op{
	stat: faultfs.Stat, "open": faultfs.Open, "list": faultfs.Readdir, "read": faultfs.Read,
	"create": faultfs.Create, "write": faultfs.Write, "commit": faultfs.Commit, "mkdir": faultfs.Mkdir,
	"remove": faultfs.Remove, "rename": faultfs.Rename,
}

// The causes of faults.
const (
	permission = "permission"
	isLocked   = "locked"
	noSpace    = "no space"
	ioError    = "I/O error"
	vanished   = "vanished"
)

// faults returns every fault that a resource can have. A resource that vanishes does so in its
// first stat, open, readdir, read, remove or rename: this operation and all later ones return
// ErrNotExist.
func faults(name string) []fault {
	out := []fault{
		{name, protected, permission, nil}, {name, unreadable, permission, nil},
		{name, locked, isLocked, nil}, {name, lockedFlat, isLocked, nil},
	}
	for _, kind := range slices.Sorted(maps.Keys(operations)) {
		out = append(out, fault{name, kind, permission, syscall.EACCES}, fault{name, kind, noSpace, syscall.ENOSPC},
			fault{name, kind, ioError, syscall.EIO})
		switch kind {
		case stat, "open", "list", "read", "remove", "rename":
			out = append(out, fault{name, kind, vanished, syscall.ENOENT})
		}
	}
	return out
}

func (f fault) String() string {
	return fmt.Sprintf("%s: %s, %s", f.name, f.kind, f.cause)
}

// outcome returns the status and condition that the answer has for the resource.
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

// href returns the name of the resource in the answer. If stat fails it has no trailing slash,
// because the server does not know that it is a collection.
func (f fault) href(name string) string {
	if f.kind == stat {
		return strings.TrimSuffix(name, "/")
	}
	return name
}

// cell is one test of the matrix: a server with a tree and a fault.
type cell struct {
	srv   *davtest.Server
	rules *harness.Rules
}

// newCell starts a server with the tree w and the fault, and a policy if the fault needs one.
func newCell(t *testing.T, w harness.Tree, f fault) *cell {
	t.Helper()
	c := &cell{rules: &harness.Rules{}}
	opts := &server.Options{}
	if f.kind == protected || f.kind == unreadable {
		opts.Policy = c.rules
	}
	c.srv = harness.NewServer(t, opts)
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
	case undeletable:
		c.srv.Files.Fail(faultfs.Undeletable, f.name, harness.PathError(f.name, f.err))
		c.srv.Files.Fail(faultfs.Remove, f.name, harness.PathError(f.name, f.err))
	default:
		rule := c.srv.Files.Fail(operations[f.kind], f.name, harness.PathError(f.name, f.err))
		if f.cause == vanished {
			rule.Times(1).Do(func(context.Context) { c.srv.Remove(f.name) })
		}
	}
}

// check compares the answer and the tree that is left with those of the model.
func (c *cell) check(t *testing.T, got *davtest.Response, want string, w harness.Tree) {
	t.Helper()
	if g := harness.SortResponses(got.String()); g != want {
		t.Errorf("answer\n got %s\nwant %s", g, want)
	}
	if g := harness.TreeOf(c.srv).String(); g != w.String() {
		t.Errorf("tree left\n got %s\nwant %s", g, w)
	}
}
