package davpath

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		rule, prefix, url string
		want              string
		err               error
	}{
		{"the root", "/", "/", "/", nil},
		{"a resource", "/", "/a/b", "/a/b", nil},
		{"RFC 4918 §5.2: with and without the slash one resource", "/", "/a/b/", "/a/b", nil},
		{"RFC 3986 §6.2.2.2: escapes that need none", "/", "/%61/%7Eb", "/a/~b", nil},
		{"decoded once only", "/", "/%2561", "/%61", nil},
		{"empty segments go", "/", "//a///b", "/a/b", nil},
		{"RFC 3986 §6.2.2.3: dot segments", "/", "/a/./b/../c", "/a/c", nil},
		{"escaped dot segments", "/", "/a/%2e%2E/c", "/c", nil},
		{"dot segments that lead above the root", "/", "/a/../../c", "", ErrMalformed},
		{"escaped ones", "/", "/%2e%2e/c", "", ErrMalformed},
		{"encoded slash", "/", "/a%2Fb", "", ErrMalformed},
		{"encoded slash in dot segments", "/", "/..%2f..%2fetc", "", ErrMalformed},
		{"NUL", "/", "/a%00b", "", ErrMalformed},
		{"bad escape", "/", "/a%zz", "", ErrMalformed},
		{"cut escape", "/", "/a%4", "", ErrMalformed},
		{"no path", "/", "a/b", "", ErrMalformed},
		{"empty", "/", "", "", nil},
		{"backslash is a character", "/", `/a%5Cb`, `/a\b`, nil},
		{"what is not UTF-8 can exist", "/", "/%ff", "/\xff", nil},
		{"the prefix goes", "/dav", "/dav/a", "/a", nil},
		{"the prefix itself is the root", "/dav", "/dav", "/", nil},
		{"a prefix ends at a segment", "/dav", "/davfile", "", ErrOutside},
		{"outside", "/dav", "/", "", ErrOutside},
		{"dot segments that leave the prefix", "/dav", "/dav/../etc", "", ErrOutside},
		{"dot segments that come back", "/dav", "/dav/../dav/a", "/a", nil},
		{"a prefix of odd characters", "/ä b/c", "/%C3%A4%20b/c/d", "/d", nil},
		{"case matters", "/dav", "/DAV/a", "", ErrOutside},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			m, err := NewMapping(tt.prefix)
			if err != nil {
				t.Fatal(err)
			}
			p, err := m.Parse(tt.url)
			if tt.url == "" { // http.Request always has a path
				return
			}
			if !errors.Is(err, tt.err) {
				t.Fatalf("Parse(%q) = %v, want %v", tt.url, err, tt.err)
			}
			if err == nil && p.String() != tt.want {
				t.Errorf("Parse(%q) = %q, want %q", tt.url, p, tt.want)
			}
		})
	}
}

// Parse of an href returns the same Path. net/url and XML take the href without another escape.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/%2e%2e/", "/a%2fb", "/rem%20ote$%25%3C%3E1%20&%C3%A9%23?+;", "/%ff%00", "//", "/a/../b/."} {
		f.Add(s, "/dav")
	}
	f.Fuzz(func(t *testing.T, s, prefix string) {
		m, err := NewMapping(prefix)
		if err != nil {
			return
		}
		p, err := m.Parse(s)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrOutside) {
				t.Fatalf("Parse(%q) = %v", s, err)
			}
			return
		}
		href := m.Href(p, true)
		if again, err := m.Parse(href); err != nil || again != p {
			t.Errorf("Parse(%q) = %q, its href %q is %q, %v", s, p, href, again, err)
		}
		if u, err := url.ParseRequestURI(href); err != nil || u.EscapedPath() != href {
			t.Errorf("href %q is not a URL: %v", href, err)
		}
		if strings.ContainsAny(href, "<>&\"' \x00") {
			t.Errorf("href %q needs escaping in XML", href)
		}
		for s := range p.Segments() {
			if !ValidSegment(s) {
				t.Errorf("%q has the segment %q", p, s)
			}
		}
	})
}

