package boltprops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

var (
	_ locks.Journal = (*Store)(nil)
	_ locks.Syncer  = (*Store)(nil)
)

// Locks are restored with all their fields (RFC 4918 §6, §14.17).
func TestJournal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, &Options{Lazy: true})
	if got, err := s.Locks(t.Context()); err != nil || got != nil {
		t.Fatalf("before there is a file: got %v, %v", got, err)
	}
	for _, l := range someLocks {
		if err := s.Put(l); err != nil {
			t.Fatal(err)
		}
	}
	later := someLocks[0]
	later.Expires = later.Expires.Add(time.Minute)
	if err := s.Put(later); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(someLocks[1].Token, "unknown"); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.commits.Load(); got != 1 {
		t.Errorf("what waited together took %d commits, want one", got)
	}
	if got, err := s.Locks(t.Context()); err != nil || !reflect.DeepEqual(got, []locks.Lock{later, someLocks[2]}) {
		t.Errorf("got %+v, %v, want the later state of the first, and the third", got, err)
	}
	if err := s.Delete(later.Token); err != nil {
		t.Fatal(err)
	}
	s.Close() // writes what waits
	s = start(t, file, nil)
	if got, err := s.Locks(t.Context()); err != nil || !reflect.DeepEqual(got, someLocks[2:]) {
		t.Errorf("opened again: got %+v, %v, want the third alone", got, err)
	}
}

// A restored table has the locks of the previous one.
func TestRestore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, nil)
	before := locks.New(&locks.Options{Journal: s})
	held := map[string]locks.Lock{}
	for i := range 100 {
		l, err := before.Create(locks.Lock{Root: davpath.Must(fmt.Sprintf("/%d", i)), Principal: "ann", Owner: []byte("me")})
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			if err := before.Unlock(l.Token); err != nil {
				t.Fatal(err)
			}
		case 1:
			if l, err = before.Refresh(l.Token, 2*time.Hour); err != nil {
				t.Fatal(err)
			}
			fallthrough
		default:
			held[l.Token] = l
		}
		if i == 50 { // some in a later transaction than those they follow
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Close()
	s = start(t, file, nil)
	stored, err := s.Locks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := locks.New(&locks.Options{Journal: s})
	if dropped := after.Restore(stored); len(dropped) > 0 {
		t.Errorf("dropped %v", dropped)
	}
	if got := after.Len(); got != len(held) {
		t.Errorf("%d locks, want %d", got, len(held))
	}
	for token, want := range held {
		if got, ok := after.Lookup(token); !ok || got.Timeout != want.Timeout || got.Expires.Sub(want.Expires).Abs() > time.Millisecond || got.Root != want.Root {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// A failed write is logged, and tried again with the next commit: a lock that was removed must not
// come back.
func TestJournalFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "no", "dir")
	s, err := Open(filepath.Join(dir, "state"), &Options{Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(someLocks[0]); err != nil {
		t.Fatalf("a lock is granted before it is written: %v", err)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Error("Flush says that it was written")
	}
	if err := s.Patch(t.Context(), at("/a"), set("x", "1")); err == nil {
		t.Error("Patch says that it was written")
	}
	if err := os.Mkdir(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	patch(t, s, at("/a"), set("x", "1"))
	if got, err := s.Locks(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("got %d locks, %v, want the one that could not be written before", len(got), err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// Sync returns when a lock can be written; with SyncLocks, when it is written.
func TestSync(t *testing.T) {
	written := func(s *Store) (n int) {
		t.Helper()
		all, err := s.Locks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	mustSync := func(s *Store, granted bool, want int) {
		t.Helper()
		if err := s.Sync(t.Context(), granted); err != nil {
			t.Fatal(err)
		}
		if got := written(s); got != want {
			t.Errorf("%d locks are written, want %d", got, want)
		}
	}
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, &Options{Lazy: true})
	s.delay = time.Hour
	s.Put(someLocks[0])
	mustSync(s, true, 1) // the file had to be made
	s.Put(someLocks[1])
	mustSync(s, true, 1)
	s.Delete(someLocks[1].Token)
	mustSync(s, false, 1)
	s.lockErr = errTooManyPending // the last time
	s.Put(someLocks[2])
	mustSync(s, false, 1)
	mustSync(s, true, 2)
	s.Close()

	s = start(t, file, &Options{SyncLocks: true})
	s.delay = time.Hour
	s.Put(someLocks[1])
	mustSync(s, true, 3)
	s.Delete(someLocks[0].Token)
	mustSync(s, false, 2)
}

// Sync returns an error if the file cannot be created or is in use, and not one that says that a
// resource is missing or forbidden.
func TestSyncFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	one, two := start(t, file, &Options{Lazy: true}), start(t, file, &Options{Lazy: true})
	if err := errors.Join(one.Put(someLocks[0]), one.Sync(t.Context(), true)); err != nil {
		t.Fatal(err)
	}
	two.Put(someLocks[0])
	if err := two.Sync(t.Context(), true); multistatus.StatusOf(err) != 503 {
		t.Errorf("the second server: got %v, want a InUseError, which is 503", err)
	}
	two.Delete(someLocks[0].Token)
	if err := two.Flush(t.Context()); err != nil {
		t.Errorf("a lock that was taken back: %v", err)
	}
	nowhere := start(t, filepath.Join(t.TempDir(), "no", "dir", "state"), &Options{Lazy: true})
	for _, err := range []error{nowhere.Patch(t.Context(), at("/a"), set("x", "1")), errors.Join(nowhere.Put(someLocks[0]), nowhere.Sync(t.Context(), true))} {
		if multistatus.StatusOf(err) != 500 {
			t.Errorf("in no directory: got %v, want what is 500", err)
		}
	}
	nowhere.Delete(someLocks[0].Token)
	nowhere.Flush(t.Context())
}

func TestJournalIsBounded(t *testing.T) {
	s := fresh(t)
	s.delay = time.Hour
	var err error
	for i := 0; i < 2*maxPending && err == nil; i++ {
		err = s.Delete(fmt.Sprint(i))
	}
	if !errors.Is(err, errTooManyPending) {
		t.Errorf("got %v, want %v", err, errTooManyPending)
	}
	if err := s.Delete("1"); err != nil {
		t.Errorf("what waits already: %v", err)
	}
}

// A damaged lock is lost, the others are not.
func TestDamagedLock(t *testing.T) {
	s := fresh(t)
	for _, l := range someLocks {
		if err := s.Put(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.state.Load().db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(locksBucket).Put([]byte(someLocks[0].Token), []byte("damaged"))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	var log bytes.Buffer
	s = start(t, s.file, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "entries=1") {
		t.Errorf("the log is %q, want the damaged entry in it", log.String())
	}
	for range 2 {
		if got, err := s.Locks(context.Background()); err != nil || !reflect.DeepEqual(got, someLocks[1:]) {
			t.Errorf("got %+v, %v, want the others", got, err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.view(t.Context(), func(tx *txn) error {
		if tx.bucket(locksBucket).Get([]byte(someLocks[0].Token)) != nil {
			t.Error("it was not forgotten")
		}
		return nil
	})
	if got := slices.Sorted(maps.Keys(s.pending)); len(got) > 0 {
		t.Errorf("%q still wait", got)
	}
}
