package rfc4918

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// A lock is on the resource, and not on one of its names (RFC 4918 §6.1: "a lock either directly or
// indirectly locks a resource"). So a request through a link needs the token, too.
func TestLocksHoldUnderEveryName(t *testing.T) {
	const submit = "423 lock-token-submitted(/k/)"
	const update = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:"/></prop></set></propertyupdate>`
	for _, tt := range []struct{ rule, method, name, dst, body, want string }{
		{"§7.5 the file by a link to it", "PUT", "/lf", "", "x", submit},
		{"§7.5 the file by a linked collection", "PUT", "/kk/f", "", "x", submit},
		{"§7.5 through two links", "PUT", "/k3/f", "", "x", submit},
		{"§7.5 properties", "PROPPATCH", "/lf", "", update, submit},
		{"§7.4 a new member", "PUT", "/kk/new", "", "x", submit},
		{"§7.4 a new collection", "MKCOL", "/kk/new", "", "", submit},
		{"§7.4 a member goes", "DELETE", "/kk/f", "", "", submit},
		{"§7.4 a member is moved out", "MOVE", "/kk/f", "/moved", "", submit},
		{"§7.4 a member is moved in", "MOVE", "/g", "/kk/g", "", submit},
		{"§7.4 a copy comes", "COPY", "/g", "/kk/g", "", submit},
		{"§9.8.5 a copy over it", "COPY", "/g", "/lf", "", submit},
		{"§9.10.4 a locked empty resource", "LOCK", "/kk/new", "", harness.LockBody, submit},
		{"§9.10.5 another lock on the file", "LOCK", "/lf", "", harness.LockBody, "423 no-conflicting-lock(/k/)"},
		{"§9.10.5 another lock on the collection", "LOCK", "/kk/", "", harness.LockBody, "423 no-conflicting-lock(/k/)"},
		{"to read needs no token", "GET", "/lf", "", "", "200"},
		{"to copy from it needs no token", "COPY", "/lf", "/copy", "", "201"},
		{"the link itself is not locked: DELETE", "DELETE", "/lf", "", "", "204"},
		{"the link itself is not locked: DELETE of a linked collection", "DELETE", "/kk", "", "", "204"},
		{"the link itself is not locked: MOVE", "MOVE", "/lf", "/lf2", "", "201"},
		{"what is not below is not locked", "PUT", "/g", "", "x", "204"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			s, dir := harness.ServeDir(t, nil, "/k/f", "/g", "/lf -> k/f", "/kk -> k", "/k3 -> kk")
			before := harness.ListDir(t, dir)
			s.Lock("/k/", "infinity")
			var header []string
			if tt.dst != "" {
				header = []string{"Destination", "dest:" + tt.dst}
			}
			if got := harness.OneLine(t, s.Do(tt.method, tt.name, tt.body, header...)); got != tt.want {
				t.Errorf("%s %s %s = %s, want %s", tt.method, tt.name, tt.dst, got, tt.want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "k", "f")); string(b) != "/k/f" {
				t.Errorf("/k/f = %q, %v", b, err)
			}
			if got := harness.ListDir(t, dir); strings.HasPrefix(tt.want, "423") && got != before {
				t.Errorf("tree = %s, want %s", got, before)
			}
		})
	}
}

// A lock taken under one name is listed under the others and can be removed there (§6.1, §9.11).
func TestLockThroughLinks(t *testing.T) {
	const discovery = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	for _, tt := range []struct{ rule, locked, other, unlock string }{
		{"a link to the file", "/k/f", "/lf", "/lf"},
		{"the file, locked by its link", "/lf", "/k/f", "/k/f"},
		{"a linked collection", "/k/f", "/kk/f", "/kk/f"},
		{"a member of a collection, locked by its link", "/kk/", "/k/f", "/lf"},
		{"a member of a collection by a link to it", "/k/", "/lf", "/kk/f"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			s, _ := harness.ServeDir(t, nil, "/k/f", "/lf -> k/f", "/kk -> k")
			token := s.Lock(tt.locked, "infinity")
			for _, name := range []string{tt.locked, tt.other} {
				if a := s.Want(207, "PROPFIND", name, discovery, "Depth", "0"); !strings.Contains(a.Body, token) {
					t.Errorf("lockdiscovery of %s = %s", name, a.Body)
				}
			}
			if got := harness.OneLine(t, s.Do("PUT", tt.other, "x")); !strings.HasPrefix(got, "423") {
				t.Errorf("PUT %s = %s, want 423", tt.other, got)
			}
			s.Want(204, "PUT", tt.other, "x", "If", "(<"+token+">)")
			s.Want(200, "LOCK", tt.other, "", "If", "(<"+token+">)")
			s.Want(204, "UNLOCK", tt.unlock, "", "Lock-Token", "<"+token+">")
			s.Want(204, "PUT", tt.other, "x")
		})
	}
}

