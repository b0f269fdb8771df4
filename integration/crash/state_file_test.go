package crash

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server/davpath"
)

const (
	stateSecret = "the secret of the server"
	stateTemp   = davpath.TempPrefix + "4PJOVFH3UZX2G6CSIY5QTWEBRN"
)

// stateful serves a tree with some files. If state is true there are also state directories and
// temp files. On a disk there are links to those, which are broken if state is false. still fails
// the test if the state directories or temp files have changed.
func stateful(t *testing.T, kind string, state bool) (s *harness.Site, still func()) {
	t.Helper()
	var files fsbackend.Backend
	dir := t.TempDir()
	if kind == "memory" {
		files = memory.New(nil).Backend()
	} else {
		files = harness.DiskTree(t, dir, nil)
	}
	for _, name := range []string{"/c", "/c/d", "/e"} {
		harness.Mkdir(t, files, name)
	}
	for _, name := range []string{"/c/f", "/f"} {
		harness.PutContent(t, files, name, "content")
	}
	own := []string{"/.dav207/state", "/c/d/.dav207/state", "/" + stateTemp, "/.DAV207/state"}
	if state {
		for _, d := range []string{"/.dav207", "/.DAV207", "/c/d/.dav207"} {
			if err := files.Mkdir(t.Context(), davpath.Must(d)); err != nil {
				own = own[:3] // a file system that ignores case
			}
		}
		for _, name := range own {
			harness.PutContent(t, files, name, stateSecret)
		}
	}
	if kind == "disk" {
		for name, target := range map[string]string{
			"ls": ".dav207", "c/ls": "../.dav207/", "lcase": ".DAV207", "lstate": ".dav207/state", "c/d/lst": "./.dav207/state", "ltemp": stateTemp,
			"chain": "c/ls", "c/up": "..",
		} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Skip("no symbolic links here: ", err)
			}
		}
	}
	return harness.Serve(t, files, nil), func() {
		t.Helper()
		if !state {
			return
		}
		for _, name := range own {
			if got := harness.ReadContent(t, files, name); got != stateSecret {
				t.Errorf("%s = %q, want it unchanged", name, got)
			}
			if members := harness.ListMembers(t, files, path.Dir(name)); strings.Count(name, "/") > 1 && len(members) != 1 {
				t.Errorf("the directory of %s has %v, want that file only", name, members)
			}
		}
	}
}

