//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/control"
)

const annsLock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner><href>Ann &#x9b;Lee</href></owner></lockinfo>`

// runs runs a command and returns what it prints, its exit status, and its line of error.
func runs(t *testing.T, args ...string) (stdout string, code int, stderr string) {
	t.Helper()
	var out, log buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code = run(ctx, args, &out, &log)
	return out.String(), code, log.String()
}

func lock(t *testing.T, url string) {
	t.Helper()
	if code, body := do(t, "LOCK", url, annsLock, "Depth", "0"); code != 200 && code != 201 {
		t.Fatalf("LOCK %s = %d %s", url, code, body)
	}
}

func TestLocks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a \u009b"), nil, 0o600); err != nil { // no client can make it
		t.Fatal(err)
	}
	s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0", "--prefix", "/dav")
	if _, code, stderr := runs(t, "locks", "list", dir); code != 1 || !strings.Contains(stderr, "no server answers on "+dir) {
		t.Errorf("without a lock: %d %s", code, stderr)
	}
	lock(t, s.base+"a%20%C2%9B")
	lock(t, s.base+"b")
	want := "PATH         USER  DEPTH  SCOPE      LEFT              OWNER\n" +
		"\"/a \\u009b\"  -     0      exclusive  1h0m0s of 1h0m0s  Ann ?Lee\n" +
		"/b           -     0      exclusive  1h0m0s of 1h0m0s  Ann ?Lee\n"
	for _, place := range []string{dir, filepath.Join(dir, ".dav207", "state.db"), filepath.Join(dir, ".dav207", "state.db.sock")} {
		if got, code, stderr := runs(t, "locks", "list", place); got != want || code != 0 || stderr != "" {
			t.Errorf("locks list %s: %d %q\n%s, want\n%s", place, code, stderr, got, want)
		}
	}
	line, code, _ := runs(t, "locks", "list", dir, "--json")
	var l control.Lock
	if err := json.NewDecoder(strings.NewReader(line)).Decode(&l); err != nil || l.Path != "/a \u009b" || code != 0 || cli.OneLine(line) != strings.ReplaceAll(line, "\n", "?") {
		t.Errorf("--json prints %q, %+v, %v", line, l, err)
	}
	if got, code, stderr := runs(t, "locks", "break", dir, "/b", "/c", "/"); code != 1 || strings.Count(got, "\n") != 2 ||
		!strings.Contains(stderr, `"/c": no lock is there; "/": no lock is there`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("locks break: %d %s %s", code, got, stderr)
	}
	if code, _ := do(t, "PUT", s.base+"b", "x"); code != 204 {
		t.Errorf("PUT after the lock was broken = %d", code)
	}
	if !strings.Contains(s.stderr.String(), `level=INFO msg="lock broken" name=/b user="" scope=exclusive by=`) {
		t.Errorf("the log does not say who broke what:\n%s", s.stderr.String())
	}
	for _, method := range []string{"GET", "PROPFIND", "DELETE"} {
		if code, _ := do(t, method, s.base+".dav207/state.db.sock", ""); code != 404 {
			t.Errorf("%s of the socket = %d, want 404", method, code)
		}
	}
	s.stop(t)
	if _, err := os.Lstat(filepath.Join(dir, ".dav207", "state.db.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	if _, code, stderr := runs(t, "locks", "break", dir, "/b"); code != 1 || !strings.Contains(stderr, "no server answers") {
		t.Errorf("without a server: %d %s", code, stderr)
	}
}

// README.md shows what "dav207 locks" prints.
func TestReadmeShowsLocks(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	letter := control.Lock{Path: "/letter.docx", User: "ann", Depth: "0", Scope: "exclusive", Timeout: 3600, Left: 3252, Owner: "Ann Lee"}
	plans := control.Lock{Path: "/plans", Depth: "infinity", Scope: "shared", Timeout: 600, Left: 598, Owner: "http://example.com/ben"}
	for command, locks := range map[string][]control.Lock{"list photos": {letter, plans}, "break photos /letter.docx": {letter}} {
		var shown strings.Builder
		out := newLockPrinter(&shown, false)
		for _, l := range locks {
			out.print(l)
		}
		out.table.Flush()
		if want := "\n$ dav207 locks " + command + "\n" + shown.String(); !strings.Contains(string(page), want) {
			t.Errorf("README.md does not hold\n%s", want)
		}
	}
}

