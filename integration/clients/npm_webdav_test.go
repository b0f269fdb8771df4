package clients

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// npmWebDAV is the package that TestNpmWebDAV uses, in the version that .ci/run installs.
const npmWebDAV = "webdav@5.11.0"

// TestNpmWebDAV runs testdata/npm-webdav.mjs, a session of npm's package webdav, which throws on an
// unexpected answer. On the disk there is a collection with a pipe and with links that are broken
// or lead out of the tree.
func TestNpmWebDAV(t *testing.T) {
	node, script := npmScript(t, "npm-webdav.mjs", npmWebDAV)
	eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
		kind := "memory"
		if dir != "" {
			kind = "disk"
			makeOdd(t, filepath.Join(dir, "odd"))
		}
		c := &client{TB: t, path: limited(t), dir: t.TempDir(), env: []string{"NODE_NO_WARNINGS=1"}}
		if said := c.run(limit, node, script, s.At("/"), kind); said != "" {
			t.Errorf("the session prints %s", said)
		}
		want := []string{"/", "/c/", "/c/large", "/c/plain.txt", "/deep/", "/deep/er/", "/deep/er/est/"}
		got := s.Tree("/")
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s is missing: %q", name, got)
			}
		}
		if slices.Contains(got, "/odd/") {
			t.Error("/odd/ still exists")
		}
	}, "--prefix", "/a b")
}

// makeOdd creates a file, a directory, a pipe, and links that are broken or lead out of the tree.
func makeOdd(t *testing.T, dir string) {
	t.Helper()
	mkfifo := harness.RealClient(t, "mkfifo", "apt-get install coreutils")
	if err := os.MkdirAll(filepath.Join(dir, "d"), 0o777); err != nil {
		t.Fatal(err)
	}
	harness.WriteFile(t, filepath.Join(dir, "f"), 5)
	for name, to := range map[string]string{"broken": "none", "out": os.TempDir(), "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(mkfifo, filepath.Join(dir, "pipe")).CombinedOutput(); err != nil {
		t.Fatalf("mkfifo: %v\n%s", err, out)
	}
}

// If a member cannot be described other clients must list the rest, and must not treat the member
// as a file.
func TestListingWithAPipe(t *testing.T) {
	dir := t.TempDir()
	makeOdd(t, filepath.Join(dir, "odd"))
	s := startProgram(t, dir)
	want := []string{"d", "f"}
	t.Run("gowebdav", func(t *testing.T) {
		if got := listed(t, gowebdavClient(s), "/odd"); !slices.Equal(got, want) {
			t.Errorf("ReadDir = %q, want %q", got, want)
		}
	})
	t.Run("rclone", func(t *testing.T) {
		of := *s
		of.TB = t // the subtest is skipped without rclone
		if got := slices.Sorted(maps.Keys(list(rcloneClient(&of, "other"), "dav:odd"))); !slices.Equal(got, want) {
			t.Errorf("lsjson = %q, want %q", got, want)
		}
	})
	t.Run("cadaver", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), harness.RealClient(t, "cadaver", "apt-get install cadaver"), "-t", s.At("/odd/"))
		home := t.TempDir()
		cmd.Dir, cmd.Stdin = home, strings.NewReader("ls\nquit\n")
		cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		for _, line := range []string{"Listing collection `/odd/': succeeded.", `Error: +pipe +403 Forbidden`, `Coll: +d `, `  f +5 `} {
			if err != nil || !regexp.MustCompile(line).Match(out) {
				t.Errorf("ls: %v, does not print %q:\n%s", err, line, out)
			}
		}
		if strings.Contains(string(out), "broken") {
			t.Errorf("ls lists a broken link:\n%s", out)
		}
	})
}