// Locks on members are found if the request names the collection through a link (RFC 4918 §9.9.6,
// §9.10.3).
func TestLocksBelowThroughLinks(t *testing.T) {
	for _, tt := range []struct{ rule, method, name, dst, want string }{
		{"§9.9.4 MOVE keeps a locked member", "MOVE", "/kk/d/", "/moved/", "207 /kk/d/f=423 lock-token-submitted"},
		{"§9.6.1 DELETE", "DELETE", "/kk/d/", "", "207 /kk/d/f=423 lock-token-submitted"},
		{"§9.8.4 COPY of a file over it", "COPY", "/g", "/kk/d", "207 /kk/d/f=423 lock-token-submitted"},
		{"§9.9.3 MOVE of a collection over it", "MOVE", "/e/", "/kk/d/", "207 /kk/d/f=423 lock-token-submitted"},
		{"§9.10.3 LOCK", "LOCK", "/kk/", "", "207 /k/d/f=423 no-conflicting-lock /kk/=424"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			s, dir := harness.ServeDir(t, nil, "/k/d/f", "/g", "/e/", "/kk -> k")
			s.Lock("/k/d/f", "0")
			var header []string
			body := ""
			if tt.dst != "" {
				header = []string{"Destination", "dest:" + tt.dst}
			}
			if tt.method == "LOCK" {
				body = harness.LockBody
			}
			if got := harness.OneLine(t, s.Do(tt.method, tt.name, body, header...)); got != tt.want {
				t.Errorf("%s %s %s = %s, want %s", tt.method, tt.name, tt.dst, got, tt.want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "k", "d", "f")); string(b) != "/k/d/f" {
				t.Errorf("/k/d/f = %q, %v", b, err)
			}
		})
	}
}

// A lock ends when its resource is deleted under any name (§6.1), but not when a link is deleted.
func TestLocksEndThroughLinks(t *testing.T) {
	s, _ := harness.ServeDir(t, nil, "/k/f", "/lf -> k/f", "/kk -> k")
	token := s.Lock("/kk/f", "0")
	s.Want(204, "DELETE", "/lf", "")
	if got, want := harness.OneLine(t, s.Do("PUT", "/k/f", "x")), "423 lock-token-submitted(/k/f)"; got != want {
		t.Errorf("PUT after DELETE of the link = %s, want %s", got, want)
	}
	s.Want(204, "DELETE", "/kk/f", "", "If", "(<"+token+">)")
	s.Want(201, "PUT", "/k/f", "x")
}

// A broken link exists for DELETE and for replacing it, so conditions such as Overwrite apply to it
// (§9.6, §9.8.5, §10.6).
func TestBrokenLink(t *testing.T) {
	for _, tt := range []struct {
		rule, method, name string
		header             []string
		want               string
		stays              bool
	}{
		{"§9.6 DELETE", "DELETE", "/broken", nil, "204", false},
		{"§10.4 DELETE, If false", "DELETE", "/broken", []string{"If", "(<urn:x:y>)"}, "412", true},
		{"§10.4 DELETE, If true", "DELETE", "/broken", []string{"If", "(Not <urn:x:y>)"}, "204", false},
		{"RFC 9110 §13.1.1 DELETE, If-Match of another", "DELETE", "/broken", []string{"If-Match", `"x"`}, "412", true},
		{"RFC 9110 §13.1.1 DELETE, If-Match of what has no representation", "DELETE", "/broken", []string{"If-Match", "*"}, "412", true},
		{"§9.8.5 COPY, Overwrite: F", "COPY", "/f", []string{"Destination", "dest:/broken", "Overwrite", "F"}, "412", true},
		{"§9.9.4 MOVE, Overwrite: F", "MOVE", "/f", []string{"Destination", "dest:/broken", "Overwrite", "F"}, "412", true},
		{"§9.9.3 MOVE over it", "MOVE", "/f", []string{"Destination", "dest:/broken"}, "204", false},
		{"§9.3.1 MKCOL: GET is 404, so it is not that something is there", "MKCOL", "/broken", nil, "403", true},
		{"§9.3.1 MKCOL with a slash", "MKCOL", "/broken/", nil, "403", true},
		{"§9.3.1 MKCOL below it", "MKCOL", "/broken/c", nil, "409", true},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			s, dir := harness.ServeDir(t, nil, "/f", "/broken -> none/none")
			if got := harness.OneLine(t, s.Do(tt.method, tt.name, "", tt.header...)); got != tt.want {
				t.Errorf("%s %s %q = %s, want %s", tt.method, tt.name, tt.header, got, tt.want)
			}
			_, err := os.Readlink(filepath.Join(dir, "broken"))
			if (err == nil) != tt.stays {
				t.Errorf("Lstat of the link: %v; it must stay: %v", err, tt.stays)
			}
			if _, err := os.Stat(filepath.Join(dir, "f")); tt.stays && err != nil {
				t.Errorf("/f: %v", err)
			}
		})
	}
}