// An administrator does not wait for requests that wait for each other.
func TestLocksOfBusyServer(t *testing.T) {
	dir := t.TempDir()
	s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0")
	lock(t, s.base+"f")
	body, sent := io.Pipe()
	ended := make(chan struct{})
	for range 20 { // uploads that do not end
		go func() {
			r, _ := http.NewRequest("PUT", s.base+"g", body)
			if res, err := http.DefaultClient.Do(r); err == nil {
				res.Body.Close()
			}
			ended <- struct{}{}
		}()
	}
	if got, code, stderr := runs(t, "locks", "break", dir, "/f"); code != 0 || !strings.Contains(got, "/f") {
		t.Errorf("locks break: %d %s %s", code, got, stderr)
	}
	sent.CloseWithError(io.ErrUnexpectedEOF)
	for range 20 {
		<-ended
	}
}

// TestControl says where the socket is.
func TestControl(t *testing.T) {
	at := filepath.Join(socketDir(t), "s")
	for _, tt := range []struct {
		args  string
		place string // for locks list; "" is the directory
		err   string // of locks list
	}{
		{"", "", ""},
		{"--state=memory", "", "no server answers"},
		{"--control=off", "", "no server answers"},
		{"--control=" + at, at, ""},
		{"--state=memory --control=" + at, at, ""},
		{"--memory --control=" + at, at, ""},
		{"--state=" + at + ".db", at + ".db", ""},
	} {
		dir := t.TempDir()
		args := append([]string{"serve", "--addr", "127.0.0.1:0"}, strings.Fields(tt.args)...)
		if !strings.Contains(tt.args, "--memory") {
			args = append(args, dir)
		}
		s := startCommand(t, args...)
		lock(t, s.base+"f")
		if tt.place == "" {
			tt.place = dir
		}
		got, code, stderr := runs(t, "locks", "list", tt.place)
		if (code == 0) != (tt.err == "") || !strings.Contains(stderr, tt.err) || code == 0 && !strings.Contains(got, "\n/f ") {
			t.Errorf("%s: locks list: %d %s %s", tt.args, code, got, stderr)
		}
		s.stop(t)
	}
	dir := t.TempDir()
	refused(t, 1, "is in the directory that is served", "serve", dir, "--control", filepath.Join(dir, "s"))
	refused(t, 1, "choose another with --control", "serve", dir, "--control", filepath.Join(at, "none", "s"))
}

// A server that was killed leaves its socket, which the next one replaces.
func TestControlAfterKill(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		cmd := exec.Command(os.Args[0], "serve", dir, "--addr", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), "DAV207_TEST_MAIN=1")
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		base := awaitURL(stdout)
		do(t, "LOCK", base+"f", annsLock) // the second time it is locked already
		if got, code, stderr := runs(t, "locks", "list", dir); code != 0 || !strings.Contains(got, "\n/f ") {
			t.Errorf("locks list: %d %s %s", code, got, stderr)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	if _, err := os.Lstat(filepath.Join(dir, ".dav207", "state.db.sock")); err != nil {
		t.Errorf("a killed server leaves no socket, so nothing was tested: %v", err)
	}
}

// Other users cannot use the socket, also where they can reach it.
func TestControlOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can run a command as another user")
	}
	dir := socketDir(t)
	os.Chmod(dir, 0o777)
	at := filepath.Join(dir, "s")
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--control", at)
	lock(t, s.base+"f")
	program := filepath.Join(dir, "dav207")
	text, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(program, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "locks", "break", at, "/f")
	cmd.Env = append(os.Environ(), "DAV207_TEST_MAIN=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not allowed to use "+at) {
		t.Errorf("another user: %v %s", err, out)
	}
	if got, _, _ := runs(t, "locks", "list", at); !strings.Contains(got, "\n/f ") {
		t.Errorf("the lock is gone: %s", got)
	}
}

// In a service the state lies where systemd keeps it, unless --state says otherwise.
func TestStateDirectory(t *testing.T) {
	for _, tt := range []struct {
		args, want string // want is a name in $STATE_DIRECTORY, "" if nothing is kept there
	}{
		{"", "state.db"},
		{"--state=memory", ""},
	} {
		kept, dir := t.TempDir(), t.TempDir()
		t.Setenv("STATE_DIRECTORY", kept+":/var/lib/other")
		serving(t, dir, func(base string) { lock(t, base+"f") }, strings.Fields(tt.args)...)
		names, err := filepath.Glob(filepath.Join(kept, "*"))
		if got := strings.TrimPrefix(strings.Join(names, " "), kept+"/"); err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.args, got, err, tt.want)
		}
		if _, err := os.Stat(filepath.Join(dir, ".dav207")); err == nil {
			t.Errorf("%q: there is a state in the directory", tt.args)
		}
	}
	startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0") // no mistake
}
