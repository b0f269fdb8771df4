package rfc4918

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server/multistatus"
)

// DAV:lockdiscovery of a member must be the same in a listing of its collection and in a PROPFIND
// of the member alone. That holds for locks of the member and of its ancestors, also through links
// (RFC 4918 §6.1, §15.8).
func TestLockDiscoveryOfMembers(t *testing.T) {
	for _, b := range harness.Backends {
		t.Run(b.Name, func(t *testing.T) {
			files, dir := b.Open(t)
			s := harness.Serve(t, files, nil)
			for _, name := range []string{"/c", "/c/d", "/c/d/e", "/plain"} {
				s.Want(201, "MKCOL", name, "")
			}
			for _, name := range []string{"/c/f", "/c/g", "/c/d/h", "/c/d/e/i", "/plain/f", "/top"} {
				s.Want(201, "PUT", name, "x")
			}
			if dir != "" {
				for name, target := range map[string]string{"c/to-f": "f", "plain/to-d": "../c/d", "plain/to-top": "../top", "link": "c"} {
					if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, lock := range [][]string{nil, {"/top", "0"}, {"/c/f", "0"}, {"/c/d", "infinity"}, {"/c/d/e", "0"}, {"/c", "infinity"}, {"/", "infinity"}, {"/", "0"}} {
				unlock := func() {}
				if lock != nil {
					token := s.Lock(lock[0], lock[1])
					unlock = func() { s.Want(204, "UNLOCK", lock[0], "", "Lock-Token", "<"+token+">") }
				}
				const ask = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
				listed := 0
				for _, collection := range []string{"/", "/c/", "/plain/", "/link/"} {
					if dir == "" && collection == "/link/" {
						continue
					}
					for _, depth := range []string{"1", "infinity"} {
						for href, want := range discovered(t, s.Want(207, "PROPFIND", collection, ask, "Depth", depth).Body) {
							alone := discovered(t, s.Want(207, "PROPFIND", href, ask, "Depth", "0").Body)
							if alone[href] != want {
								t.Errorf("lock %v: %s in a listing of %s with depth %s has\n%s\nalone\n%s", lock, href, collection, depth, want, alone[href])
							}
							if want != "" {
								listed++
							}
						}
					}
				}
				if (listed > 0) != (lock != nil) {
					t.Errorf("lock %v: %d members have it in their lockdiscovery", lock, listed)
				}
				unlock()
			}
		})
	}
}

var timeLeft = regexp.MustCompile(`<D:timeout>Second-[0-9]+</D:timeout>`)

// discovered returns the lockdiscovery of each response, without the timeouts.
func discovered(t *testing.T, body string) map[string]string {
	t.Helper()
	responses, err := multistatus.Decode(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, r := range responses {
		for _, ps := range r.Propstat {
			for _, p := range ps.Prop {
				out[r.Href] = timeLeft.ReplaceAllString(string(p.InnerXML), "")
			}
		}
	}
	return out
}
