package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"dav207/server"
)

// etags returns the entity tag of a file from everywhere it is told, which must be one and the same.
func (s *site) etag(name string) string {
	s.Helper()
	get := s.want(200, "GET", name, "").Header.Get("ETag")
	head := s.want(200, "HEAD", name, "").Header.Get("ETag")
	a := s.want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "0")
	found := ""
	for _, r := range decode(s, a.Body) {
		for _, p := range r.Propstat {
			if code(p.Status) == 200 && len(p.Prop.List) == 1 {
				found = strings.NewReplacer("&#34;", `"`, "&quot;", `"`).Replace(p.Prop.List[0].Inner)
			}
		}
	}
	if get != head || get != found || !strongTag.MatchString(get) {
		s.Errorf("the entity tag of %s is %s for GET, %s for HEAD, %s for PROPFIND, want one strong tag", name, get, head, found)
	}
	return get
}

var strongTag = regexp.MustCompile(`^"[!#-~]+"$`) // RFC 9110 §8.8.3, without what is not ASCII

// TestEntityTag follows one file. Its tag changes with its content and with nothing else (clients requirement 11).
func TestEntityTag(t *testing.T) {
	const dead = `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:p">1</p></prop></set></propertyupdate>`
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			files, _ := b.open(t)
			s := serve(t, files, &server.Options{Prefix: "/dav"})
			s.want(201, "MKCOL", "/c", "")
			put := func(name, body string, header ...string) string {
				t.Helper()
				a := s.do("PUT", name, body, header...)
				if a.Status != 201 && a.Status != 204 {
					t.Fatalf("PUT %s = %d", name, a.Status)
				}
				tag := s.etag(name)
				if got := a.Header.Get("ETag"); got != tag {
					t.Errorf("PUT %s says %s, and it is %s", name, got, tag)
				}
				return tag
			}
			seen := map[string]string{}
			other := func(what, tag string) {
				t.Helper()
				if before, ok := seen[tag]; ok {
					t.Errorf("after %s the tag is %s, as after %s", what, tag, before)
				}
				seen[tag] = what
			}
			same := func(what, name, tag string) {
				t.Helper()
				if got := s.etag(name); got != tag {
					t.Errorf("%s changed the tag from %s to %s", what, tag, got)
				}
			}
			tag := put("/c/f", "a")
			other("the first PUT", tag)
			for i := range 100 { // within a tick of any clock, and of one size
				tag = put("/c/f", string(rune('a'+i%26)))
				other(fmt.Sprint("PUT ", i), tag)
			}
			for i := range 20 { // with one time that the client says
				tag = put("/c/f", string(rune('a'+i%26)), "X-OC-Mtime", "784111777")
				other(fmt.Sprint("PUT with a time ", i), tag)
			}
			tag = put("/c/f", "")
			other("PUT of nothing", tag)

			s.want(207, "PROPPATCH", "/c/f", dead)
			same("PROPPATCH", "/c/f", tag)
			token := s.lock("/c/f", "0")
			same("LOCK", "/c/f", tag)
			s.want(200, "LOCK", "/c/f", "", "If", "(<"+token+">)")
			same("the refresh", "/c/f", tag)
			s.want(204, "UNLOCK", "/c/f", "", "Lock-Token", "<"+token+">")
			same("UNLOCK", "/c/f", tag)
			s.want(200, "GET", "/c/f", "")
			s.want(201, "COPY", "/c/f", "", "Destination", "dest:/copy")
			same("COPY of it", "/c/f", tag)
			s.want(201, "MOVE", "/c/f", "", "Destination", "dest:/c/g")
			same("MOVE", "/c/g", tag)
			s.want(201, "MOVE", "/c", "", "Destination", "dest:/d")
			same("MOVE of its collection", "/d/g", tag)
			s.want(201, "PUT", "/d/sibling", "x")
			s.want(204, "DELETE", "/d/sibling", "")
			same("another member", "/d/g", tag)

			// What a name stands for changes, so must the tag: by MOVE and COPY over it, by LOCK of what is not there.
			x, y := put("/x", "1"), put("/y", "2")
			other("PUT of another", x)
			other("PUT of a third", y)
			s.want(204, "MOVE", "/x", "", "Destination", "dest:/y")
			if got := s.etag("/y"); got == y {
				t.Errorf("MOVE over a file left its tag %s", y)
			}
			z := put("/z", "3")
			s.want(204, "COPY", "/z", "", "Destination", "dest:/y")
			if got := s.etag("/y"); got == y || got == x {
				t.Errorf("COPY over a file left its tag %s", got)
			}
			s.want(204, "DELETE", "/z", "")
			if again := put("/z", "4"); again == z {
				t.Errorf("DELETE and PUT made the old tag %s", z)
			}
			s.want(201, "LOCK", "/empty", lockBody)
			other("LOCK of nothing", s.etag("/empty"))
		})
	}
}

// A tag is there at once, and an update that was lost shows: of many who read one version, one writes.
func TestEntityTagsGuardUpdates(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			files, _ := b.open(t)
			s := serve(t, files, nil)
			tag := s.want(201, "PUT", "/f", "0").Header.Get("ETag")
			for i := range 50 {
				first := s.want(204, "PUT", "/f", fmt.Sprint(i%10), "If-Match", tag).Header.Get("ETag")
				s.want(412, "PUT", "/f", "lost", "If-Match", tag)
				s.want(412, "DELETE", "/f", "", "If-Match", tag)
				s.want(412, "PUT", "/f", "lost", "If", "(["+tag+"])")
				tag = first
			}
			s.want(200, "GET", "/f", "", "If-Match", tag)
		})
	}
}