// Requests must not reach the state directory and temp files, with any method, spelling or link:
// the answer must be that of a server without them. A link to them is a broken link.
func TestStateIsHidden(t *testing.T) {
	names := []string{
		"/.dav207", "/.dav207/", "/.dav207/state", "/.dav207/none", "/c/d/.dav207/state", "/.DAV207/state", "/.dAv207", "/" + stateTemp,
		"/" + strings.ToLower(stateTemp), "/.dav207./state", "/.dav207 /state", "/.dav207::$INDEX_ALLOCATION/state", "/.dav\u200c207/state",
		"/c/../.dav207/state", "/./.dav207//state",
	}
	links := []string{"/ls/state", "/ls/", "/ls/none", "/c/ls/state", "/lcase/state", "/chain/state", "/c/up/ls/state", "/c/up/.dav207/state",
		"/c/d/lst", "/lstate", "/ltemp", "/ls"}
	for _, kind := range []string{"memory", "disk"} {
		all := names
		if kind == "disk" {
			all = append(slices.Clone(names), links...)
		}
		for _, name := range all {
			t.Run(kind+" "+harness.NoSlash(name), func(t *testing.T) {
				with, still := stateful(t, kind, true)
				without, _ := stateful(t, kind, false)
				for _, tt := range []struct {
					method, name, body string
					header             []string
				}{
					{"GET", name, "", nil},
					{"HEAD", name, "", nil},
					{"OPTIONS", name, "", nil},
					{"PROPFIND", name, "", []string{"Depth", "0"}},
					{"PROPFIND", name, "", []string{"Depth", "infinity"}},
					{"PROPPATCH", name, harness.SetMark, nil},
					{"LOCK", name, harness.LockBody, nil},
					{"UNLOCK", name, "", []string{"Lock-Token", "<urn:uuid:01234567-89ab-cdef-0123-456789abcdef>"}},
					{"PUT", "/f", "x", []string{"If", "<" + name + "> ([\"x\"])"}},
					{"PUT", "/f", "x", []string{"If", "<" + name + "> (Not [\"x\"])"}},
					{"PUT", name, "mine", []string{"If-Match", "*"}},
					{"PUT", name, "mine", nil},
					{"MKCOL", name, "", nil},
					{"MKCOL", name + "/new", "", nil},
					{"COPY", name, "", []string{"Destination", "dest:/got"}},
					{"MOVE", name, "", []string{"Destination", "dest:/moved"}},
					{"COPY", "/f", "", []string{"Destination", "dest:" + name, "Overwrite", "F"}},
					{"COPY", "/f", "", []string{"Destination", "dest:" + name}},
					{"COPY", "/e/", "", []string{"Destination", "dest:" + name}},
					{"MOVE", "/f", "", []string{"Destination", "dest:" + name}},
					{"MOVE", "/e/", "", []string{"Destination", "dest:" + name}},
					{"DELETE", name, "", nil},
					{"PUT", name, "mine", nil},
				} {
					got, want := with.Do(tt.method, tt.name, tt.body, tt.header...), without.Do(tt.method, tt.name, tt.body, tt.header...)
					if got.Status != want.Status {
						t.Errorf("%s %s %q = %d, want %d as without state\n%s", tt.method, tt.name, tt.header, got.Status, want.Status, got.Body)
					}
					if strings.Contains(got.Body, "secret") || strings.Contains(strings.ReplaceAll(got.Body, name, ""), ".dav207") {
						t.Errorf("%s %s shows the state: %s", tt.method, tt.name, got.Body)
					}
					still()
				}
				if got, want := with.Tree("/"), without.Tree("/"); !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q as without state", got, want)
				}
			})
		}
	}
}

// Requests for the collections that contain the state must not show, copy or delete it.
func TestStateIsNoMember(t *testing.T) {
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			s, still := stateful(t, kind, true)
			for _, r := range harness.DecodeMultistatus(t, s.Want(207, "PROPFIND", "/", "", "Depth", "infinity").Body) {
				if strings.Contains(strings.ToLower(r.Href), "dav207") || strings.Contains(r.Href, "state") && !strings.HasSuffix(r.Href, "/lstate") {
					t.Errorf("%s is listed", r.Href)
				}
				for _, link := range []string{"/ls", "/c/ls", "/lcase", "/lstate", "/c/d/lst", "/ltemp", "/chain"} {
					if r.Href == link { // GET of a broken link is 404
						t.Errorf("the link %s is listed", link)
					}
				}
			}
			if index := s.Want(200, "GET", "/", ""); strings.Contains(index.Body, ".dav207") {
				t.Errorf("the index shows the state: %s", index.Body)
			}
			s.Do("COPY", "/c/", "", "Destination", "dest:/copy/")
			for _, name := range []string{"/copy/d/.dav207/state", "/copy/ls/state", "/copy/ls", "/copy/d/lst"} {
				s.Want(404, "GET", name, "")
			}
			// The copy has no state of its own, so it can be deleted; collections with state stay.
			if got := harness.OneLine(t, s.Do("DELETE", "/copy/", "")); got != "204" {
				t.Errorf("DELETE of the copy = %s, want 204", got)
			}
			for _, name := range s.Tree("/")[1:] {
				if strings.Count(name, "/") == 1 || strings.HasSuffix(name, "/") && strings.Count(name, "/") == 2 {
					s.Do("DELETE", name, "")
				}
			}
			still()
			if got, want := s.Tree("/"), []string{"/", "/c/", "/c/d/"}; !slices.Equal(got, want) {
				t.Errorf("tree = %q, want %q", got, want)
			}
		})
	}
}
