package pathlock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dav207/server/davpath"
)

func read(p string) Range      { return Range{Path: davpath.Must(p)} }
func write(p string) Range     { return Range{Path: davpath.Must(p), Write: true} }
func readTree(p string) Range  { return Range{Path: davpath.Must(p), Subtree: true} }
func writeTree(p string) Range { return Range{Path: davpath.Must(p), Subtree: true, Write: true} }

func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		rule string
		a, b Range
		want bool
	}{
		{"two writes of one path", write("/a"), write("/a"), true},
		{"a write and a read of one path", write("/a"), read("/a"), true},
		{"two reads of one path", read("/a"), read("/a"), false},
		{"different paths", write("/a"), write("/b"), false},
		{"a collection and its member, no subtree", write("/a"), write("/a/b"), false},
		{"a subtree contains its root", writeTree("/a"), read("/a"), true},
		{"a subtree contains what lies below", writeTree("/a"), read("/a/b/c"), true},
		{"a subtree that is read, written inside", readTree("/a"), write("/a/b"), true},
		{"a subtree that is read, read inside", readTree("/a"), readTree("/a/b"), false},
		{"a subtree does not contain its parent", writeTree("/a/b"), write("/a"), false},
		{"a subtree is cut at a segment", writeTree("/a"), write("/ab"), false},
		{"siblings", writeTree("/a/b"), writeTree("/a/c"), false},
		{"nested subtrees", writeTree("/a"), readTree("/a/b"), true},
		{"the root contains all", writeTree("/"), read("/x/y"), true},
		{"the root alone contains nothing", write("/"), write("/x"), false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := tt.a.conflicts(tt.b); got != tt.want {
				t.Errorf("%v, %v: got %v, want %v", tt.a, tt.b, got, tt.want)
			}
			if got := tt.b.conflicts(tt.a); got != tt.want {
				t.Errorf("%v, %v in the other order: got %v, want %v", tt.b, tt.a, got, tt.want)
			}
		})
	}
}

// testRequest is a request of a test, which runs in its own goroutine.
type testRequest struct {
	name    string
	manager *Manager
	ranges  []Range
	cancel  context.CancelFunc
	release func()
	err     error
	done    atomic.Bool
}

func enter(q *Manager, name string, ranges ...Range) *testRequest {
	ctx, cancel := context.WithCancel(context.Background())
	g := &testRequest{name: name, manager: q, ranges: ranges, cancel: cancel}
	go func() {
		g.release, g.err = q.Acquire(ctx, ranges...)
		g.done.Store(true)
	}()
	synctest.Wait()
	return g
}

func (g *testRequest) holds() bool { return g.done.Load() && g.err == nil }

func (g *testRequest) leave() {
	g.release()
	g.cancel()
	synctest.Wait()
}

func (g *testRequest) giveUp() {
	g.cancel()
	synctest.Wait()
}

func want(t *testing.T, when string, holders []*testRequest, waiting ...*testRequest) {
	t.Helper()
	for _, g := range holders {
		if !g.holds() {
			t.Fatalf("%s: %s waits, want it to hold", when, g.name)
		}
	}
	for _, g := range waiting {
		if g.done.Load() {
			t.Fatalf("%s: %s holds (error %v), want it to wait", when, g.name, g.err)
		}
	}
	if n := holders[0].manager.Waiting(); n != len(waiting) {
		t.Errorf("%s: Waiting = %d, want %d", when, n, len(waiting))
	}
}

func empty(t *testing.T, q *Manager) {
	t.Helper()
	if q.last != nil {
		t.Errorf("the list still has %v, want it empty", q.last.ranges)
	}
	if n := q.Waiting(); n != 0 {
		t.Errorf("Waiting = %d, want 0", n)
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		first := enter(&q, "first", write("/a"))
		second := enter(&q, "second", write("/a"))
		third := enter(&q, "third", write("/a"))
		other := enter(&q, "other", write("/b"))
		want(t, "at first", []*testRequest{first, other}, second, third)
		first.leave()
		want(t, "first left", []*testRequest{second}, third)
		second.leave()
		want(t, "second left", []*testRequest{third})
		third.leave()
		other.leave()
		empty(t, &q)
	})
}

func TestWriterIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		reader := enter(&q, "reader", read("/a/b"))
		writer := enter(&q, "writer", writeTree("/a"))
		late := enter(&q, "late reader", read("/a/b"))
		inner := enter(&q, "late reader elsewhere in the tree", read("/a/c"))
		want(t, "a writer waits", []*testRequest{reader}, writer, late, inner)
		reader.leave()
		want(t, "the first reader left", []*testRequest{writer}, late, inner)
		writer.leave()
		want(t, "the writer left", []*testRequest{late, inner})
		late.leave()
		inner.leave()
		empty(t, &q)
	})
}

func TestAllClaimsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		// Two MOVEs in opposite directions: if they acquired one range after the other they would
		// deadlock.
		a, b := enter(&q, "a", write("/a")), enter(&q, "b", write("/b"))
		there := enter(&q, "there", writeTree("/a"), writeTree("/b"))
		back := enter(&q, "back", writeTree("/b"), writeTree("/a"))
		want(t, "at first", []*testRequest{a, b}, there, back)
		b.leave()
		want(t, "one of two is free", []*testRequest{a}, there, back)
		a.leave()
		want(t, "both are free", []*testRequest{there}, back)
		there.leave()
		want(t, "there left", []*testRequest{back})
		back.leave()
		empty(t, &q)
	})
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		reader := enter(&q, "reader", read("/a"))
		writer := enter(&q, "writer", write("/a"))
		late := enter(&q, "late", read("/a"))
		later := enter(&q, "later", write("/a"))
		want(t, "at first", []*testRequest{reader}, writer, late, later)
		writer.giveUp()
		if !errors.Is(writer.err, context.Canceled) {
			t.Fatalf("cancelled: got %v, want %v", writer.err, context.Canceled)
		}
		writer.release() // harmless
		if first := q.last.prev.prev; len(first.waiters) != 0 {
			t.Errorf("%d are registered with the reader, want none", len(first.waiters))
		}
		want(t, "the writer between gave up", []*testRequest{reader, late}, later)
		reader.leave()
		want(t, "one reader left", []*testRequest{late}, later)
		late.leave()
		want(t, "both left", []*testRequest{later})
		later.leave()
		empty(t, &q)
	})
}

