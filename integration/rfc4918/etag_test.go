package rfc4918

import (
	"fmt"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
)

// TestEntityTag checks that the tag of a file changes with its content and with nothing else
// (requirement 11 of clients).
func TestEntityTag(t *testing.T) {
	const dead = `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:p">1</p></prop></set></propertyupdate>`
	for _, b := range harness.Backends {
		t.Run(b.Name, func(t *testing.T) {
			files, _ := b.Open(t)
			s := harness.Serve(t, files, &server.Options{Prefix: "/dav"})
			s.Want(201, "MKCOL", "/c", "")
			put := func(name, body string, header ...string) string {
				t.Helper()
				a := s.Do("PUT", name, body, header...)
				if a.Status != 201 && a.Status != 204 {
					t.Fatalf("PUT %s = %d", name, a.Status)
				}
				tag := s.ETag(name)
				if got := a.Header.Get("ETag"); got != tag {
					t.Errorf("PUT %s returns the tag %s, GET %s", name, got, tag)
				}
				return tag
			}
			seen := map[string]string{}
			other := func(what, tag string) {
				t.Helper()
				if before, ok := seen[tag]; ok {
					t.Errorf("after %s the tag is %s, the same as after %s", what, tag, before)
				}
				seen[tag] = what
			}
			same := func(what, name, tag string) {
				t.Helper()
				if got := s.ETag(name); got != tag {
					t.Errorf("%s changed the tag from %s to %s", what, tag, got)
				}
			}
			tag := put("/c/f", "a")
			other("the first PUT", tag)
			for i := range 100 { // within a tick of any clock, with the same size
				tag = put("/c/f", string(rune('a'+i%26)))
				other(fmt.Sprint("PUT ", i), tag)
			}
			for i := range 20 { // with the same time set by the client
				tag = put("/c/f", string(rune('a'+i%26)), "X-OC-Mtime", "784111777")
				other(fmt.Sprint("PUT with a time ", i), tag)
			}
			tag = put("/c/f", "")
			other("PUT of nothing", tag)

			s.Want(207, "PROPPATCH", "/c/f", dead)
			same("PROPPATCH", "/c/f", tag)
			token := s.Lock("/c/f", "0")
			same("LOCK", "/c/f", tag)
			s.Want(200, "LOCK", "/c/f", "", "If", "(<"+token+">)")
			same("the refresh", "/c/f", tag)
			s.Want(204, "UNLOCK", "/c/f", "", "Lock-Token", "<"+token+">")
			same("UNLOCK", "/c/f", tag)
			s.Want(200, "GET", "/c/f", "")
			s.Want(201, "COPY", "/c/f", "", "Destination", "dest:/copy")
			same("COPY of it", "/c/f", tag)
			s.Want(201, "MOVE", "/c/f", "", "Destination", "dest:/c/g")
			same("MOVE", "/c/g", tag)
			s.Want(201, "MOVE", "/c", "", "Destination", "dest:/d")
			same("MOVE of its collection", "/d/g", tag)
			s.Want(201, "PUT", "/d/sibling", "x")
			s.Want(204, "DELETE", "/d/sibling", "")
			same("another member", "/d/g", tag)

			// The tag must also change if another resource gets the name: by MOVE, COPY, or LOCK of
			// an unmapped URL.
			x, y := put("/x", "1"), put("/y", "2")
			other("PUT of another", x)
			other("PUT of a third", y)
			s.Want(204, "MOVE", "/x", "", "Destination", "dest:/y")
			if got := s.ETag("/y"); got == y {
				t.Errorf("MOVE over a file left its tag %s", y)
			}
			z := put("/z", "3")
			s.Want(204, "COPY", "/z", "", "Destination", "dest:/y")
			if got := s.ETag("/y"); got == y || got == x {
				t.Errorf("COPY over a file left its tag %s", got)
			}
			s.Want(204, "DELETE", "/z", "")
			if again := put("/z", "4"); again == z {
				t.Errorf("DELETE and PUT made the old tag %s", z)
			}
			s.Want(201, "LOCK", "/empty", harness.LockBody)
			other("LOCK of nothing", s.ETag("/empty"))
		})
	}
}

// Of many clients that read the same version and send a PUT with If-Match, only one succeeds.
func TestEntityTagsGuardUpdates(t *testing.T) {
	for _, b := range harness.Backends {
		t.Run(b.Name, func(t *testing.T) {
			files, _ := b.Open(t)
			s := harness.Serve(t, files, nil)
			tag := s.Want(201, "PUT", "/f", "0").Header.Get("ETag")
			for i := range 50 {
				first := s.Want(204, "PUT", "/f", fmt.Sprint(i%10), "If-Match", tag).Header.Get("ETag")
				s.Want(412, "PUT", "/f", "lost", "If-Match", tag)
				s.Want(412, "DELETE", "/f", "", "If-Match", tag)
				s.Want(412, "PUT", "/f", "lost", "If", "(["+tag+"])")
				tag = first
			}
			s.Want(200, "GET", "/f", "", "If-Match", tag)
		})
	}
}
