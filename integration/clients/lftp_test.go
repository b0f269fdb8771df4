package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// lftp returns the client. It lists collections by their HTML index, or with PROPFIND if it is
// configured to.
func lftp(s *harness.Site) *client {
	s.Helper()
	home := s.TempDir()
	return &client{TB: s, path: harness.RealClient(s, "lftp", "apt-get install lftp"), dir: home, env: []string{"HOME=" + home, "LC_ALL=C.UTF-8"}}
}

// TestLftp mirrors a tree with odd names to the server and back, and lists and changes it.
func TestLftp(t *testing.T) {
	for _, propfind := range []string{"no", "yes"} {
		t.Run("use-propfind "+propfind, func(t *testing.T) {
			eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
				c := lftp(s)
				lftp := func(commands ...string) string {
					t.Helper()
					settings := []string{"set cmd:fail-exit yes", "set net:max-retries 2", "set net:timeout 20",
						// Otherwise each PROPPATCH after a PUT waits for 15 s.
						"set net:reconnect-interval-base 0",
						"set http:use-propfind " + propfind}
					return c.run("--norc", "-e", strings.Join(append(append(settings, commands...), "bye"), "; "), s.At("/"))
				}
				local := oddTree(t)
				lftp("mkdir tree", fmt.Sprintf("mirror -R '%s' tree", local))
				if dir != "" {
					sameTree(t, filepath.Join(dir, "tree"), local, true)
				}
				for i, options := range []string{"", "--continue", "--ignore-time", "--parallel=4 --use-pget-n=3"} {
					got := filepath.Join(c.dir, fmt.Sprint("got", i))
					if options == "--continue" { // resumes a partial file
						part, err := os.ReadFile(filepath.Join(local, "large"))
						if err == nil {
							err = os.MkdirAll(got, 0o777)
						}
						if err == nil {
							err = os.WriteFile(filepath.Join(got, "large"), part[:1<<20], 0o666)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					lftp(fmt.Sprintf("mirror %s tree '%s'", options, got))
					sameTree(t, got, local, true)
				}

				// lftp must not read the size and the year as one number.
				said := lftp("cls -l --time-style=%Y tree/")
				for _, name := range []string{"large", "plain.txt"} {
					info, err := os.Stat(filepath.Join(local, name))
					if err != nil {
						t.Fatal(err)
					}
					if !regexp.MustCompile(fmt.Sprintf(`(?m)^ *%d [0-9 ]*tree/%s$`, info.Size(), regexp.QuoteMeta(name))).MatchString(said) {
						t.Errorf("lftp does not print %s with %d bytes:\n%s", name, info.Size(), said)
					}
				}

				// A collection without its slash is a collection: a file put into it is not created
				// beside it.
				name := filepath.Join(c.dir, "a+b")
				if err := os.WriteFile(name, []byte("new"), 0o666); err != nil {
					t.Fatal(err)
				}
				s.Want(201, "PUT", "/a+b", "beside")
				s.Want(201, "MKCOL", "/d e", "")
				lftp("cd 'd e'", "put a+b")
				lftp("put -O 'd e' a+b -o c", "mv 'd e/c' 'd e/%2B'")
				for name, want := range map[string]string{"/a+b": "beside", "/d e/a+b": "new", "/d e/%2B": "new"} {
					if got := s.Want(200, "GET", name, "").Body; got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
				lftp("rm 'd e/a+b'", "rm -r 'd e'", "rm -r tree")
				if got := s.Tree("/"); !slices.Equal(got, []string{"/", "/a+b"}) {
					t.Errorf("tree = %q", got)
				}
			}, "--prefix", "/a+b c")
		})
	}
}