func TestCancelledBefore(t *testing.T) {
	var q Manager
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	release, err := q.Acquire(ctx, write("/a"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	release()
	empty(t, &q)
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		release, err := q.Acquire(t.Context(), write("/a"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := q.Acquire(ctx, read("/a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		release()
		empty(t, &q)
	})
}

func TestReleaseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Manager
		first := enter(&q, "first", write("/a"))
		second := enter(&q, "second", write("/a"))
		third := enter(&q, "third", write("/a"))
		first.leave()
		first.leave()
		want(t, "first left twice", []*testRequest{second}, third)
		second.leave()
		third.leave()
		empty(t, &q)
	})
}

func TestNoClaims(t *testing.T) {
	var q Manager
	all, err := q.Acquire(t.Context(), writeTree("/"))
	if err != nil {
		t.Fatal(err)
	}
	none, err := q.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	none()
	all()
	empty(t, &q)
}

// TestAgainstModel plays random requests. After each step it checks that exactly those hold that
// conflict with no earlier one.
func TestAgainstModel(t *testing.T) {
	paths := []string{"/", "/a", "/a/b", "/a/b/c", "/a/d", "/ab", "/b"}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 207))
			var q Manager
			var present []*testRequest // in order of arrival
			for step := range 300 {
				switch k := rng.IntN(len(present) + 6); {
				case k >= len(present) && step < 250:
					ranges := make([]Range, 1+rng.IntN(3))
					for i := range ranges {
						ranges[i] = Range{davpath.Must(paths[rng.IntN(len(paths))]), rng.IntN(3) == 0, rng.IntN(2) == 0}
					}
					present = append(present, enter(&q, fmt.Sprint(step), ranges...))
				case k < len(present):
					g := present[k]
					present = slices.Delete(present, k, k+1)
					if g.holds() {
						g.leave()
					} else if g.giveUp(); !errors.Is(g.err, context.Canceled) {
						t.Fatalf("seed %d step %d: cancelled: got %v, want %v", seed, step, g.err, context.Canceled)
					}
				}
				for i, g := range present {
					free := true
					for _, earlier := range present[:i] {
						for _, c := range earlier.ranges {
							for _, d := range g.ranges {
								free = free && !c.conflicts(d)
							}
						}
					}
					if g.holds() != free {
						t.Fatalf("seed %d step %d: %v holds = %v, want %v", seed, step, g.ranges, g.holds(), free)
					}
				}
			}
			for _, g := range present {
				g.giveUp()
				if g.holds() {
					g.leave()
				}
			}
			empty(t, &q)
		})
	}
}

// TestStress lets many goroutines change the ranges that they hold, without any other protection:
// the race detector sees it when two conflicting requests hold. Some are cancelled.
func TestStress(t *testing.T) {
	var q Manager
	paths := []string{"/", "/a", "/a/b", "/c", "/c/d", "/c/d/e", "/f"}
	content := make(map[davpath.Path]*int)
	for _, p := range paths {
		content[davpath.Must(p)] = new(int)
	}
	var wg sync.WaitGroup
	var written, counted atomic.Int64
	for n := range 2000 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			ctx := t.Context()
			if rng.IntN(4) == 0 {
				c, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(20))*time.Millisecond)
				defer cancel()
				ctx = c
			}
			ranges := make([]Range, 1+rng.IntN(2))
			for i := range ranges {
				ranges[i] = Range{davpath.Must(paths[rng.IntN(len(paths))]), rng.IntN(4) == 0, rng.IntN(2) == 0}
			}
			release, err := q.Acquire(ctx, ranges...)
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("got %v from a live context", err)
				}
				return
			}
			for _, c := range ranges {
				for p, v := range content {
					if p != c.Path && !(c.Subtree && c.Path.Contains(p)) {
						continue
					}
					if c.Write {
						*v++
						written.Add(1)
					} else if *v < 0 {
						t.Error("a counter that only grows is negative")
					}
				}
			}
			release()
			release()
		})
	}
	wg.Wait()
	for _, v := range content {
		counted.Add(int64(*v))
	}
	if counted.Load() != written.Load() {
		t.Errorf("got %d changes, want %d: some were lost", counted.Load(), written.Load())
	}
	empty(t, &q)
}

// BenchmarkAcquire measures one request among others that do not conflict.
func BenchmarkAcquire(b *testing.B) {
	for _, others := range []int{0, 100, 5000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			var q Manager
			for i := range others {
				q.Acquire(b.Context(), read("/home"), write(fmt.Sprintf("/home/u%d/file", i)))
			}
			p := davpath.Must("/home/me/file")
			for b.Loop() {
				release, _ := q.Acquire(b.Context(), Range{Path: p.Parent()}, Range{Path: p, Write: true})
				release()
			}
		})
	}
}

// BenchmarkCrowd is a thousand requests that all want one path.
func BenchmarkCrowd(b *testing.B) {
	c := write("/a")
	for b.Loop() {
		var q Manager
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				release, _ := q.Acquire(context.Background(), c)
				release()
			})
		}
		wg.Wait()
	}
}
