package locks

import (
	"errors"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"dav207/server/davpath"
)

// memJournal is a Journal in memory. Its methods return fail, and change nothing while it is set.
type memJournal struct {
	locks map[string]Lock
	fail  error
}

func newMemJournal() *memJournal { return &memJournal{locks: make(map[string]Lock)} }

func (m *memJournal) Put(l Lock) error {
	if m.fail == nil {
		m.locks[l.Token] = l
	}
	return m.fail
}

func (m *memJournal) Delete(tokens ...string) error {
	if m.fail == nil {
		for _, token := range tokens {
			delete(m.locks, token)
		}
	}
	return m.fail
}

// mustEqual fails the test unless the journal holds the locks of the table in their current state.
func (m *memJournal) mustEqual(t *testing.T, table *Table) {
	t.Helper()
	if got, want := len(m.locks), table.Len(); got != want {
		t.Fatalf("the journal has %d locks, want %d", got, want)
	}
	for token, l := range m.locks {
		if held, ok := table.Lookup(token); !ok || !held.Expires.Equal(l.Expires) {
			t.Fatalf("%s: the journal has it until %v, want %v (%v)", l.Root, l.Expires, held.Expires, ok)
		}
	}
}

func TestJournal(t *testing.T) {
	var c clock
	j := newMemJournal()
	table := New(&Options{Now: c.now, Journal: j})
	a, b := create(t, table, "/a X"), create(t, table, "/b X")
	create(t, table, "/c/d X")
	j.mustEqual(t, table)
	c.advance(time.Minute)
	if _, err := table.Refresh(a.Token, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	j.mustEqual(t, table)
	if err := table.Unlock(b.Token); err != nil {
		t.Fatal(err)
	}
	j.mustEqual(t, table)
	table.Remove(davpath.Must("/c"))
	j.mustEqual(t, table)
	create(t, table, "/e X")
	c.advance(time.Hour)
	if table.Len() != 1 {
		t.Fatalf("got %d locks, want the refreshed one", table.Len())
	}
	j.mustEqual(t, table)
}

func TestJournalFails(t *testing.T) {
	var c clock
	j := newMemJournal()
	table := New(&Options{Now: c.now, Journal: j})
	a := create(t, table, "/a X")
	create(t, table, "/b/c X")
	j.fail = syscall.ENOSPC
	if _, err := table.Create(parse("/d X")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Create: got %v, want %v", err, j.fail)
	}
	c.advance(time.Second)
	if _, err := table.Refresh(a.Token, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Refresh: got %v, want %v", err, j.fail)
	}
	if err := table.Unlock(a.Token); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Unlock: got %v, want %v", err, j.fail)
	}
	if l, ok := table.Lookup(a.Token); !ok || !l.Expires.Equal(a.Expires) || table.Len() != 2 {
		t.Errorf("after failures: got %v %v, want what was there before", l, ok)
	}
	if got := describe(table.Remove(davpath.Must("/b"))); got != "/b/c X" {
		t.Errorf("Remove: got %q, want the lock of what is gone to end all the same", got)
	}
	j.fail = nil
	if len(j.locks) != 2 {
		t.Fatalf("the journal has %d locks, want 2: its Delete failed", len(j.locks))
	}
	create(t, table, "/e X")
	j.mustEqual(t, table)
}

// writesThenFails is a Journal whose Put stores the lock and then returns an error.
type writesThenFails struct{ *memJournal }

func (h writesThenFails) Put(l Lock) error {
	h.memJournal.Put(l)
	return syscall.EIO
}

func TestJournalWritesThenFails(t *testing.T) {
	j := writesThenFails{newMemJournal()}
	table := New(&Options{Journal: j})
	if _, err := table.Create(parse("/a X")); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want %v", err, syscall.EIO)
	}
	if len(j.locks) != 0 {
		t.Error("a lock that was not granted would be restored at the next start")
	}
}

// TestUndeletedIsBounded: the table keeps at most MaxLocks tokens that a journal failed to delete.
func TestUndeletedIsBounded(t *testing.T) {
	j := newMemJournal()
	table := New(&Options{Journal: j, MaxLocks: 10})
	for range 100 {
		j.fail = nil
		table.undeleted = nil
		create(t, table, "/a X")
		j.fail = syscall.EIO
		table.undeleted = append(table.undeleted, make([]string, 30)...)
		table.Remove(davpath.Root)
		if len(table.undeleted) > 10 {
			t.Fatalf("%d undeleted tokens, want no more than 10", len(table.undeleted))
		}
		if last := table.undeleted[len(table.undeleted)-1]; last == "" {
			t.Fatal("the latest token was dropped, want the oldest to go")
		}
	}
}

func TestRestore(t *testing.T) {
	var c clock
	at := c.now()
	lock := func(token, short string, timeout, left time.Duration) Lock {
		l := parse(short)
		l.Token, l.Timeout, l.Expires = token, timeout, at.Add(left)
		return l
	}
	j := newMemJournal()
	all := []Lock{
		lock("1", "/a Xi", time.Hour, time.Minute),
		lock("2", "/b X", time.Hour, 0),               // expired
		lock("3", "/a/b X", time.Hour, time.Minute),   // in conflict with the first
		lock("1", "/c X", time.Hour, time.Minute),     // the same token
		lock("", "/d X", time.Hour, time.Minute),      // none
		lock("4", "/e S", time.Hour, 1000*time.Hour),  // the clock was set back
		lock("5", "/e S", 48*time.Hour, 40*time.Hour), // the maximum was lowered
		lock("6", "/f X", 0, 30*time.Minute),          // written without its timeout
	}
	for _, l := range all {
		j.Put(l)
	}
	table := New(&Options{Now: c.now, Journal: j, MaxLocks: 2})
	if got := describe(table.Restore(all)); got != "/b X, /a/b X, /c X, /d X" {
		t.Errorf("dropped: got %q", got)
	}
	if got := slices.Sorted(maps.Keys(j.locks)); !slices.Equal(got, []string{"1", "4", "5", "6"}) {
		t.Errorf("the journal keeps %q, want those restored", got)
	}
	for token, left := range map[string]time.Duration{"1": time.Minute, "4": time.Hour, "5": 24 * time.Hour, "6": 30 * time.Minute} {
		if l, ok := table.Lookup(token); !ok || table.Remaining(l) != left {
			t.Errorf("lock %s: got %v, %v, want %v", token, table.Remaining(l), ok, left)
		}
	}
	if _, err := table.Create(parse("/g X")); !errors.Is(err, ErrTooMany) {
		t.Errorf("the bounds hold for new ones: got %v, want %v", err, ErrTooMany)
	}
	checkInvariants(t, table)
}

// TestRestoreWithSystemClock uses time.Now, whose monotonic reading a journal does not store.
func TestRestoreWithSystemClock(t *testing.T) {
	j := newMemJournal()
	before := New(&Options{Journal: j})
	l := create(t, before, "/a X")
	l.Expires = l.Expires.Round(0).UTC()
	after := New(&Options{Journal: j})
	after.Restore([]Lock{l})
	create(t, after, "/b X")
	if got, err := after.Refresh(l.Token, 0); err != nil || got.Token != l.Token {
		t.Errorf("got %v, %v, want the same lock", got, err)
	}
	checkInvariants(t, after)
}
