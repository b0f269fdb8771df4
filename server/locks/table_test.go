package locks

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dav207/server/davpath"
)

// clock is a clock that a test advances.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_700_000_000, 0).Add(time.Duration(c.ns.Load())) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// parse returns the Lock that s describes: the path, then X (exclusive) or S (shared), then i for
// depth infinity.
func parse(s string) Lock {
	path, kind, _ := strings.Cut(s, " ")
	return Lock{Root: davpath.Must(path), Shared: kind[0] == 'S', Infinite: strings.HasSuffix(kind, "i")}
}

// describe returns the reverse of parse for several locks.
func describe(locks []Lock) string {
	var all []string
	for _, l := range locks {
		kind := "X"
		if l.Shared {
			kind = "S"
		}
		if l.Infinite {
			kind += "i"
		}
		all = append(all, l.Root.String()+" "+kind)
	}
	return strings.Join(all, ", ")
}

func create(t testing.TB, table *Table, short string) Lock {
	t.Helper()
	l, err := table.Create(parse(short))
	if err != nil {
		t.Fatalf("Create(%s): %v", short, err)
	}
	return l
}

func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		rule            string
		held, new       string
		covering, below string // the conflicting locks
	}{
		{"9.10.5 none", "", "/a X", "", ""},
		{"9.10.5 shared, then shared", "/a S", "/a S", "", ""},
		{"9.10.5 shared, then exclusive", "/a S", "/a X", "/a S", ""},
		{"9.10.5 exclusive, then shared", "/a X", "/a S", "/a X", ""},
		{"9.10.5 exclusive, then exclusive", "/a X", "/a X", "/a X", ""},
		{"6.2 five shared locks are five locks", "/a S, /a S, /a Si, /a S, /a Si", "/a X", "/a Si, /a Si, /a S, /a S, /a S", ""},
		{"6.1.3 indirectly locked", "/a Xi", "/a/b/c X", "/a Xi", ""},
		{"6.1.3 indirectly locked, shared", "/a Si", "/a/b/c X", "/a Si", ""},
		{"6.1.3 shared on both sides", "/a Si", "/a/b/c Si", "", ""},
		{"6.1.3 the root covers all", "/ Xi", "/a/b X", "/ Xi", ""},
		{"6.1.3 outermost first", "/ Si, /a Si, /a/b Si, /a/b/c S", "/a/b/c X", "/ Si, /a Si, /a/b Si, /a/b/c S", ""},
		{"7.4 depth 0 does not cover members", "/a X", "/a/b Xi", "", ""},
		{"7.4 depth 0 above depth 0", "/a/b X", "/a X", "", ""},
		{"7.4 depth 0 above depth infinity", "/a/b Xi", "/a X", "", ""},
		{"7.4 infinity over a locked member", "/a/b/c X", "/a Xi", "", "/a/b/c X"},
		{"7.4 infinity, shared, over a locked member", "/a/b/c X", "/a Si", "", "/a/b/c X"},
		{"7.4 infinity over shared members", "/a/b S, /a/c S", "/a Si", "", ""},
		{"7.4 every conflicting member, in path order", "/a/c X, /a/b/z S, /a/b S, /ab X, /a!/b X", "/a Xi", "", "/a/b S, /a/b/z S, /a/c X"},
		{"7.4 only the exclusive ones for a shared lock", "/a/c X, /a/b/z S, /a/b S, /a/b/y X", "/a Si", "", "/a/b/y X, /a/c X"},
		{"7.4 covering and below", "/ Si, /a S, /a/b S, /a/c Si", "/a Xi", "/ Si, /a S", "/a/b S, /a/c Si"},
		{"7.4 below a shared depth 0 of the same root", "/a S, /a/b X", "/a Si", "", "/a/b X"},
		{"siblings", "/a Xi", "/b Xi", "", ""},
		{"paths are cut at segments", "/a Xi", "/ab Xi", "", ""},
		{"paths are cut at segments, deeper", "/a/bc X", "/a/b Xi", "", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			table := New(nil)
			if tt.held != "" {
				for h := range strings.SplitSeq(tt.held, ", ") {
					create(t, table, h)
				}
			}
			held := table.Len()
			_, err := table.Create(parse(tt.new))
			var conflict *ConflictError
			if !errors.As(err, &conflict) {
				if err != nil || tt.covering+tt.below != "" {
					t.Fatalf("Create(%s): got %v, want a conflict with %q", tt.new, err, tt.covering+tt.below)
				}
				if got := table.Len(); got != held+1 {
					t.Errorf("locks after: got %d, want %d", got, held+1)
				}
				return
			}
			if got := describe(conflict.Covering()); got != tt.covering {
				t.Errorf("covering: got %q, want %q", got, tt.covering)
			}
			if got := describe(conflict.Below()); got != tt.below {
				t.Errorf("below: got %q, want %q", got, tt.below)
			}
			if got := table.Len(); got != held {
				t.Errorf("locks after: got %d, want %d", got, held)
			}
			for _, l := range conflict.Locks {
				if strings.Contains(err.Error(), l.Token) {
					t.Errorf("the message %q holds a token", err)
				}
			}
			checkInvariants(t, table)
		})
	}
}

