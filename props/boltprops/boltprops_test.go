package boltprops

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dav207/props"
	"dav207/props/propstest"
	"dav207/server/davpath"
	"dav207/server/locks"
)

func TestContract(t *testing.T) {
	t.Parallel()
	propstest.TestDurable(t, func(t *testing.T, dir string) (props.Store, func() error) {
		s, err := Open(filepath.Join(dir, "state"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s, s.Close
	})
}

func TestContractLazy(t *testing.T) {
	t.Parallel()
	propstest.Test(t, func(t *testing.T) props.Store {
		return start(t, filepath.Join(t.TempDir(), "state"), &Options{Lazy: true})
	})
}

// start opens a store, which is closed at the end of the test.
func start(t testing.TB, file string, o *Options) *Store {
	t.Helper()
	s, err := Open(file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func fresh(t testing.TB) *Store { return start(t, filepath.Join(t.TempDir(), "state"), nil) }

func at(path string) davpath.Path { return davpath.Must(path) }

func prop(name, value string) props.Property {
	return props.Property{XMLName: xml.Name{Space: "urn:t", Local: name}, InnerXML: []byte(value)}
}

func set(name, value string) []props.Change { return []props.Change{{Property: prop(name, value)}} }

func patch(t testing.TB, s *Store, p davpath.Path, changes []props.Change) {
	t.Helper()
	if err := s.Patch(context.Background(), p, changes); err != nil {
		t.Fatal(err)
	}
}

// value returns the content of the first property of p, "" for none.
func value(t testing.TB, s *Store, p davpath.Path) string {
	t.Helper()
	got, err := s.Get(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		return ""
	}
	return string(got[0].InnerXML)
}

// RFC 4918 §9.2: a PROPPATCH beyond the limits is refused as a whole, with the error that becomes
// 507.
func TestLimits(t *testing.T) {
	s := fresh(t)
	many := make([]props.Change, 4097)
	for i := range many {
		many[i] = set(fmt.Sprint("p", i), "")[0]
	}
	for name, changes := range map[string][]props.Change{
		"too many":  many,
		"too large": set("x", string(make([]byte, 4<<20))),
	} {
		patch(t, s, at("/p"), set("before", "1"))
		if err := s.Patch(t.Context(), at("/p"), changes); !errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: got %v, want %v", name, err, syscall.EDQUOT)
		}
		if got := value(t, s, at("/p")); got != "1" {
			t.Errorf("%s: afterwards it is %q, want what was there before", name, got)
		}
	}
	long := at("/")
	for range 200 {
		long = long.Child(string(make200('x')))
	}
	if err := s.Patch(t.Context(), long, set("x", "1")); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("a path of 40,000 bytes: got %v, want %v", err, syscall.ENAMETOOLONG)
	}
}

// Options.MaxBytes bounds the properties of all resources, also after a restart.
func TestFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	open := func() *Store {
		s, err := Open(file, &Options{MaxBytes: 1 << 20, Lazy: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	propstest.TestFull(t, s, func() props.Store {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = open()
		return s
	})
	defer s.Close()
	if info, err := os.Stat(file); err != nil || info.Size() > 4<<20 {
		t.Errorf("the file: %v, %v", info, err)
	}
	counted := s.size
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = open(); s.size != counted {
		t.Errorf("it holds %d bytes, %d were counted", s.size, counted)
	}
}

func make200(c byte) []byte { return slices.Repeat([]byte{c}, 200) }

// Changes that wait for a commit share the next one.
func TestGroupCommit(t *testing.T) { synctest.Test(t, testGroupCommit) }

func testGroupCommit(t *testing.T) {
	s := fresh(t)
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.enqueue(context.Background(), &change{apply: func(t *txn) error {
			close(held)
			<-hold
			return t.patch(at("/first"), set("x", "first"))
		}}); err != nil {
			t.Error(err)
		}
	})
	<-held
	const n = 200
	for i := range n {
		wg.Go(func() {
			if err := s.Patch(context.Background(), at(fmt.Sprint("/", i)), set("x", fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	synctest.Wait() // until all of them wait
	close(hold)
	wg.Wait()
	if got := s.commits.Load(); got != 2 {
		t.Errorf("%d changes, of which all but the first waited, took %d commits, want 2", n+1, got)
	}
	for i := range n {
		if got := value(t, s, at(fmt.Sprint("/", i))); got != fmt.Sprint(i) {
			t.Errorf("/%d is %q", i, got)
		}
	}
}

// Clients that wait for each response before the next request share commits.
func TestClosedLoop(t *testing.T) {
	s := fresh(t)
	const clients, rounds = 4, 50
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for round := range rounds {
				err := s.enqueue(context.Background(), &change{apply: func(t *txn) error {
					time.Sleep(200 * time.Microsecond) // as a disk would
					return t.patch(at(fmt.Sprint("/", i)), set("x", fmt.Sprint(round)))
				}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := float64(s.commits.Load()) / (clients * rounds); got > 0.6 {
		t.Errorf("%.2f commits for each change, want at most one for two", got)
	}
}

// commitTogether commits changes at once.
func commitTogether(s *Store, apply ...func(*txn) error) []error {
	changes := make([]*change, len(apply))
	for i, f := range apply {
		changes[i] = &change{apply: f}
	}
	s.commit(slices.Clone(changes))
	errs := make([]error, len(apply))
	for i, c := range changes {
		errs[i] = c.err
	}
	return errs
}

func TestOneFailsAlone(t *testing.T) {
	put := func(name string) func(*txn) error {
		return func(t *txn) error { return t.patch(at(name), set("x", name)) }
	}
	boom := errors.New("boom")
	for name, fails := range map[string]func(*txn) error{
		"before it writes": func(*txn) error { return boom },
		"after it wrote": func(t *txn) error {
			if err := t.patch(at("/bad"), set("x", "1")); err != nil {
				return err
			}
			return boom
		},
		"with a panic": func(t *txn) error {
			t.patch(at("/bad"), set("x", "1"))
			panic(boom)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			errs := commitTogether(s, put("/a"), fails, put("/b"))
			if errs[0] != nil || errs[1] == nil || errs[2] != nil {
				t.Errorf("got %v, want an error for the second alone", errs)
			}
			if a, bad, b := value(t, s, at("/a")), value(t, s, at("/bad")), value(t, s, at("/b")); a != "/a" || bad != "" || b != "/b" {
				t.Errorf("stored: %q %q %q, want that of the first and of the third", a, bad, b)
			}
			patch(t, s, at("/after"), set("x", "1"))
		})
	}
}

// A change that changes nothing needs no commit.
func TestNoCommitForNothing(t *testing.T) {
	s := fresh(t)
	patch(t, s, at("/a"), set("x", "1"))
	none := davpath.Must("/none")
	err := s.Update(t.Context(), props.Delete{Path: none}, props.Move{Src: none, Dst: davpath.Must("/b")}, props.MoveIntent{Src: none, Dst: davpath.Must("/b")},
		props.MoveDone{Src: none}, props.Orphan{Path: none, Since: time.Now()},
		props.Set{Path: at("/none")}, props.Set{Path: at("/a"), Properties: []props.Property{prop("x", "1")}},
		props.Orphan{Path: davpath.Must("/a")}, props.Move{Src: davpath.Must("/a"), Dst: davpath.Must("/a")})
	if err != nil {
		t.Fatal(err)
	}
	patch(t, s, at("/a"), set("x", "1"))
	patch(t, s, at("/a"), []props.Change{{Remove: true, Property: prop("y", "")}})
	if err := s.Put(locks.Lock{Token: "t"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete("t", "unknown"); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.commits.Load(); got != 1 {
		t.Errorf("%d commits, want the first alone", got)
	}
}

// After a commit that the disk has not confirmed, a change that finds itself done is committed again
// before it is acknowledged.
func TestUncertain(t *testing.T) {
	s := fresh(t)
	patch(t, s, at("/a"), set("x", "1"))
	s.uncertain = true
	for range 2 {
		patch(t, s, at("/a"), set("x", "1"))
	}
	if got := s.commits.Load(); got != 2 {
		t.Errorf("%d commits, want one for the change and one to confirm it", got)
	}
}

func TestClosed(t *testing.T) {
	s := fresh(t)
	patch(t, s, at("/a"), set("x", "1"))
	next, members := s.All(t.Context(), davpath.Root), s.Members(t.Context(), davpath.Root)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, get := s.Get(t.Context(), at("/a"))
	_, moving := s.Moves(t.Context())
	_, stored := s.Locks(t.Context())
	_, member := members.Get("a")
	calls := []error{get, moving, stored, member, s.Patch(t.Context(), at("/a"), set("x", "2")), s.Update(t.Context(), props.Delete{}),
		s.Update(t.Context()), s.Put(locks.Lock{}), s.Delete("t"), s.Flush(t.Context())}
	for _, err := range next {
		calls = append(calls, err)
	}
	for i, err := range calls {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("call %d: got %v, want %v", i, err, ErrClosed)
		}
	}
}

func TestCancelled(t *testing.T) {
	s := fresh(t)
	for i := range 2 * batchEntries {
		commitTogether(s, func(t *txn) error { return t.patch(at(fmt.Sprint("/", i)), set("x", "1")) })
		if i == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range s.All(ctx, davpath.Root) {
		if err != nil {
			t.Fatal(err)
		}
		cancel() // what was read already may come
	}
	for _, err := range s.All(ctx, davpath.Root) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("All: got %v, want %v", err, context.Canceled)
		}
	}
	members := s.Members(ctx, davpath.Root)
	if _, err := members.Get("1"); !errors.Is(err, context.Canceled) {
		t.Errorf("Members: got %v, want %v", err, context.Canceled)
	}
	if err := s.Patch(ctx, at("/a"), set("x", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("Patch: got %v, want %v", err, context.Canceled)
	}

	// A call that waits for a commit returns when its context ends, and has changed nothing.
	ctx, cancel = context.WithCancel(t.Context())
	hold, held := make(chan struct{}), make(chan struct{})
	go s.enqueue(t.Context(), &change{apply: func(*txn) error { close(held); <-hold; return nil }})
	<-held
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := s.Patch(ctx, at("/a"), set("x", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("Patch that waits: got %v, want %v", err, context.Canceled)
	}
	close(hold)
	if got := value(t, s, at("/a")); got != "" {
		t.Errorf("/a is %q, want nothing", got)
	}
}

// A slow consumer does not block changes, nor make the file grow.
func TestSlowConsumer(t *testing.T) {
	s := fresh(t)
	const n = 3*batchEntries + 1
	commitTogether(s, func(t *txn) error {
		for i := range n {
			if err := t.patch(at(fmt.Sprintf("/c/%05d", i)), set("x", fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	})
	seen := 0
	grow := func() {
		if seen++; seen%batchEntries == 1 {
			patch(t, s, at(fmt.Sprint("/big/", seen)), set("x", string(make([]byte, 1<<20))))
		}
	}
	members := s.Members(t.Context(), davpath.Must("/c"))
	for i := range n {
		if ps, err := members.Get(fmt.Sprintf("%05d", i)); err != nil || len(ps) != 1 || string(ps[0].InnerXML) != fmt.Sprint(i) {
			t.Fatalf("member %d: got %v, %v", i, ps, err)
		}
		grow()
	}
	for e, err := range s.All(t.Context(), davpath.Must("/c")) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("/c/%05d", seen-n); e.Path.String() != want || string(e.Properties[0].InnerXML) != fmt.Sprint(seen-n) {
			t.Fatalf("got %s, want %s", e.Path, want)
		}
		grow()
	}
	if seen != 2*n {
		t.Errorf("saw %d members, want %d twice", seen, n)
	}
}

// A listing finds each name, whichever names it skips and whichever are not stored.
func TestMembersInBatches(t *testing.T) {
	s := fresh(t)
	const n = 5 * batchEntries
	commitTogether(s, func(t *txn) error {
		for i := range n {
			if err := t.patch(at(fmt.Sprintf("/c/%05d", i)), set("x", fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	})
	for _, step := range []int{1, 2, 3, 5, batchEntries - 1, batchEntries, batchEntries + 1, n - 1} {
		members := s.Members(t.Context(), davpath.Must("/c"))
		for i := 0; i < n; i += step {
			name := fmt.Sprintf("%05d", i)
			ps, err := members.Get(name)
			if err != nil || len(ps) != 1 || string(ps[0].InnerXML) != fmt.Sprint(i) {
				t.Fatalf("every %d: %s has %v, %v", step, name, ps, err)
			}
			if ps, err := members.Get(name + "x"); err != nil || len(ps) > 0 {
				t.Fatalf("every %d: %sx has %v, %v", step, name, ps, err)
			}
		}
	}
}

// A batch begins at the name that is asked for: large entries are not read for others.
func TestMembersOfLargeEntries(t *testing.T) {
	s := fresh(t)
	big := strings.Repeat("x", 1<<20)
	for i := range 5 {
		patch(t, s, at(fmt.Sprint("/c/", i)), append(set("x", fmt.Sprint(i)), set("y", big)...))
	}
	members := s.Members(t.Context(), davpath.Must("/c"))
	for i := range 5 {
		ps, err := members.Get(fmt.Sprint(i))
		if err != nil || len(ps) != 2 || string(ps[0].InnerXML) != fmt.Sprint(i) || string(ps[1].InnerXML) != big {
			t.Fatalf("%d: %d properties, %v", i, len(ps), err)
		}
		if got := len(members.(*memberReader).batch.data); got > 2<<20 {
			t.Errorf("%d bytes were read at once", got)
		}
	}
}