// Hrefs appends the same href as AppendHref, whatever came before.
func TestHrefs(t *testing.T) {
	paths := []Path{Root, Must("/a"), Must("/a/b c"), Must("/a/b c/é"), Must("/a/b c/%"), Must("/a/z"), Must("/ab"), Root, Must("/a/b c/d")}
	for _, prefix := range []string{"", "/dav", "/a b/<c>"} {
		m, err := NewMapping(prefix)
		if err != nil {
			t.Fatal(err)
		}
		each := m.Hrefs()
		for _, p := range paths {
			for _, collection := range []bool{false, true} {
				if got, want := string(each.Append([]byte("x"), p, collection)), "x"+m.Href(p, collection); got != want {
					t.Errorf("%s, a collection: %v, is %q, want %q", p, collection, got, want)
				}
			}
		}
	}
}

func TestPath(t *testing.T) {
	a, ab, abc := Must("/a"), Must("/ab"), Must("/a/b/c")
	if !a.Contains(abc) || a.Contains(ab) || ab.Contains(a) || !Root.Contains(a) || a.Contains(Root) || !a.Contains(a) {
		t.Error("Contains must cut at segments")
	}
	if got := abc.Rebase(a, Must("/x/y")); got.String() != "/x/y/b/c" {
		t.Errorf("Rebase = %s", got)
	}
	if got := abc.Rebase(Root, ab); got.String() != "/ab/a/b/c" {
		t.Errorf("Rebase from the root = %s", got)
	}
	if abc.Name() != "c" || abc.Parent().String() != "/a/b" || a.Parent() != Root || Root.Parent() != Root || Root.Name() != "" {
		t.Error("Name or Parent")
	}
	if got := slices.Collect(abc.Segments()); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("Segments = %q", got)
	}
	if got := slices.Collect(Root.Segments()); len(got) != 0 {
		t.Errorf("Segments of the root = %q", got)
	}
	sorted := []Path{Root, a, Must("/a/b"), abc, Must("/a/b!"), Must("/a!"), Must("/a-"), Must("/a0"), ab, Must("/b")}
	for i := range sorted {
		for j := range sorted {
			if got := sorted[i].Compare(sorted[j]); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("Compare(%s, %s) = %d", sorted[i], sorted[j], got)
			}
		}
	}
	for _, p := range []Path{Root, abc} {
		if got, want := p.Children([]Path{a}, []string{"x", "y!"}), []Path{a, p.Child("x"), p.Child("y!")}; !slices.Equal(got, want) {
			t.Errorf("Children of %s = %v, want %v", p, got, want)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a\x00"} {
		for name, child := range map[string]func(){"Child": func() { a.Child(bad) }, "Children": func() { a.Children(nil, []string{"b", bad}) }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s(%q) did not panic", name, bad)
					}
				}()
				child()
			}()
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		".dav207": true, ".DAV207": true, ".dav207-x": true, ".Dav207-": true, ".dav207x": false, "dav207": false, ".dav20": false, "a.dav207": false,
		// What a file system may take for the same: Windows, NTFS, HFS+.
		".dav207.": true, ".DAV207 .": true, ".dav207::$DATA": true, ".dav\u200c207": true, "\ufeff.dav207": true, ".dav207\u206f": true,
		".dav207.txt": false, ".dav207 x": false, ".dav207é": false, ".dav207\xff": false, "\u200c": false, "": false,
	} {
		if Reserved(name) != want || Must("/a/"+name+"/b").Reserved() != want {
			t.Errorf("Reserved(%q) must be %v", name, want)
		}
	}
	for name, ok := range map[string]bool{
		"rem ote$%<>1 &é#?+;.txt": true, "\U0001F600": true, "a\nb": false, "\x7f": false, "\u0085": false, "a\uFFFEb": false, "\xff": false,
		strings.Repeat("x", 255): true, strings.Repeat("x", 256): false,
	} {
		if err := Must("/d/" + name).Creatable(); (err == nil) != ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("Creatable(%q) = %v", name, err)
		}
	}
}

