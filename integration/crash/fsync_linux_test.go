package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// With "serve --fsync" a file is synced before the rename, and every directory that gained or lost
// a member is synced before the answer, once for a request. The test reads the system calls from
// strace.
func TestFsync(t *testing.T) {
	strace := harness.RealClient(t, "strace", "apt-get install strace")
	dir := t.TempDir()
	for _, name := range []string{"d/1", "d/2", "d/e/3", "d/e/4", "over", "t/a", "t/b", "f"} {
		harness.WriteFile(t, filepath.Join(dir, name), 10)
	}
	log := filepath.Join(t.TempDir(), "strace")
	// With -D the signals of the test reach the command itself.
	s := harness.StartProgramUnder(t, []string{strace, "-D", "-f", "-y", "-s", "32", "-o", log,
		"-e", "trace=fsync,fdatasync,renameat,renameat2,mkdirat,unlinkat,write"}, "--fsync", dir)
	begun := 0
	for _, tt := range []struct {
		what, method, name, dst string
		want                    string
	}{
		{"PUT of a new file", "PUT", "/new", "",
			"sync TEMP, rename TEMP new, sync ., 201"},
		{"PUT over a file", "PUT", "/over", "",
			"sync TEMP, rename TEMP over, sync ., 204"},
		{"MKCOL", "MKCOL", "/c", "",
			"mkdir c, sync ., 201"},
		{"COPY of a file", "COPY", "/over", "/c/copy",
			"sync c/TEMP, rename c/TEMP c/copy, sync c, 201"},
		{"COPY of a collection", "COPY", "/d/", "/x/",
			"mkdir x, sync x/TEMP, rename x/TEMP x/1, sync x/TEMP, rename x/TEMP x/2, " +
				"mkdir x/e, sync x/e/TEMP, rename x/e/TEMP x/e/3, sync x/e/TEMP, rename x/e/TEMP x/e/4, sync ., sync x, sync x/e, 201"},
		{"MOVE of a file", "MOVE", "/c/copy", "/moved", "rename c/copy moved, sync ., sync c, 201"},
		{"MOVE of a collection", "MOVE", "/x/", "/c/y/", "rename x c/y, sync ., sync c, 201"},
		{"MOVE over a collection: it goes when its successor is sure to stay", "MOVE", "/f", "/t",
			"mkdir TEMP, rename t TEMP/t, rename f t, sync ., sync TEMP, unlink TEMP/t/a, unlink TEMP/t/b, unlink TEMP/t, unlink TEMP, sync ., 204"},
		{"DELETE of a file", "DELETE", "/moved", "", "unlink moved, sync ., 204"},
		{"DELETE of a collection", "DELETE", "/c/y/", "",
			"unlink c/y/1, unlink c/y/2, unlink c/y/e/3, unlink c/y/e/4, unlink c/y/e, unlink c/y, sync c, 204"},
	} {
		header, body := []string(nil), ""
		if tt.dst != "" {
			header = []string{"Destination", "dest:" + tt.dst}
		}
		if tt.method == "PUT" {
			body = "content"
		}
		s.Do(tt.method, tt.name, body, header...)
		var calls []string
		harness.WaitFor(t, func() bool { // strace writes its log late
			calls = systemCalls(t, log, dir)
			return len(calls) > begun && isStatus.MatchString(calls[len(calls)-1])
		})
		if got := strings.Join(calls[begun:], ", "); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.what, got, tt.want)
		}
		begun = len(calls)
	}
	// Requests that change nothing sync nothing.
	s.Want(207, "PROPFIND", "/", "", "Depth", "infinity")
	time.Sleep(50 * time.Millisecond)
	if calls := systemCalls(t, log, dir)[begun:]; slices.ContainsFunc(calls, func(c string) bool { return !isStatus.MatchString(c) }) {
		t.Errorf("PROPFIND: %q", calls)
	}
}

var (
	isStatus   = regexp.MustCompile(`^\d{3}$`)
	tracedCall = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += 0$`)
	tracedSaid = regexp.MustCompile(`^\d+ +write\(\d+<(?:TCP|socket)[^"]*"HTTP/1\.1 (\d{3})`)
	tracedFile = regexp.MustCompile(`\d+<([^>]*)>(?:, "([^"]*)")?`)
	tempName   = regexp.MustCompile(`\.dav207-[A-Z2-7]{26}`)
)

// systemCalls returns the successful changes below dir and the answers in a log of strace, in the
// order in which they ended: "rename a b", "sync .", "201".
func systemCalls(t *testing.T, log, dir string) []string {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	begun := map[string]string{} // by thread
	for _, line := range strings.Split(string(b), "\n") {
		thread, _, _ := strings.Cut(line, " ")
		if first, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
			begun[thread] = first
			continue
		}
		if _, rest, ok := strings.Cut(line, " resumed>"); ok {
			line = begun[thread] + rest
		}
		if m := tracedSaid.FindStringSubmatch(line); m != nil {
			calls = append(calls, m[1])
			continue
		}
		m := tracedCall.FindStringSubmatch(line)
		if m == nil || m[2] == "write" {
			continue
		}
		call := strings.NewReplacer("unlinkat", "unlink", "renameat2", "rename", "renameat", "rename", "mkdirat", "mkdir",
			"fdatasync", "sync", "fsync", "sync").Replace(m[2])
		below := false
		for _, f := range tracedFile.FindAllStringSubmatch(m[3], -1) {
			rel, err := filepath.Rel(dir, filepath.Join(f[1], f[2]))
			below = below || err == nil && !strings.HasPrefix(rel, "..")
			call += " " + tempName.ReplaceAllString(rel, "TEMP")
		}
		if below {
			calls = append(calls, call)
		}
	}
	return calls
}
