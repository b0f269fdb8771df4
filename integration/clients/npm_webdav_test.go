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

// npmWebDAV is the package that TestNpmWebDAV drives, in the version that .ci/run installs.
const npmWebDAV = "webdav@5.11.0"

// TestNpmWebDAV runs a session of the package webdav of npm, which throws on what it does not
// expect: see testdata/npm-webdav.mjs. On the disk there is a collection with a pipe in it, and
// with links that lead nowhere or out.
func TestNpmWebDAV(t *testing.T) {
	node := harness.RealClient(t, "node", "apt-get install nodejs npm")
	modules := os.Getenv("DAV207_NODE_MODULES")
	if _, err := os.Stat(filepath.Join(modules, "webdav")); modules == "" || err != nil {
		harness.CannotRun(t, "the package webdav is missing: npm install "+npmWebDAV+", and set DAV207_NODE_MODULES to the node_modules that it is in")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "npm-webdav.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
		kind := "memory"
		if dir != "" {
			kind = "disk"
			makeOdd(t, filepath.Join(dir, "odd"))
		}
		c := &client{TB: t, path: limited(t), dir: t.TempDir(), env: []string{"NODE_NO_WARNINGS=1"}}
		if said := c.run(limit, node, script, s.At("/"), kind); said != "" {
			t.Errorf("it says %s", said)
		}
		want := []string{"/", "/c/", "/c/large", "/c/plain.txt", "/deep/", "/deep/er/", "/deep/er/est/"}
		got := s.Tree("/")
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s is not there: %q", name, got)
			}
		}
		if slices.Contains(got, "/odd/") {
			t.Error("/odd/ is still there")
		}
	}, "--prefix", "/a b")
}

// makeOdd makes a directory of a file, a directory, a pipe, and links that lead nowhere, or out.
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

// What other clients make of a member that cannot be described: the rest is listed, and nothing is
// taken for a file.
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
		of.TB = t // which is skipped without rclone
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
				t.Errorf("ls: %v, does not say %q:\n%s", err, line, out)
			}
		}
		if strings.Contains(string(out), "broken") {
			t.Errorf("ls lists a link that leads nowhere:\n%s", out)
		}
	})
}
