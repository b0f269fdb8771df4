package boltprops

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
)

func BenchmarkPatch(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(n, " at a time"), func(b *testing.B) {
			s := fresh(b)
			var wg sync.WaitGroup
			next := make(chan int)
			for range n {
				wg.Go(func() {
					for i := range next {
						if err := s.Patch(context.Background(), at(fmt.Sprint("/c/", i%1000)), set("x", fmt.Sprint(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := 0; b.Loop(); i++ {
				next <- i
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64(s.commits.Load())/float64(b.N), "commits/op")
		})
	}
}

// large is a state with a collection of n members that have two properties each.
func large(tb testing.TB, n int) *Store {
	s := fresh(tb)
	for i := 0; i < n; i += 10_000 {
		errs := commitTogether(s, func(t *txn) error {
			for j := i; j < min(i+10_000, n); j++ {
				changes := append(set("Win32FileAttributes", "00000020"), set("Win32LastModifiedTime", "Sat, 01 Jan 2026 12:00:00 GMT")...)
				if err := t.patch(at(fmt.Sprintf("/c/member %06d", j)), changes); err != nil {
					return err
				}
			}
			return nil
		})
		if errs[0] != nil {
			tb.Fatal(errs[0])
		}
	}
	return s
}

// listed returns the names of members in the order of a listing.
func listed(n int) []string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("member %06d", i)
	}
	return members
}

func list(tb testing.TB, s *Store, members []string, want int) {
	m := s.Members(context.Background(), davpath.Must("/c"))
	for _, name := range members {
		if ps, err := m.Get(name); err != nil || len(ps) != want {
			tb.Fatal(len(ps), err)
		}
	}
}

func BenchmarkMembers(b *testing.B) {
	for _, n := range []int{0, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := large(b, n)
			members, want := listed(max(n, 1000)), min(n, 2)
			b.ReportAllocs()
			for b.Loop() {
				list(b, s, members, want)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(members)), "ns/member")
		})
	}
}

func BenchmarkAll(b *testing.B) {
	s := large(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range s.All(b.Context(), davpath.Root) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkMove(b *testing.B) {
	s := large(b, 100_000)
	src, dst := davpath.Must("/c"), davpath.Must("/d")
	for b.Loop() {
		if err := s.Update(b.Context(), props.Move{Src: src, Dst: dst}); err != nil {
			b.Fatal(err)
		}
		src, dst = dst, src
	}
}

func BenchmarkGet(b *testing.B) {
	s := large(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if ps, err := s.Get(b.Context(), at("/c/member 000500")); err != nil || len(ps) != 2 {
			b.Fatal(len(ps), err)
		}
	}
}

// BenchmarkOpen opens states of several sizes.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1000, 30_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := large(b, n)
			s.Close()
			for b.Loop() {
				s, err := Open(s.file, nil)
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// A listing must not allocate for each member.
func TestAllocations(t *testing.T) {
	const n = 1000
	s := large(t, n)
	members := listed(n)
	got := testing.AllocsPerRun(10, func() { list(t, s, members, 2) })
	if got > n/4 {
		t.Errorf("%.2f allocations for each member, want few for each batch", got/n)
	}
	none := testing.AllocsPerRun(10, func() {
		m := s.Members(t.Context(), davpath.Must("/"+strings.Repeat("d", 20)))
		for _, name := range members {
			if ps, err := m.Get(name); len(ps) > 0 || err != nil {
				t.Error("there is something", err)
			}
		}
	})
	if none > 30 {
		t.Errorf("%.0f allocations for a collection without properties, want a look and no more", none)
	}
}

// BenchmarkNothing makes changes that change nothing, as most DELETE and MOVE do.
func BenchmarkNothing(b *testing.B) {
	s := large(b, 1000)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Update(b.Context(), props.Delete{Path: at("/none")}); err != nil {
				b.Error(err)
			}
		}
	})
}
