package faultfs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"dav207/server/davpath"
)

// Op is a kind of operation that can be made to fail.
type Op string

const (
	Stat    Op = "stat"    // Stat and Lstat, also of an open directory for its member
	Open    Op = "open"    // Open and OpenDir, and the source of CopyFile
	Read    Op = "read"    // Read of an open file, and the source of CopyFile
	Readdir Op = "readdir" // Names of an open directory
	Create  Op = "create"  // Create, and CopyFile under either name
	Write   Op = "write"   // Write of an upload, after some of the bytes were written, and CopyFile under either name
	Commit  Op = "commit"  // Commit of an upload, which is then discarded, and CopyFile under either name
	Mkdir   Op = "mkdir"
	Remove  Op = "remove"
	Rename  Op = "rename" // under the old name or the new one
	// Undeletable is a member that the method of that name yields. To make its removal fail takes a
	// Remove rule.
	Undeletable Op = "undeletable"
	SetModTime  Op = "setmodtime"
	Usage       Op = "usage"
)

var ops = []Op{Stat, Open, Read, Readdir, Create, Write, Commit, Mkdir, Remove, Rename, Undeletable, SetModTime, Usage}

// parsePattern returns the name of a rule without a slash at its end, or an error if no resource
// can have it.
func parsePattern(name string) (string, error) {
	if name != "/" {
		name = strings.TrimSuffix(name, "/")
	}
	whole := name
	if dir, last := path.Split(name); last == "*" || last == "**" {
		whole = dir + "x"
	}
	if strings.Contains(whole, "*") {
		return "", errors.New("* and ** stand for a whole last segment")
	}
	p, err := davpath.Clean(whole)
	if err == nil && p.String() != whole {
		err = fmt.Errorf("it is not canonical, as %q is", p)
	}
	return name, err
}

// Rule makes one kind of operation fail for the resources of one name. Its methods return the rule
// and are safe for concurrent use. A second call of a method replaces the effect of the first.
type Rule struct {
	mu    *sync.Mutex
	op    Op
	name  string
	err   error
	hook  func(context.Context)
	nth   int // 0: every call
	after int
	times int // 0: no limit
	calls int
	fired int
}

// Nth makes only the n-th call fail, counted from 1.
func (r *Rule) Nth(n int) *Rule { return r.count(&r.nth, n) }

// After makes the first n calls succeed.
func (r *Rule) After(n int) *Rule { return r.count(&r.after, n) }

// Times makes the rule fire at most n times.
func (r *Rule) Times(n int) *Rule { return r.count(&r.times, n) }

// Do calls f whenever the rule fires, before the error is returned: to wait, to cancel, to change
// the tree. With a nil error the operation then goes on. f must not call the operation of its own
// rule without end.
func (r *Rule) Do(f func(context.Context)) *Rule { return r.set(func() { r.hook = f }) }

// Calls returns how many operations matched, whether they failed or not.
func (r *Rule) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func (r *Rule) count(to *int, n int) *Rule {
	if n < 0 {
		panic(fmt.Sprintf("faultfs: %d calls of %s %s", n, r.op, r.name))
	}
	return r.set(func() { *to = n })
}

func (r *Rule) set(f func()) *Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	return r
}

// matches reports whether the rule is for p. A last segment "*" matches every member of a
// collection, "**" everything below it.
func (r *Rule) matches(p davpath.Path) bool {
	name, dir, last := p.String(), path.Dir(r.name), path.Base(r.name)
	return name == r.name || last == "**" && below(dir, name) || last == "*" && name != "/" && path.Dir(name) == dir
}

// mayMatchBelow reports whether the rule is, or may be, for something below p.
func (r *Rule) mayMatchBelow(p davpath.Path) bool {
	return below(p.String(), r.name) || path.Base(r.name) == "**" && below(path.Dir(r.name), p.String())
}

// exhausted reports whether the rule never fails another call.
func (r *Rule) exhausted() bool {
	return r.err == nil || r.times > 0 && r.fired >= r.times || r.nth > 0 && r.calls >= r.nth
}

// fires counts a call and reports whether the rule fires.
func (r *Rule) fires() bool {
	r.calls++
	if r.nth > 0 && r.calls != r.nth || r.calls <= r.after || r.times > 0 && r.fired >= r.times {
		return false
	}
	r.fired++
	return true
}

// below reports whether name lies below the collection base.
func below(base, name string) bool {
	return name != "/" && strings.HasPrefix(name, strings.TrimSuffix(base, "/")+"/")
}