// Each limit has a NameError of its own.
func TestCreatableSaysWhich(t *testing.T) {
	long := strings.Repeat("/"+strings.Repeat("x", 250), 16)
	for name, want := range map[string]NameError{
		"/d/" + strings.Repeat("x", 256):                   longName,
		"/d/" + strings.Repeat("é", 128):                   longName, // bytes, not characters
		long + "/" + strings.Repeat("x", 4096-len(long)-1): "",
		long + "/" + strings.Repeat("x", 4096-len(long)):   longPath,
		strings.Repeat("/x", 512):                          "",
		strings.Repeat("/x", 513):                          deepPath,
		strings.Repeat("/"+strings.Repeat("x", 256), 17):   longPath,
		"/d/\x01": notText, "/d/\xff": notText, "/d/x": "",
	} {
		err := Must(name).Creatable()
		reason := NameError("")
		errors.As(err, &reason)
		if reason != want || (err == nil) != (want == "") || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("Creatable of %.20q..., %d bytes = %v, want %q", name, len(name), err, want)
		}
	}
}

// Only a name that TempName can have made is a temp name. Others with its prefix belong to somebody
// else, although they are not served.
func TestAside(t *testing.T) {
	for range 100 {
		if name := TempName(); !IsTemp(name) || !Reserved(name) {
			t.Fatalf("%q: IsTemp = %v, Reserved = %v, want both", name, IsTemp(name), Reserved(name))
		}
	}
	const random = "4PJOVFH3UZX2G6CSIY5QTWEBRN"
	for _, name := range []string{
		".dav207", ".dav207-", ".dav207-notes", ".dav207-" + random[1:], ".dav207-" + random + "A", ".dav207-" + random + ".tar",
		".DAV207-" + random, ".dav207-" + strings.ToLower(random), ".dav207-1" + random[1:], ".dav207-é" + random[2:], "dav207-" + random, random, "",
	} {
		if IsTemp(name) {
			t.Errorf("IsTemp(%q) = true", name)
		}
	}
}

// A canonical path is taken without decoding, with the same result as with it.
func TestParseCanonical(t *testing.T) {
	root, err := NewMapping("/")
	if err != nil {
		t.Fatal(err)
	}
	prefixed, err := NewMapping("/p")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		escaped string
		direct  bool
	}{
		{"/a", true}, {"/a/b.c", true}, {"/a..b", true}, {"/a b", true}, {"/", false}, {"", false}, {"a", false}, {"/a/", false},
		{"//a", false}, {"/a//b", false}, {"/./a", false}, {"/a/..", false}, {"/../a", false}, {"/.hidden", false}, {"/a%20b", false},
		{"/a\x00", false}, {"*", false},
	} {
		if got := canonical(tt.escaped); got != tt.direct {
			t.Errorf("canonical(%q) = %t, want %t", tt.escaped, got, tt.direct)
		}
		got, gotErr := root.Parse(tt.escaped)
		want, wantErr := prefixed.Parse("/p" + tt.escaped)
		if strings.HasPrefix(tt.escaped, "/") && (got != want || (gotErr == nil) != (wantErr == nil)) && !strings.Contains(tt.escaped, "..") {
			t.Errorf("Parse(%q) = %v, %v, with a prefix %v, %v", tt.escaped, got, gotErr, want, wantErr)
		}
	}
}

func TestMemberOf(t *testing.T) {
	for _, tt := range []struct{ path, collection, want string }{
		{"/", "/", ""}, {"/a", "/", "a"}, {"/a/b", "/", ""}, {"/a", "/a", ""}, {"/a/b", "/a", "b"}, {"/ab", "/a", ""},
		{"/a/b/c", "/a", ""}, {"/a", "/a/b", ""}, {"/b/c", "/a", ""}, {"/a/b", "/a/c", ""},
	} {
		name, ok := Must(tt.path).MemberOf(Must(tt.collection))
		if name != tt.want || ok != (tt.want != "") {
			t.Errorf("MemberOf(%s, %s) = %q, %v, want %q", tt.path, tt.collection, name, ok, tt.want)
		}
	}
}
