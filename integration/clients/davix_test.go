package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// TestDavix runs the test suite of davix, which requests several ranges at once in many ways (RFC
// 9110 §15.3.7.2), and its programs.
func TestDavix(t *testing.T) {
	tester := harness.RealClient(t, "davix-tester", "apt-get install davix-tests")
	programs := harness.RealClient(t, "davix-get", "apt-get install davix")
	eachProgram(t, func(t *testing.T, s *harness.Site, _ string) {
		home := t.TempDir()
		c := &client{TB: t, path: tester, dir: home, env: []string{"HOME=" + home}}
		// The tester deletes files only if the URL ends in this name. "proxy" means a
		// certificate, which is optional.
		said := c.run("--auth", "proxy", "--uri", s.At("/davix-tests"), "--command", "fulltest")
		passed, failed := strings.Count(said, "[OK]"), strings.Count(said, "[FAIL]")
		if passed != 108 || failed > 0 {
			t.Errorf("%d of 108 checks passed, %d failed:\n%s", passed, failed, said)
		}

		of := func(name string) *client {
			return &client{TB: t, path: filepath.Join(filepath.Dir(programs), name), dir: home}
		}
		program := func(name string, args ...string) string {
			t.Helper()
			return of(name).run(args...)
		}
		local, fetched := filepath.Join(home, "local"), filepath.Join(home, "fetched")
		harness.WriteFile(t, local, 300_000)
		program("davix-mkdir", s.At("/d"))
		program("davix-put", local, s.At("/put it"))
		// The exit status of davix-mv is 255 in any case (davix 0.8.4).
		of("davix-mv").try(s.At("/put it"), s.At("/d/moved"))
		program("davix-get", s.At("/d/moved"), fetched)
		want, err := os.ReadFile(local)
		if got, _ := os.ReadFile(fetched); err != nil || string(got) != string(want) {
			t.Errorf("davix-get = %d bytes, %v, want %d", len(got), err, len(want))
		}
		if said := program("davix-ls", "-l", s.At("/d/")); !regexp.MustCompile(`^-\S+ \d+ +300000 .* moved\n$`).MatchString(said) {
			t.Errorf("davix-ls prints %q", said)
		}
		program("davix-rm", s.At("/d/moved"))
		s.Want(404, "GET", "/d/moved", "")
	}, "--prefix", "/a b")
}
