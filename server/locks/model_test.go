package locks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"dav207/server/davpath"
)

// checkInvariants checks the internal data structures of a table.
func checkInvariants(t testing.TB, table *Table) {
	t.Helper()
	seen, held := 0, 0
	for i, r := range table.roots {
		if table.byRoot[r.path] != r || len(r.locks) == 0 || i > 0 && table.roots[i-1].path.Compare(r.path) >= 0 {
			t.Fatalf("the root %s is indexed wrongly", r.path)
		}
		for _, l := range r.locks {
			if l.Root != r.path || table.byToken[l.Token] != l || l.Expires.Before(table.nextExpiry) {
				t.Fatalf("the lock of %s at %s is indexed wrongly", l.Root, r.path)
			}
			seen++
		}
	}
	for _, n := range table.perPrincipal {
		held += n
	}
	if seen != len(table.byToken) || seen != held || len(table.roots) != len(table.byRoot) {
		t.Fatalf("%d locks, %d tokens, %d of principals, %d roots of %d", seen, len(table.byToken), held, len(table.byRoot), len(table.roots))
	}
}

// model is a table that compares every lock on each call.
type model struct{ held []Lock } // in order of creation

func (m *model) expire(now time.Time) {
	m.held = slices.DeleteFunc(m.held, func(l Lock) bool { return !l.Expires.After(now) })
}

// ordered returns the locks for which keep returns true, in the order of the table.
func (m *model) ordered(keep func(Lock) bool) (found []Lock) {
	for _, l := range m.held {
		if keep(l) {
			found = append(found, l)
		}
	}
	slices.SortStableFunc(found, func(a, b Lock) int {
		if c := a.Root.Compare(b.Root); c != 0 || a.Infinite == b.Infinite {
			return c
		}
		if a.Infinite {
			return -1
		}
		return 1
	})
	return found
}

func (m *model) covering(p davpath.Path) []Lock {
	return m.ordered(func(l Lock) bool { return l.Covers(p) })
}

func (m *model) below(p davpath.Path) []Lock {
	return m.ordered(func(l Lock) bool { return l.Root != p && p.Contains(l.Root) })
}

func (m *model) conflicts(n Lock) []Lock {
	return m.ordered(func(l Lock) bool {
		return !(l.Shared && n.Shared) && (l.Covers(n.Root) || n.Covers(l.Root))
	})
}

func tokens(locks []Lock) (all []string) {
	for _, l := range locks {
		all = append(all, fmt.Sprint(l.Root, " ", l.Token, " ", l.Timeout, l.Expires.UnixNano()))
	}
	return all
}

// TestAgainstModel makes random calls to a table and to the model and compares all results. The
// journal fails at random; after a call that succeeds it must hold the same locks.

func TestAgainstModel(t *testing.T) {
	names := []string{"a", "b", "a!", "ab", "a b", "\xff", "é", "A"}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 207))
		path := func() davpath.Path {
			p := davpath.Root
			for range rng.IntN(6) {
				p = p.Child(names[rng.IntN(1+rng.IntN(len(names)))])
			}
			return p
		}
		var c clock
		var m model
		j := newMemJournal()
		table := New(&Options{Now: c.now, Journal: j})
		same := func(what string, got, want []Lock) {
			t.Helper()
			if g, w := tokens(got), tokens(want); !slices.Equal(g, w) {
				t.Fatalf("seed %d: %s:\n got %q\nwant %q", seed, what, g, w)
			}
		}
		for range 400 {
			if rng.IntN(10) == 0 {
				j.fail = syscall.EIO
			}
			failing := func(err error) bool {
				if (err != nil) != (j.fail != nil) {
					t.Fatalf("seed %d: got %v while the journal returns %v", seed, err, j.fail)
				}
				return err != nil
			}
			some := func() (int, string) {
				if len(m.held) == 0 {
					return -1, "none"
				}
				i := rng.IntN(len(m.held))
				return i, m.held[i].Token
			}
			m.expire(c.now())
			switch k := rng.IntN(20); {
			case k < 11:
				n := Lock{Root: path(), Shared: rng.IntN(4) > 0, Infinite: rng.IntN(3) == 0,
					Timeout: time.Duration(1+rng.IntN(100)) * time.Second, Principal: names[rng.IntN(3)]}
				got, err := table.Create(n)
				var conflict *ConflictError
				if errors.As(err, &conflict) {
					same("conflicts", conflict.Locks, m.conflicts(n))
					break
				}
				if want := m.conflicts(n); want != nil {
					t.Fatalf("seed %d: %v granted in spite of %v", seed, n, want)
				}
				if !failing(err) {
					m.held = append(m.held, got)
				}
			case k < 13:
				i, token := some()
				got, err := table.Refresh(token, time.Duration(rng.IntN(100))*time.Second)
				if i < 0 {
					if !errors.Is(err, ErrNoSuchLock) {
						t.Fatalf("seed %d: got %v", seed, err)
					}
				} else if !failing(err) {
					m.held[i] = got
				}
			case k < 15:
				i, token := some()
				err := table.Unlock(token)
				if i < 0 {
					if !errors.Is(err, ErrNoSuchLock) {
						t.Fatalf("seed %d: got %v", seed, err)
					}
				} else if !failing(err) {
					m.held = slices.Delete(m.held, i, i+1)
				}
			case k < 17:
				p := path()
				if p.IsRoot() && rng.IntN(4) > 0 {
					break
				}
				gone := func(l Lock) bool { return p.Contains(l.Root) }
				same("removed", table.Remove(p), m.ordered(gone))
				m.held = slices.DeleteFunc(m.held, gone)
			default:
				c.advance(time.Duration(rng.IntN(20_000)) * time.Millisecond)
				m.expire(c.now())
			}
			p := path()
			same("Covering", table.Covering(p), m.covering(p))
			same("Below", table.Below(p), m.below(p))
			if got, want := table.AnyBelow(p), m.below(p) != nil; got != want {
				t.Fatalf("seed %d: AnyBelow(%s) = %v, want %v", seed, p, got, want)
			}
			if got, want := table.Len(), len(m.held); got != want {
				t.Fatalf("seed %d: Len = %d, want %d", seed, got, want)
			}
			checkInvariants(t, table)
			if j.fail = nil; len(table.undeleted) == 0 {
				j.mustEqual(t, table)
			}
		}
		again := New(&Options{Now: c.now})
		if dropped := again.Restore(m.held); dropped != nil {
			t.Fatalf("seed %d: Restore dropped locks of the table: %s", seed, describe(dropped))
		}
		same("restored", again.Below(davpath.Root), m.below(davpath.Root))
		checkInvariants(t, again)
	}
}

// TestDeepRoots locks roots so deep that one node for each segment would make it slow.
func TestDeepRoots(t *testing.T) {
	table := New(&Options{MaxLocksPerPrincipal: 10_000})
	p := davpath.Root
	for range 3000 {
		p = p.Child("d")
		if _, err := table.Create(Lock{Root: p, Shared: true}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(table.Below(davpath.Root)); got != 3000 {
		t.Errorf("below the root: got %d, want 3000", got)
	}
	middle := p
	for range 1500 {
		middle = middle.Parent()
	}
	if got := len(table.Remove(middle)); got != 1501 {
		t.Errorf("removed: got %d, want 1501", got)
	}
	checkInvariants(t, table)
}
