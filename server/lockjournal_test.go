package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/server/locks"
)

// failingJournal is a lock journal whose Sync and Flush return fail.
type failingJournal struct {
	fail    error
	calls   []bool
	flushed int
}

func (*failingJournal) Put(locks.Lock) error   { return nil }
func (*failingJournal) Delete(...string) error { return nil }

func (u *failingJournal) Sync(_ context.Context, granted bool) error {
	u.calls = append(u.calls, granted)
	return u.fail
}

func (u *failingJournal) Flush(context.Context) error {
	u.flushed++
	return u.fail
}

// The removal of a stale lock is on disk before a new resource has its URL, which a crash would
// leave locked.
func TestStaleLockIsFlushed(t *testing.T) {
	journal := &failingJournal{}
	files := memory.New(nil)
	h := New(files.Backend(), &Options{Locks: locks.New(&locks.Options{Journal: journal})})
	do(h, "PUT", "/f", "x")
	do(h, "LOCK", "/f", lockShared)
	if err := files.Remove("/f"); err != nil {
		t.Fatal(err)
	}
	if got := do(h, "PUT", "/f", "x"); got.StatusCode != 201 || journal.flushed != 1 {
		t.Errorf("PUT = %s, and the journal was flushed %d times, want 201 and once", got.Status, journal.flushed)
	}
}

// A lock that cannot be recorded is not granted and leaves nothing (RFC 4918 §9.10.1: 507 is among
// the responses).
func TestLockIsSynced(t *testing.T) {
	journal := &failingJournal{}
	table := locks.New(&locks.Options{Journal: journal})
	h := New(memory.New(nil).Backend(), &Options{Locks: table})
	do := func(method, name, body string, header ...string) *http.Response {
		t.Helper()
		r := httptest.NewRequest(method, name, strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	const wanted = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	for _, tt := range []struct {
		err    error
		status int
	}{{syscall.ENOSPC, 507}, {errors.New("no"), 500}} {
		journal.fail = fmt.Errorf("sync: %w", tt.err)
		if got := do("LOCK", "/f", wanted); got.StatusCode != tt.status || got.Header.Get("Lock-Token") != "" {
			t.Errorf("%v: LOCK = %s, want %d", tt.err, got.Status, tt.status)
		}
		if got := do("GET", "/f", ""); got.StatusCode != 404 || table.Len() != 0 {
			t.Errorf("%v: afterwards GET = %s and there are %d locks, want nothing", tt.err, got.Status, table.Len())
		}
	}
	journal.fail, journal.calls = nil, nil
	locked := do("LOCK", "/f", wanted)
	token := locked.Header.Get("Lock-Token")
	if locked.StatusCode != 201 {
		t.Fatalf("LOCK = %s", locked.Status)
	}
	if got := do("LOCK", "/f", "", "If", "("+token+")"); got.StatusCode != 200 {
		t.Errorf("refresh = %s", got.Status)
	}
	journal.fail = syscall.ENOSPC
	if got := do("LOCK", "/f", "", "If", "("+token+")"); got.StatusCode != 507 || table.Len() != 1 {
		t.Errorf("refresh = %s and there are %d locks, want 507 and the lock", got.Status, table.Len())
	}
	journal.fail = nil
	if got := do("UNLOCK", "/f", "", "Lock-Token", token); got.StatusCode != 204 {
		t.Errorf("UNLOCK = %s", got.Status)
	}
	if got := fmt.Sprint(journal.calls); got != "[true false false false]" {
		t.Errorf("Sync was called with %s, want a new lock, and changes of it", got)
	}
}