func TestToken(t *testing.T) {
	form := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	table, seen := New(nil), make(map[string]bool)
	for i := range 100 {
		l := parse(fmt.Sprintf("/a%d S", i))
		l.Token = "mine"
		l, err := table.Create(l)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(l.Token) || seen[l.Token] {
			t.Fatalf("token %q, want a new random UUID (RFC 4918 §6.5)", l.Token)
		}
		seen[l.Token] = true
	}
}

func TestUnlock(t *testing.T) {
	table := New(nil)
	l := create(t, table, "/a Xi")
	if err := table.Unlock("urn:uuid:00000000-0000-4000-8000-000000000000"); !errors.Is(err, ErrNoSuchLock) {
		t.Errorf("unknown token: got %v, want %v", err, ErrNoSuchLock)
	}
	if err := table.Unlock(l.Token); err != nil {
		t.Errorf("got %v", err)
	}
	if got := table.Covering(davpath.Must("/a/b")); got != nil {
		t.Errorf("§9.10.3 all associated resources are unlocked: got %s", describe(got))
	}
	if err := table.Unlock(l.Token); !errors.Is(err, ErrNoSuchLock) {
		t.Errorf("twice: got %v, want %v", err, ErrNoSuchLock)
	}
}

func TestRemove(t *testing.T) {
	const held = "/ S, /a S, /a S, /a/b Si, /a/b/c/d S, /a/bc X, /z/y X"
	for _, tt := range []struct {
		rule, path    string
		removed, left string
	}{
		{"6.1.8 the root of the lock is gone", "/a/bc", "/a/bc X", "/ S, /a S, /a S, /a/b Si, /a/b/c/d S, /z/y X"},
		{"6.1.8 with all members", "/a/b", "/a/b Si, /a/b/c/d S", "/ S, /a S, /a S, /a/bc X, /z/y X"},
		{"6.1.8 members only", "/a/b/c", "/a/b/c/d S", "/ S, /a S, /a S, /a/b Si, /a/bc X, /z/y X"},
		{"6.1.8 in path order", "/a", "/a S, /a S, /a/b Si, /a/b/c/d S, /a/bc X", "/ S, /z/y X"},
		{"7.6 an indirectly locked member", "/a/b/x", "", held},
		{"nothing there", "/z/yy", "", held},
		{"everything", "/", held, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			table := New(nil)
			tokens := make(map[string]bool)
			for h := range strings.SplitSeq(held, ", ") {
				tokens[create(t, table, h).Token] = true
			}
			removed := table.Remove(davpath.Must(tt.path))
			if got := describe(removed); got != tt.removed {
				t.Errorf("removed: got %q, want %q", got, tt.removed)
			}
			for _, l := range removed {
				if _, ok := table.Lookup(l.Token); ok || !tokens[l.Token] {
					t.Errorf("%s still has its token", l.Root)
				}
			}
			all := append(table.Covering(davpath.Root), table.Below(davpath.Root)...)
			if got := describe(all); got != tt.left {
				t.Errorf("left: got %q, want %q", got, tt.left)
			}
			checkInvariants(t, table)
		})
	}
}

