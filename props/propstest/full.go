package propstest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
)

// TestFull tests a store with a limit of 1 MiB for the properties of all resources: it refuses what
// exceeds it with props.ErrFull, also under concurrency, and nothing that makes room. reopen closes
// and opens the store, if it is durable.
func TestFull(t *testing.T, s props.Store, reopen func() props.Store) {
	value := strings.Repeat("x", 16<<10)
	set := func(p davpath.Path, name, value string) error {
		return s.Patch(t.Context(), p, []props.Change{{Property: prop(name, value)}})
	}
	isFull := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, props.ErrFull) || !errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: error %v, want ErrFull", what, err)
		}
	}
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	at := func(i int) davpath.Path { return davpath.Must(fmt.Sprintf("/c/f%03d", i)) }
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() {
			if err := set(at(i), "x", value); err != nil {
				isFull("Patch", err)
			}
		})
	}
	wait.Wait()
	stored := 0
	for e := range s.All(t.Context(), davpath.Root) {
		stored += len(e.Properties)
	}
	if stored < 50 || stored > 64 {
		t.Errorf("%d properties of 16 KiB were stored in 1 MiB", stored)
	}
	s = reopen()
	full := davpath.Must("/full")
	isFull("one more", set(full, "x", value))
	isFull("a copy", s.Update(t.Context(), props.Set{Path: full, Properties: []props.Property{prop("x", value)}}))
	if got, _ := s.Get(t.Context(), full); len(got) > 0 {
		t.Error("what was refused is stored")
	}
	first := davpath.Root
	for e := range s.All(t.Context(), davpath.Root) {
		first = e.Path
	}
	ok("the same again", set(first, "x", strings.Repeat("y", len(value))))
	ok("a move to a longer name", s.Update(t.Context(), props.MoveIntent{Src: first, Dst: davpath.Must("/a-longer-name")},
		props.Move{Src: first, Dst: davpath.Must("/a-longer-name")}))
	ok("a member that is moved by itself", s.Update(t.Context(), props.Set{Path: full, Properties: []props.Property{prop("x", value[1000:])}},
		props.Delete{Path: davpath.Must("/a-longer-name")}))
	ok("removing one", s.Update(t.Context(), props.Set{Path: full}))
	ok("what fits then", set(full, "x", value[1000:]))
	isFull("and no more", set(full, "y", value+value))
	ok("a smaller one", set(full, "x", "1"))
	ok("removing all", s.Update(t.Context(), props.Delete{Path: davpath.Root}))
	s = reopen()
	for i := range 50 {
		ok("after all is removed", set(at(i), "x", value))
	}
}
