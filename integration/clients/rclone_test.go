package clients

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// rcloneClient returns the client with the server as its remote "dav:".
func rcloneClient(s *harness.Site, vendor string) *client {
	s.Helper()
	home := s.TempDir()
	return &client{TB: s, path: harness.RealClient(s, "rclone", "apt-get install rclone"), dir: home, env: []string{
		"HOME=" + home, "RCLONE_CONFIG=" + filepath.Join(home, "rclone.conf"), "RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1",
		"RCLONE_NO_UNICODE_NORMALIZATION=true", // otherwise it treats two of the names as one
		"RCLONE_CONFIG_DAV_TYPE=webdav", "RCLONE_CONFIG_DAV_URL=" + s.At("/"), "RCLONE_CONFIG_DAV_VENDOR=" + vendor,
	}}
}

// entry is a file or a directory in the output of "rclone lsjson".
type entry struct {
	Path    string
	Size    int64
	ModTime time.Time
	IsDir   bool
}

func list(c *client, remote string) map[string]entry {
	c.Helper()
	var all []entry
	if err := json.Unmarshal([]byte(c.run("lsjson", "-R", remote)), &all); err != nil {
		c.Fatal(err)
	}
	out := map[string]entry{}
	for _, e := range all {
		out[e.Path] = e
	}
	return out
}

// TestRclone uploads a tree with odd names, moves and changes it, and downloads it again. With the
// vendor "owncloud" rclone sends the times of files, with "other" it does not.
func TestRclone(t *testing.T) {
	for _, vendor := range []string{"other", "owncloud"} {
		t.Run(vendor, func(t *testing.T) {
			times := vendor == "owncloud"
			eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
				t.Parallel() // rclone waits 10 ms before each request
				c := rcloneClient(s, vendor)
				local := oddTree(t)

				c.run("copy", "--create-empty-src-dirs", local, "dav:from")
				c.run("check", "--download", local, "dav:from")
				sameListing(t, list(c, "dav:from"), local, times)
				if dir != "" {
					sameTree(t, filepath.Join(dir, "from"), local, times)
				}

				// Moved on the server: as a whole, one directory of it, one file.
				c.run("move", "dav:from", "dav:at home/to & there", "--delete-empty-src-dirs")
				c.run("moveto", "dav:at home/to & there/many", "dav:at home/to & there/100% many")
				c.run("moveto", "dav:at home/to & there/a%20b", "dav:at home/to & there/a b")
				for from, to := range map[string]string{"many": "100% many", "a%20b": "a b"} {
					if err := os.Rename(filepath.Join(local, from), filepath.Join(local, to)); err != nil {
						t.Fatal(err)
					}
				}
				sameListing(t, list(c, "dav:at home/to & there"), local, times)
				if _, err := c.try("lsjson", "dav:from"); err == nil {
					t.Error("the source of the move still exists")
				}

				// Sync after changes: a new file, a changed file, a removed file, a new
				// time.
				harness.WriteFile(t, filepath.Join(local, "new dir", "new é"), 77)
				harness.WriteFile(t, filepath.Join(local, "plain.txt"), 4321)
				if err := os.RemoveAll(filepath.Join(local, "deep")); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(filepath.Join(local, "what?")); err != nil {
					t.Fatal(err)
				}
				touched := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
				if err := os.Chtimes(filepath.Join(local, "large"), touched, touched); err != nil {
					t.Fatal(err)
				}
				c.run("sync", "--create-empty-src-dirs", local, "dav:at home/to & there")
				c.run("check", "--download", local, "dav:at home/to & there")
				sameListing(t, list(c, "dav:at home/to & there"), local, times)

				// A second sync must transfer nothing.
				log := filepath.Join(c.dir, "log")
				c.run("sync", "--create-empty-src-dirs", "--dry-run", "--log-file", log, local, "dav:at home/to & there")
				if said, err := os.ReadFile(log); err != nil || strings.Contains(string(said), "Skipped") {
					t.Errorf("the second sync would transfer files: %v\n%s", err, said)
				}

				back := t.TempDir()
				c.run("copy", "--create-empty-src-dirs", "dav:at home/to & there", back)
				sameTree(t, back, local, times)

				// Copied on the server, then purged.
				c.run("copyto", "dav:at home/to & there/日本語.txt", "dav:copy of 日本語.txt")
				if want, err := os.ReadFile(filepath.Join(local, "日本語.txt")); err != nil || c.run("cat", "dav:copy of 日本語.txt") != string(want) {
					t.Errorf("the copy of a file differs, %v", err)
				}
				c.run("purge", "dav:at home")
				if got := s.Tree("/"); strings.Join(got, " ") != "/ /copy of 日本語.txt" {
					t.Errorf("tree = %q, want the copy alone", got)
				}
				if dir != "" && !strings.Contains(c.run("about", "dav:"), "Free:") {
					t.Error("rclone about does not print the free space (RFC 4331)")
				}
			})
		})
	}
}

// sameListing compares a listing with a local tree: names and sizes, and times if they were sent.
func sameListing(t testing.TB, got map[string]entry, local string, times bool) {
	t.Helper()
	want := localTree(t, local, false)
	delete(want, ".")
	for name := range want {
		fi, err := os.Stat(filepath.Join(local, name))
		if err != nil {
			t.Fatal(err)
		}
		e, ok := got[filepath.ToSlash(name)]
		switch {
		case !ok:
			t.Errorf("%q is not listed", name)
		case e.IsDir != fi.IsDir(), !e.IsDir && e.Size != fi.Size():
			t.Errorf("%q = %+v, want %d bytes, directory %v", name, e, fi.Size(), fi.IsDir())
		case times && !e.IsDir && !e.ModTime.Equal(fi.ModTime()):
			t.Errorf("%q has the time %v, want %v", name, e.ModTime, fi.ModTime())
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d names are listed, want %d", len(got), len(want))
	}
}