func TestBelow(t *testing.T) {
	table := New(nil)
	for _, s := range []string{"/a/z X", "/a!/b X", "/a S", "/a/b/c S", "/a/b S", "/a/b Si", "/b/c/d/e X"} {
		create(t, table, s)
	}
	for _, tt := range []struct{ rule, path, want string }{
		{"path order: members directly after their collection", "/", "/a S, /a/b Si, /a/b S, /a/b/c S, /a/z X, /a!/b X, /b/c/d/e X"},
		{"strictly below", "/a", "/a/b Si, /a/b S, /a/b/c S, /a/z X"},
		{"no lock of its own", "/b/c", "/b/c/d/e X"},
		{"a leaf", "/a/z", ""},
		{"not a segment", "/b/c/d/ee", ""},
		{"a part of a segment", "/b/c/d/e/f", ""},
		{"elsewhere", "/c", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p := davpath.Must(tt.path)
			if got := describe(table.Below(p)); got != tt.want {
				t.Errorf("Below(%s) = %q, want %q", p, got, tt.want)
			}
			if got := table.AnyBelow(p); got != (tt.want != "") {
				t.Errorf("AnyBelow(%s) = %v, want %v", p, got, !got)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	var c clock
	table := New(&Options{Now: c.now, MaxLocks: 5, MaxLocksPerPrincipal: 3, MaxOwner: 10})
	lock := func(who string, n int) error {
		_, err := table.Create(Lock{Root: davpath.Must(fmt.Sprint(who, n)), Principal: who, Timeout: time.Minute})
		return err
	}
	for n, tt := range []struct {
		who  string
		want error
	}{{"a", nil}, {"a", nil}, {"a", nil}, {"a", ErrTooMany}, {"", nil}, {"b", nil}, {"b", ErrTooMany}, {"c", ErrTooMany}} {
		if err := lock(tt.who, n); !errors.Is(err, tt.want) {
			t.Errorf("lock %d, of %q: got %v, want %v", n, tt.who, err, tt.want)
		}
	}
	var conflict *ConflictError
	if err := lock("a", 0); !errors.As(err, &conflict) {
		t.Errorf("a conflict in a full table: got %v, want a ConflictError", err)
	}
	c.advance(time.Minute)
	if err := lock("a", 9); err != nil {
		t.Errorf("after the others expired: got %v", err)
	}
	owner := Lock{Owner: []byte("12345"), OwnerLang: "en", OwnerAttr: []xml.Attr{{Name: xml.Name{Local: "a"}, Value: "xy"}}}
	if _, err := table.Create(owner); err != nil {
		t.Errorf("owner of 10 bytes: got %v", err)
	}
	owner.Owner = append(owner.Owner, '6')
	if _, err := table.Create(owner); !errors.Is(err, ErrOwnerTooLarge) {
		t.Errorf("owner of 11 bytes: got %v, want %v", err, ErrOwnerTooLarge)
	}
}

func TestCopies(t *testing.T) {
	table := New(nil)
	p := davpath.Must("/a/b")
	mine := Lock{Root: p, Shared: true, Owner: []byte("<D:href>me</D:href>"), OwnerAttr: []xml.Attr{{Value: "v"}}}
	created, err := table.Create(mine)
	if err != nil {
		t.Fatal(err)
	}
	mutate := func(l Lock) {
		if string(l.Owner) != "<D:href>me</D:href>" || l.OwnerAttr[0].Value != "v" {
			t.Errorf("owner: got %q %q", l.Owner, l.OwnerAttr)
		}
		l.Owner[0], l.OwnerAttr[0].Value = '!', "!"
	}
	mutate(created)
	mutate(mine)
	refreshed, _ := table.Refresh(created.Token, 0)
	mutate(refreshed)
	found, _ := table.Lookup(created.Token)
	mutate(found)
	mutate(table.Covering(p)[0])
	mutate(table.Below(davpath.Root)[0])
	var conflict *ConflictError
	if _, err = table.Create(Lock{Root: p}); !errors.As(err, &conflict) {
		t.Fatal(err)
	}
	mutate(conflict.Locks[0])
	mutate(table.Remove(p)[0])
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		lock, path string
		want       bool
	}{
		{"/a X", "/a", true}, {"/a X", "/a/b", false}, {"/a Xi", "/a/b", true}, {"/a Xi", "/ab", false}, {"/a Xi", "/", false},
	} {
		if got := parse(tt.lock).Covers(davpath.Must(tt.path)); got != tt.want {
			t.Errorf("%s covers %s: got %v, want %v", tt.lock, tt.path, got, tt.want)
		}
	}
}

// TestConcurrentExclusive requests overlapping exclusive locks from many goroutines: at most one
// may be granted at a time.
func TestConcurrentExclusive(t *testing.T) {
	table := New(nil)
	held := make(map[string]*atomic.Int32)
	roots := []string{"/a", "/a/b", "/a/b/c"}
	for _, r := range roots {
		held[r] = new(atomic.Int32)
	}
	var granted atomic.Int32
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 300 {
				root := roots[(i+g)%len(roots)]
				l, err := table.Create(Lock{Root: davpath.Must(root), Infinite: true})
				table.Covering(davpath.Must("/a/b/c/d"))
				table.Below(davpath.Root)
				if err != nil {
					continue
				}
				granted.Add(1)
				total := held[root].Add(1)
				for _, r := range roots {
					if r != root {
						total += held[r].Load()
					}
				}
				if total != 1 {
					t.Errorf("%d exclusive locks on overlapping trees", total)
				}
				if _, err := table.Refresh(l.Token, time.Minute); err != nil {
					t.Error(err)
				}
				held[root].Add(-1)
				if err := table.Unlock(l.Token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if granted.Load() == 0 || table.Len() != 0 {
		t.Errorf("%d granted, %d left, want some and none", granted.Load(), table.Len())
	}
	checkInvariants(t, table)
}

// maxShared bounds new locks only: existing ones can be refreshed.
func TestRefreshAtMaxShared(t *testing.T) {
	table := New(nil)
	above, err := table.Create(Lock{Root: davpath.Must("/a"), Infinite: true, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	member := Lock{Root: davpath.Must("/a/b"), Shared: true}
	for range maxShared - 1 {
		if _, err := table.Create(member); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := table.Create(member); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: got %v, want %v", err, ErrTooMany)
	}
	if _, err := table.Create(Lock{Root: davpath.Must("/a"), Infinite: true, Shared: true}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more above: got %v, want %v", err, ErrTooMany)
	}
	if _, err := table.Refresh(above.Token, 0); err != nil {
		t.Errorf("refresh: got %v", err)
	}
}

// repeated is a source of tokens that repeats some and then fails.
type repeated struct{ next []byte }

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.next) == 0 {
		return 0, errors.New("empty")
	}
	for i := range p {
		p[i] = r.next[0]
	}
	r.next = r.next[1:]
	return len(p), nil
}

// TestRandom: a table takes tokens from its option, never one that a lock has, and grants no lock
// without one (RFC 4918 §6.5).
func TestRandom(t *testing.T) {
	table := New(&Options{Random: &repeated{[]byte{1, 1, 2}}})
	for _, want := range []string{"urn:uuid:01010101-0101-4101-8101-010101010101", "urn:uuid:02020202-0202-4202-8202-020202020202"} {
		l, err := table.Create(Lock{Root: davpath.Must("/a"), Shared: true})
		if err != nil || l.Token != want {
			t.Errorf("token = %q, %v, want %q", l.Token, err, want)
		}
	}
	if l, err := table.Create(Lock{Root: davpath.Must("/b")}); err == nil || table.Len() != 2 {
		t.Errorf("lock without a token: %+v, %v; %d locks", l, err, table.Len())
	}
}
