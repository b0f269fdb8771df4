package faultfs

import (
	"context"
	"strings"
	"sync"
)

// Op is a kind of operation that can be made to fail.
type Op string

const (
	Stat    Op = "stat"    // Stat, Lstat, and Lstat of an open directory for its member
	Open    Op = "open"    // OpenFile for reading
	Read    Op = "read"    // Read of an open file
	Readdir Op = "readdir" // Readdir and Readdirnames of an open directory
	Create  Op = "create"  // OpenFile for writing, and Stage
	Write   Op = "write"   // Write of an open or staged file, after some of the bytes were written
	Commit  Op = "commit"  // commit of a staged file, which is then discarded
	Mkdir   Op = "mkdir"
	Remove  Op = "remove" // Remove and RemoveAll
	// Foresee is what Unremovable tells of a member before anything is tried; the removal itself needs a rule of its own.
	Foresee Op = "foresee"
	Rename  Op = "rename" // under the old name or the new one
	Chtimes Op = "chtimes"
	Space   Op = "space"
)

// Rule makes one kind of operation fail for the resources of one name. Its methods return it again and may be called
// at any time; each replaces what an earlier call of the same method said.
type Rule struct {
	mu    *sync.Mutex
	op    Op
	name  string
	err   error
	hook  func(context.Context)
	nth   int // 0: not only one
	after int
	times int // 0: without end
	calls int
	fired int
}

// Nth makes only the n-th call fail, counted from 1 since the rule was made.
func (r *Rule) Nth(n int) *Rule { return r.set(func() { r.nth = n }) }

// After lets the first n calls succeed.
func (r *Rule) After(n int) *Rule { return r.set(func() { r.after = n }) }

// Times lets the rule fire at most n times.
func (r *Rule) Times(n int) *Rule { return r.set(func() { r.times = n }) }

// Do has f called whenever the rule fires, before the error is returned: to wait, to cancel, to change the tree. With a
// nil error the operation then goes on. f must not use the operation that its own rule is for without end.
func (r *Rule) Do(f func(context.Context)) *Rule { return r.set(func() { r.hook = f }) }

// Calls returns how many operations matched, whether they failed or not.
func (r *Rule) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func (r *Rule) set(f func()) *Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	return r
}

// matches reports whether the rule is for name. A last segment "*" stands for every member of a collection, and "**"
// for everything below it.
func (r *Rule) matches(name string) bool {
	if r.name == name {
		return true
	}
	if base, ok := strings.CutSuffix(r.name, "/**"); ok {
		return below(base, name)
	}
	if base, ok := strings.CutSuffix(r.name, "/*"); ok {
		return below(base, name) && strings.LastIndexByte(name, '/') == len(base)
	}
	return false
}

// reaches reports whether the rule is, or may be, for something below name.
func (r *Rule) reaches(name string) bool {
	base, all := strings.CutSuffix(r.name, "/**")
	return below(name, r.name) || all && below(base, name)
}

func (r *Rule) pattern() bool {
	return strings.HasSuffix(r.name, "/*") || strings.HasSuffix(r.name, "/**")
}

// spent reports whether the rule will never fire again.
func (r *Rule) spent() bool {
	return r.err == nil || r.times > 0 && r.fired >= r.times || r.nth > 0 && r.calls >= r.nth
}

// take counts a call and reports whether the rule fires.
func (r *Rule) take() bool {
	r.calls++
	switch {
	case r.nth > 0 && r.calls != r.nth, r.calls <= r.after, r.times > 0 && r.fired >= r.times:
		return false
	}
	r.fired++
	return true
}

// below reports whether name lies below the collection base, which is "" or "/" for the root.
func below(base, name string) bool {
	base = strings.TrimSuffix(base, "/")
	return len(name) > len(base)+1 && name[len(base)] == '/' && name[:len(base)] == base
}
