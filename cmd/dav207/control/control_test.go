package control

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/server/davpath"
	"dav207/server/locks"
)

// socketDir returns a directory with a short name.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "dav")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start starts a server and closes it at the end of the test.
func start(t *testing.T, path string, table *locks.Table, log *slog.Logger) {
	t.Helper()
	s, err := Start(path, table, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
}

// failing is a journal that cannot delete while fail is set, or cannot sync while sync is.
type failing struct{ fail, sync error }

func (f *failing) Put(locks.Lock) error             { return nil }
func (f *failing) Delete(...string) error           { return f.fail }
func (f *failing) Flush(ctx context.Context) error  { return f.sync }
func (f *failing) Sync(context.Context, bool) error { return f.sync }
func create(t *testing.T, table *locks.Table, l locks.Lock) {
	t.Helper()
	if _, err := table.Create(l); err != nil {
		t.Fatal(err)
	}
}

func TestListAndBreak(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	journal := &failing{}
	table := locks.New(&locks.Options{Now: func() time.Time { return now }, Journal: journal})
	create(t, table, locks.Lock{Root: davpath.Root, Principal: "root"})
	create(t, table, locks.Lock{Root: davpath.Must("/a"), Infinite: true, Principal: "ann", Timeout: time.Minute, Owner: []byte("<D:href>Ann</D:href>")})
	create(t, table, locks.Lock{Root: davpath.Must("/b\n\xff"), Shared: true})
	create(t, table, locks.Lock{Root: davpath.Must("/b\n\xff"), Shared: true})
	now = now.Add(1500 * time.Millisecond)
	var log strings.Builder
	socket := filepath.Join(socketDir(t), "s")
	start(t, socket, table, slog.New(slog.NewTextHandler(&log, nil)))

	var got []Lock
	list := func() []Lock {
		got = nil
		if err := List(t.Context(), socket, func(l Lock) error { got = append(got, l); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := []Lock{
		{"/", "root", "0", "exclusive", 3600, 3599, ""},
		{"/a", "ann", "infinity", "exclusive", 60, 59, "Ann"},
		{"/b\n\ufffd", "", "0", "shared", 3600, 3599, ""},
		{"/b\n\ufffd", "", "0", "shared", 3600, 3599, ""},
	}
	if list(); len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("lock %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	for _, tt := range []struct {
		path       string
		fail, sync error
		broken     int
		err        string // what the error holds, "" for none
	}{
		{"/none", nil, nil, 0, "no lock is there"},
		{"/a/b", nil, nil, 0, `no lock is there: it is covered by the one on "/a"`},
		{"/../x", nil, nil, 0, "malformed"},
		{"/a", errors.New("no disk"), nil, 0, "no disk"},
		{"a/", nil, nil, 1, ""},
		{"/a", nil, nil, 0, "no lock is there"},
		{"/b\n\xff", nil, nil, 2, ""},
		{"/", nil, errors.New("no disk"), 0, "may exist again after a restart"},
	} {
		journal.fail, journal.sync = tt.fail, tt.sync
		broken, err := Break(t.Context(), socket, tt.path, "dan\n")
		if len(broken) != tt.broken || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("Break(%q) = %v, %v, want %d and %q", tt.path, broken, err, tt.broken, tt.err)
		}
		if errors.Is(err, ErrNoLock) != strings.Contains(tt.err, "no lock") {
			t.Errorf("Break(%q): %v", tt.path, err)
		}
	}
	if list(); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
	for line, n := range map[string]int{
		`level=INFO msg="lock broken" name=/a user=ann scope=exclusive by="dan\n"`:     1,
		`level=INFO msg="lock broken" name="/b\n\xff" user="" scope=shared by="dan\n"`: 2,
		`level=INFO msg="lock broken" name=/ user=root scope=exclusive by="dan\n"`:     1,
		"\n": 4,
	} {
		if got := strings.Count(log.String(), line); got != n {
			t.Errorf("the log has %d times %s, want %d:\n%s", got, line, n, log.String())
		}
	}
}

func TestOwnerText(t *testing.T) {
	for owner, want := range map[string]string{
		"":                             "",
		"Ann":                          "Ann",
		"<D:href>http://x/</D:href>":   "http://x/",
		"<a>Ann</a><b>Lee</b>\r\n\t x": "Ann Lee x",
		"&#x9b;2J\u202eAnn&#10;x":      "?2J?Ann x",
		"a&lt;b>c":                     "a<b>c",
		"<a><b>broken":                 "broken",
		"<!-- no --><?no no?>yes":      "yes",
		strings.Repeat("ä", 300):       strings.Repeat("ä", 199) + "…",
	} {
		if got := ownerText([]byte(owner)); got != want {
			t.Errorf("ownerText(%q) = %q, want %q", owner, got, want)
		}
	}
}
