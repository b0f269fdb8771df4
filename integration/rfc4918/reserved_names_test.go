package rfc4918

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// Requests for reserved names have the same answer for every spelling, and whether or not the name
// exists. A request that would create a resource is 403 with a reason (RFC 4918 §9.3.1: "the server
// does not allow the creation of collections at the given location in its URL namespace"), also for
// a Destination (§9.8.5, §9.9.4). Any other request is 404. A client that waits for 100 (Continue)
// gets the same answer instead of it (RFC 9110 §10.1.1).
func TestReservedNames(t *testing.T) {
	const proppatch = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="z:"/></prop></set></propertyupdate>`
	for _, b := range harness.Backends {
		for _, name := range []string{"/.dav207", "/.dav207/", "/.dav207/state.db", "/.dav207/new/er", "/.DAV207/new", "/c/.dav207", "/c/.Dav207-new",
			"/.dav207-4PJOVFH3UZX2G6CSIY5QTWEBRN", "/.dav207-x/new", "/none/.dav207", "/.dav207.", "/.dav\u200c207"} {
			t.Run(b.Name+harness.NoSlash(name), func(t *testing.T) {
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				s.Client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute // by default the client sends the body after a second
				s.Want(201, "MKCOL", "/c/", "")
				s.Want(201, "PUT", "/c/f", "x")
				for _, tt := range []struct {
					method, name, body string
					status             int
					header             []string
				}{
					{"GET", name, "", 404, nil},
					{"HEAD", name, "", 404, nil},
					{"PROPFIND", name, "", 404, []string{"Depth", "0"}},
					{"PROPPATCH", name, proppatch, 404, nil},
					{"DELETE", name, "", 404, nil},
					{"UNLOCK", name, "", 404, []string{"Lock-Token", "<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>"}},
					{"COPY", name, "", 404, []string{"Destination", "dest:/new"}},
					{"MOVE", name, "", 404, []string{"Destination", "dest:/new"}},
					{"PUT", name, "x", 403, nil},
					{"PUT", name, strings.Repeat("x", 1<<20), 403, nil},
					{"MKCOL", name, "", 403, nil},
					{"LOCK", name, harness.LockBody, 403, nil},
					{"LOCK", name, "", 403, []string{"If", "(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)"}},
					{"COPY", "/c/f", "", 403, []string{"Destination", "dest:" + name}},
					{"COPY", "/c/", "", 403, []string{"Destination", "dest:" + name, "Overwrite", "F"}},
					{"MOVE", "/c/f", "", 403, []string{"Destination", "dest:" + name}},
					{"MOVE", "/c/", "", 403, []string{"Destination", "dest:" + name}},
				} {
					for _, expect := range [][]string{nil, {"Expect", "100-continue"}} {
						a := s.Want(tt.status, tt.method, tt.name, tt.body, slices.Concat(tt.header, expect)...)
						if reason := strings.Contains(a.Body, "The name is reserved."); reason != (tt.status == 403) {
							t.Errorf("the body of %s %s %q = %q", tt.method, tt.name, tt.header, a.Body)
						}
					}
				}
				if got, want := s.Tree("/"), []string{"/", "/c/", "/c/f"}; !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q", got, want)
				}
			})
		}
	}
}