// Source and destination must not contain each other under any of their names (§9.8.5, §9.9.4).
func TestOverlapThroughLinks(t *testing.T) {
	resources := []string{"/k/a/b/f", "/k/a/g", "/kk -> k", "/l/b -> ../k/a/b"}
	for _, tt := range []struct{ rule, src, dst string }{
		{"over an ancestor that a link leads through", "/kk/a/b", "/k/a"},
		{"over an ancestor by its other name", "/k/a/b/f", "/kk/a"},
		{"a linked source over what holds it", "/l/b/f", "/k/a"},
		{"into itself", "/k/a", "/kk/a/b/new"},
		{"into itself by a linked parent", "/k/a", "/l/b/new"},
		{"onto itself", "/k/a/g", "/kk/a/g"},
		{"a collection onto itself", "/kk/a/", "/k/a/"},
	} {
		for _, method := range []string{"COPY", "MOVE"} {
			t.Run(harness.NoSlash(method+" "+tt.rule), func(t *testing.T) {
				s, dir := harness.ServeDir(t, nil, resources...)
				before := harness.ListDir(t, dir)
				if got := harness.OneLine(t, s.Do(method, tt.src, "", "Destination", "dest:"+tt.dst)); got != "403" {
					t.Errorf("%s %s %s = %s, want 403", method, tt.src, tt.dst, got)
				}
				if got := harness.ListDir(t, dir); got != before {
					t.Errorf("tree = %s, want %s", got, before)
				}
			})
		}
	}
}

// If a link in the source leads into the destination the copy would contain itself without end. It
// is answered with 508 (RFC 5842 §7.2).
func TestCopyWithLinksIntoItself(t *testing.T) {
	for _, tt := range []struct {
		rule      string
		resources []string
		src, dst  string
		want      string
		left      string // below the destination
	}{
		{"to the destination", []string{"/c/f", "/c/z -> ../x"}, "/c/", "/x/", "207 /c/z/=508", "f"},
		{"to a collection in it, on the way", []string{"/c/d/f", "/c/d/z -> ../../x/d"}, "/c/", "/x/", "207 /c/d/z/=508", "d/ d/f"},
		{"to a collection in it that is whole", []string{"/c/d/f", "/c/z -> ../x/d"}, "/c/", "/x/", "207 /c/z/=508", "d/ d/f"},
		{"by way of another link", []string{"/c/d/f", "/c/d/z -> ../../e", "/e/m -> ../x/d"}, "/c/", "/x/", "207 /c/d/z/m/=508", "d/ d/f d/z/"},
		{"to a collection that holds the destination", []string{"/c/f", "/c/z -> ../p", "/p/q/"}, "/c/", "/p/q/x/", "207 /c/z/q/x/=508", "f z/ z/q/"},
		{"to a file in it", []string{"/c/f", "/c/z -> ../x/f"}, "/c/", "/x/", "201", "f z"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			s, dir := harness.ServeDir(t, nil, tt.resources...)
			if got := harness.OneLine(t, s.Do("COPY", tt.src, "", "Destination", "dest:"+tt.dst)); got != tt.want {
				t.Errorf("COPY %s %s = %s, want %s", tt.src, tt.dst, got, tt.want)
			}
			if got := harness.ListDir(t, filepath.Join(dir, tt.dst)); got != tt.left {
				t.Errorf("members of the copy = %s, want %s", got, tt.left)
			}
			harness.NoTemps(t, dir)
		})
	}
}

// A link that is broken or leads out of the tree is no resource: GET is 404. A listing omits it
// (RFC 4918 §9.1: it "SHOULD NOT include any 'response' elements for resources that are not
// WebDAV-compliant"). DELETE of its collection removes it (§9.6.1).
func TestLinksToNothingAreNotListed(t *testing.T) {
	nowhere := []string{"/c/broken -> none", "/c/deep -> none/none", "/c/absolute -> /etc/passwd", "/c/out -> ../../../etc/passwd",
		"/c/own -> ../.dav207/state", "/c/loop -> loop", "/c/a -> b", "/c/b -> a", "/c/through -> f/x",
		"/c/long -> " + strings.Repeat("n", 300), "/c/d/broken -> none"}
	s, dir := harness.ServeDir(t, nil, append(nowhere, "/c/f", "/c/in -> f", "/c/d/", "/.dav207/state")...)
	for _, link := range nowhere {
		name, _, _ := strings.Cut(link, " ")
		s.Want(404, "GET", name, "")
		s.Want(404, "PROPFIND", name, "", "Depth", "0")
	}
	want := []string{"/c/", "/c/d/", "/c/f", "/c/in"}
	if got := s.Tree("/c/"); !slices.Equal(got, want) {
		t.Errorf("PROPFIND lists %q, want %q", got, want)
	}
	index := s.Want(200, "GET", "/c/", "").Body
	if got := strings.Count(index, "<a "); got != 4 { // one is the parent
		t.Errorf("the index has %d links, want 4:\n%s", got, index)
	}
	if got := strings.Count(index, "<tr>"); got != 5 { // one is the head of the table
		t.Errorf("the index has %d rows, want 5:\n%s", got, index)
	}
	s.Want(204, "DELETE", "/c/", "")
	if got, want := harness.ListDir(t, dir), ".dav207/ .dav207/state"; got != want {
		t.Errorf("tree = %q, want %q", got, want)
	}
}
