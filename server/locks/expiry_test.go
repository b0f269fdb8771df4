package locks

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"dav207/server/davpath"
)

func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		rule          string
		o             Options
		request, want time.Duration
	}{
		{"default", Options{}, 0, time.Hour},
		{"default for a negative timeout", Options{}, -1, time.Hour},
		{"as requested", Options{}, 3 * time.Minute, 3 * time.Minute},
		{"rounded up to seconds", Options{}, 1500 * time.Millisecond, 2 * time.Second},
		{"never below one second", Options{}, 1, time.Second},
		{"default maximum", Options{}, Infinite, 24 * time.Hour},
		{"own maximum", Options{MaxTimeout: time.Minute}, Infinite, time.Minute},
		{"the maximum bounds the default", Options{MaxTimeout: time.Minute}, 0, time.Minute},
		{"own default", Options{DefaultTimeout: time.Minute}, 0, time.Minute},
		{"a maximum below one second", Options{MaxTimeout: 1}, Infinite, time.Second},
		{"10.7 no more than 2^32-1 seconds", Options{MaxTimeout: Infinite}, Infinite, maxSeconds * time.Second},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var c clock
			tt.o.Now = c.now
			table := New(&tt.o)
			l, err := table.Create(Lock{Timeout: tt.request})
			if err != nil {
				t.Fatal(err)
			}
			if l.Timeout != tt.want || !l.Expires.Equal(c.now().Add(tt.want)) {
				t.Errorf("Create: got %v until %v, want %v", l.Timeout, l.Expires, tt.want)
			}
			l, err = table.Refresh(l.Token, tt.request)
			if err != nil || l.Timeout != tt.want {
				t.Errorf("Refresh: got %v, %v, want %v", l.Timeout, err, tt.want)
			}
			c.advance(tt.want - 1)
			if _, ok := table.Lookup(l.Token); !ok {
				t.Error("expired too early")
			}
			if got := FormatTimeout(table.Remaining(l)); got != "Second-1" {
				t.Errorf("remaining: got %s, want Second-1", got)
			}
			c.advance(1)
			if _, ok := table.Lookup(l.Token); ok {
				t.Error("not expired in time")
			}
		})
	}
}

// TestExpiry calls each method one nanosecond before a lock on /a/b expires, and when it expires.
func TestExpiry(t *testing.T) {
	outcome := func(err error) string {
		var conflict *ConflictError
		switch {
		case err == nil:
			return "done"
		case errors.As(err, &conflict):
			return "conflict"
		case errors.Is(err, ErrNoSuchLock):
			return "no such lock"
		}
		return err.Error()
	}
	for _, tt := range []struct {
		rule          string
		ask           func(table *Table, token string) string
		before, after string
	}{
		{"6.6 Create", func(x *Table, _ string) string { _, err := x.Create(parse("/a/b/c X")); return outcome(err) }, "conflict", "done"},
		{"6.6 Refresh", func(x *Table, token string) string { _, err := x.Refresh(token, 0); return outcome(err) }, "done", "no such lock"},
		{"6.6 Unlock", func(x *Table, token string) string { return outcome(x.Unlock(token)) }, "done", "no such lock"},
		{"6.6 Lookup", func(x *Table, token string) string { _, ok := x.Lookup(token); return fmt.Sprint(ok) }, "true", "false"},
		{"6.6 Covering", func(x *Table, _ string) string { return describe(x.Covering(davpath.Must("/a/b/c"))) }, "/a/b Xi", ""},
		{"6.6 Below", func(x *Table, _ string) string { return describe(x.Below(davpath.Root)) }, "/a/b Xi, /long X", "/long X"},
		{"6.6 AnyBelow", func(x *Table, _ string) string { return fmt.Sprint(x.AnyBelow(davpath.Must("/a"))) }, "true", "false"},
		{"6.6 Len", func(x *Table, _ string) string { return fmt.Sprint(x.Len()) }, "2", "1"},
		{"6.6 Remove", func(x *Table, _ string) string { return describe(x.Remove(davpath.Root)) }, "/a/b Xi, /long X", "/long X"},
	} {
		for left, want := range map[time.Duration]string{1: tt.before, 0: tt.after} {
			t.Run(fmt.Sprint(tt.rule, " ", int(left), "ns left"), func(t *testing.T) {
				var c clock
				table := New(&Options{Now: c.now})
				l, err := table.Create(Lock{Root: davpath.Must("/a/b"), Infinite: true, Timeout: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				create(t, table, "/long X")
				c.advance(time.Minute - left)
				if got := tt.ask(table, l.Token); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				checkInvariants(t, table)
			})
		}
	}
}

func TestRefresh(t *testing.T) {
	var c clock
	table := New(&Options{Now: c.now})
	l := create(t, table, "/a S")
	other := create(t, table, "/a S")
	c.advance(59 * time.Minute)
	got, err := table.Refresh(l.Token, 0)
	if err != nil || got.Timeout != time.Hour || got.Expires.Sub(c.now()) != time.Hour {
		t.Fatalf("§7.7 the time starts again: got %v, %v, want another hour", got, err)
	}
	if o, _ := table.Lookup(other.Token); !o.Expires.Equal(other.Expires) {
		t.Errorf("§9.10.2 other locks are unaffected: got %v, want %v", o.Expires, other.Expires)
	}
	if got, _ = table.Refresh(l.Token, 2*time.Minute); got.Timeout != 2*time.Minute {
		t.Fatalf("§7.7 a new timeout: got %v, want 2m", got.Timeout)
	}
	c.advance(time.Minute)
	if table.Len() != 1 {
		t.Errorf("got %d locks, want the refreshed one only", table.Len())
	}
	if got, _ = table.Refresh(l.Token, 0); got.Timeout != 2*time.Minute {
		t.Errorf("§7.7 no request keeps the timeout: got %v, want 2m", got.Timeout)
	}
	checkInvariants(t, table)
}
