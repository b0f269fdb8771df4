package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/studio-b12/gowebdav"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
)

// hostileNames are single segments that client, server and file system must all keep unchanged.
var hostileNames = []string{
	"rem ote$%<>1 &é#?+;.txt",
	"a;b", "a,b=c", "100%", "%41", "%2e%2e", "a%2Fb", "?", "#", "#?#", "a&amp;b", "<D:href>", `"quoted" 'single'`,
	"caf\u00e9", "cafe\u0301", // NFC and NFD are two names, which RFC 4918 §8.3 does not normalise
	"🦊🇪🇺.txt", "日本語", " leading and trailing ", "...", "-rf", "~", "a:b", "C:\\dir", "[x]", "{token}", "con", "^`|",
	"*", "@", "!", "index.html", ".hidden", ".dav2070", "\u2028", "\u202egpj.exe", strings.Repeat("n", 255),
}

// eachSite runs a test on every kind of tree, at the root of the host and below a prefix.
func eachSite(t *testing.T, test func(t *testing.T, s *harness.Site, c *gowebdav.Client)) {
	for _, b := range harness.Backends {
		for _, prefix := range []string{"/", "/dav", "/a b/é"} {
			t.Run(b.Name+" "+prefix, func(t *testing.T) {
				files, dir := b.Open(t)
				s := harness.Serve(t, files, &server.Options{Prefix: prefix})
				test(t, s, gowebdavClient(s))
				harness.NoTemps(t, dir)
			})
		}
	}
}

// gowebdavClient returns a client that sends its first request only once, because it does not negotiate
// authentication.
func gowebdavClient(s *harness.Site) *gowebdav.Client {
	c := gowebdav.NewAuthClient(s.URL+s.Prefix, gowebdav.NewPreemptiveAuth(&gowebdav.BasicAuth{}))
	c.SetTransport(s.Client.Transport)
	return c
}

func TestGowebdavConnect(t *testing.T) {
	eachSite(t, func(t *testing.T, s *harness.Site, c *gowebdav.Client) {
		if err := c.Connect(); err != nil {
			t.Error(err)
		}
		// With a user although the server needs none, the first request is sent twice.
		if err := gowebdav.NewClient(s.At("/"), "user", "password").Connect(); err != nil {
			t.Error(err)
		}
	})
}

func TestGowebdavFiles(t *testing.T) {
	eachSite(t, func(t *testing.T, s *harness.Site, c *gowebdav.Client) {
		content := make([]byte, 300<<10)
		rand.NewChaCha8([32]byte{1}).Read(content)
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"upload", func() error { return c.Write("/upload", content, 0) }},
			{"upload into collections that are not there (409, MKCOL, PUT)", func() error { return c.Write("/not/there/yet", content, 0) }},
			{"upload over a file", func() error { return errors.Join(c.Write("/over", []byte("old"), 0), c.Write("/over", content, 0)) }},
			{"stream", func() error { return c.WriteStream("/stream", io.LimitReader(bytes.NewReader(content), 1<<30), 0) }},
			{"stream of known length", func() error {
				return c.WriteStreamWithLength("/length", bytes.NewReader(content), int64(len(content)), 0)
			}},
		} {
			if err := step.do(); err != nil {
				t.Errorf("%s: %v", step.what, err)
			}
		}
		for _, name := range []string{"/upload", "/not/there/yet", "/over", "/stream", "/length"} {
			got, err := c.Read(name)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("Read(%s) = %d bytes, %v, want the %d that were written", name, len(got), err, len(content))
			}
			info, err := c.Stat(name)
			if err != nil {
				t.Errorf("Stat(%s): %v", name, err)
				continue
			}
			if info.Size() != int64(len(content)) || info.IsDir() || info.Name() != path.Base(name) || info.ModTime().IsZero() {
				t.Errorf("Stat(%s) = %v", name, info)
			}
			head := s.Want(200, "HEAD", name, "")
			if etag := info.(*gowebdav.File).ETag(); etag == "" || etag != head.Header.Get("ETag") {
				t.Errorf("the ETag of %s is %q in PROPFIND and %q in HEAD, want one (RFC 4918 §15.6)", name, etag, head.Header.Get("ETag"))
			}
		}
		for _, r := range []struct{ offset, length int64 }{{0, 1}, {10, 10}, {int64(len(content)) - 7, 7}, {1000, int64(len(content)) - 1000}} {
			stream, err := c.ReadStreamRange("/upload", r.offset, r.length)
			if err != nil {
				t.Errorf("ReadStreamRange(%d, %d): %v", r.offset, r.length, err)
				continue
			}
			got, err := io.ReadAll(stream)
			stream.Close()
			if want := content[r.offset:][:r.length]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("ReadStreamRange(%d, %d) = %d bytes, %v, want %d", r.offset, r.length, len(got), err, len(want))
			}
		}
		if _, err := c.Read("/missing"); !gowebdav.IsErrNotFound(err) {
			t.Errorf("Read of an unmapped URL: %v, want 404", err)
		}
		if _, err := c.Stat("/missing"); !gowebdav.IsErrNotFound(err) {
			t.Errorf("Stat of an unmapped URL: %v, want 404", err)
		}
	})
}

func TestGowebdavTree(t *testing.T) {
	eachSite(t, func(t *testing.T, s *harness.Site, c *gowebdav.Client) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(c.MkdirAll("/a/b/c", 0))
		must(c.MkdirAll("/a/b/c", 0)) // 405 means that it exists
		must(c.Mkdir("/a/d", 0))
		must(c.Write("/a/b/1", []byte("one"), 0))
		must(c.Write("/a/b/c/2", []byte("two"), 0))
		must(c.Write("/3", []byte("three"), 0))
		must(c.Copy("/a/b", "/a/copy", false))
		must(c.Rename("/a/copy", "/moved", false))
		must(c.Copy("/3", "/new/parent/3", false)) // 409, MKCOL twice, COPY
		must(c.Rename("/3", "/a/b/c/3", false))
		must(c.Rename("/moved", "/a/d", true)) // replaced, not merged
		must(c.Copy("/a/b/1", "/a/b/c/2", true))
		want := []string{"/", "/a/", "/a/b/", "/a/b/1", "/a/b/c/", "/a/b/c/2", "/a/b/c/3", "/a/d/", "/a/d/1", "/a/d/c/", "/a/d/c/2",
			"/new/", "/new/parent/", "/new/parent/3"}
		if got := s.Tree("/"); !slices.Equal(got, want) {
			t.Fatalf("tree = %q, want %q", got, want)
		}
		if got, _ := c.Read("/a/b/c/2"); string(got) != "one" {
			t.Errorf("/a/b/c/2 = %q, want %q", got, "one")
		}
		for _, refused := range []struct {
			rule string
			err  error
			code int
		}{
			{"9.8.4 Overwrite: F", c.Copy("/a/b/1", "/a/b/c/3", false), 412},
			{"9.9.3 Overwrite: F", c.Rename("/a/b", "/a/d", false), 412},
			{"9.8.5 onto itself", c.Copy("/a/b", "/a/b", true), 403},
			{"9.9.4 into itself", c.Rename("/a/b", "/a/b/c/b", true), 403},
			{"9.8.5 a missing source", c.Copy("/missing", "/x", true), 404},
			{"9.3.1 MKCOL below a file", c.Mkdir("/a/b/1/x", 0), 409},
		} {
			if !gowebdav.IsErrCode(refused.err, refused.code) {
				t.Errorf("%s: %v, want %d", refused.rule, refused.err, refused.code)
			}
		}
		if got := s.Tree("/"); !slices.Equal(got, want) {
			t.Errorf("tree after refusals = %q, want %q", got, want)
		}
		must(c.Remove("/a/b/1"))
		must(c.RemoveAll("/a/b"))
		must(c.RemoveAll("/a/b")) // already deleted: the client accepts 404
		want = []string{"/", "/a/", "/a/d/", "/a/d/1", "/a/d/c/", "/a/d/c/2", "/new/", "/new/parent/", "/new/parent/3"}
		if got := s.Tree("/"); !slices.Equal(got, want) {
			t.Errorf("tree = %q, want %q", got, want)
		}
	})
}

func TestGowebdavNames(t *testing.T) {
	eachSite(t, func(t *testing.T, s *harness.Site, c *gowebdav.Client) {
		for _, dir := range []string{"/in", "/ou t%#"} {
			if err := c.Mkdir(dir, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, name := range hostileNames {
			content := []byte(fmt.Sprint(i, name))
			if err := c.Write("/in/"+name, content, 0); err != nil {
				t.Errorf("Write(%q): %v", name, err)
				continue
			}
			if info, err := c.Stat("/in/" + name); err != nil || info.Name() != name || info.Size() != int64(len(content)) {
				t.Errorf("Stat(%q) = %v, %v", name, info, err)
			}
			if err := c.Copy("/in/"+name, "/ou t%#/"+name, false); err != nil {
				t.Errorf("Copy(%q): %v", name, err)
			}
			if got, err := c.Read("/ou t%#/" + name); err != nil || !bytes.Equal(got, content) {
				t.Errorf("Read(%q) = %q, %v, want %q", name, got, err, content)
			}
		}
		if got, want := listed(t, c, "/in"), slices.Sorted(slices.Values(hostileNames)); !slices.Equal(got, want) {
			t.Errorf("ReadDir = %q\nwant %q", got, want)
		}
		checkDisplayNames(s, "/in")
		for _, name := range hostileNames {
			if err := c.Rename("/in/"+name, "/ou t%#/"+name, true); err != nil {
				t.Errorf("Rename(%q): %v", name, err)
			}
			if err := c.Remove("/ou t%#/" + name); err != nil {
				t.Errorf("Remove(%q): %v", name, err)
			}
			// The same as a collection with a member.
			if err := errors.Join(c.Mkdir("/in/"+name, 0), c.Write("/in/"+name+"/"+name, nil, 0)); err != nil {
				t.Errorf("Mkdir(%q): %v", name, err)
			}
			if err := c.Rename("/in/"+name, "/ou t%#/"+name, false); err != nil {
				t.Errorf("Rename(%q): %v", name, err)
			}
			if got := listed(t, c, "/ou t%#/"+name); !slices.Equal(got, []string{name}) {
				t.Errorf("ReadDir(%q) = %q", name, got)
			}
			if err := c.RemoveAll("/ou t%#/" + name); err != nil {
				t.Errorf("RemoveAll(%q): %v", name, err)
			}
		}
		if got, want := s.Tree("/"), []string{"/", "/in/", "/ou t%#/"}; !slices.Equal(got, want) {
			t.Errorf("tree = %q, want %q", got, want)
		}
	})
}

func listed(t *testing.T, c *gowebdav.Client, dir string) []string {
	t.Helper()
	infos, err := c.ReadDir(dir)
	if err != nil {
		t.Errorf("ReadDir(%q): %v", dir, err)
	}
	var names []string
	for _, i := range infos {
		names = append(names, strings.TrimSuffix(i.Name(), "/"))
	}
	slices.Sort(names)
	return names
}

// checkDisplayNames checks the hrefs and names of a listing against RFC 3986. gowebdav does not check
// them, it only decodes them.
func checkDisplayNames(s *harness.Site, dir string) {
	s.Helper()
	a := s.Want(207, "PROPFIND", dir, `<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>`, "Depth", "1")
	var hrefs, want []string
	for _, r := range harness.DecodeMultistatus(s, a.Body) {
		hrefs = append(hrefs, r.Href)
	}
	for _, name := range hostileNames {
		want = append(want, s.Href(dir+"/"+name))
	}
	slices.Sort(want)
	if len(hrefs) == 0 || hrefs[0] != s.Href(dir+"/") {
		s.Fatalf("the first href of %q is not that of the collection (§9.1)", hrefs)
	}
	if got := slices.Sorted(slices.Values(hrefs[1:])); !slices.Equal(got, want) {
		s.Errorf("hrefs = %q\nwant %q", got, want)
	}
}

// TestGowebdavPartial makes members fail. gowebdav returns at most an error, because it ignores the
// body of a 207. So the test also sends the same request itself, on an equal tree, and checks the
// status of each member.
func TestGowebdavPartial(t *testing.T) {
	log.SetOutput(io.Discard) // gowebdav logs every 207
	defer log.SetOutput(os.Stderr)
	const bad = "rem ote$%<>1 &é#?+;.txt"
	for _, tt := range []struct {
		rule   string
		op     faultfs.Op
		at     string // the member that fails
		client func(*gowebdav.Client) error
		method string // the same
		header []string
		want   map[string]string // by name
		left   []string
	}{
		{
			"9.8.3 COPY goes on with the other subtrees", faultfs.Read, "/c/" + bad,
			func(c *gowebdav.Client) error { return c.Copy("/c", "/x", false) },
			"COPY", []string{"Destination", "dest:/x", "Overwrite", "F"},
			map[string]string{"/c/" + bad: "403"},
			[]string{"/", "/c/", "/c/a", "/c/" + bad, "/c/s/", "/c/s/z", "/x/", "/x/a", "/x/s/", "/x/s/z"},
		},
		{
			"9.9.4 MOVE leaves what failed, with its ancestors", faultfs.Rename, "/c/" + bad,
			func(c *gowebdav.Client) error { return c.Rename("/c", "/x", false) },
			"MOVE", []string{"Destination", "dest:/x", "Overwrite", "F"},
			map[string]string{"/c/" + bad: "403"},
			[]string{"/", "/c/", "/c/" + bad, "/x/", "/x/a", "/x/s/", "/x/s/z"},
		},
		{
			"9.6.1 DELETE keeps the ancestors of what failed", faultfs.Remove, "/c/s/z",
			func(c *gowebdav.Client) error { return c.RemoveAll("/c") },
			"DELETE", nil,
			map[string]string{"/c/s/z": "403"},
			[]string{"/", "/c/", "/c/s/", "/c/s/z"},
		},
	} {
		for _, b := range harness.Backends {
			t.Run(tt.rule+" "+b.Name, func(t *testing.T) {
				prepare := func() *harness.Site {
					files, dir := b.Open(t)
					faults := faultfs.New(files)
					s := harness.Serve(t, faults, &server.Options{Prefix: "/dav"})
					for _, collection := range []string{"/c", "/c/s"} {
						s.Want(201, "MKCOL", collection, "")
					}
					for _, name := range []string{"/c/a", "/c/" + bad, "/c/s/z"} {
						s.Want(201, "PUT", name, name)
					}
					faults.Fail(tt.op, tt.at, fs.ErrPermission)
					t.Cleanup(func() { harness.NoTemps(t, dir) })
					return s
				}
				s := prepare()
				if err := tt.client(gowebdavClient(s)); !gowebdav.IsErrCode(err, http.StatusMultiStatus) {
					t.Errorf("gowebdav: %v, want an error of status 207", err)
				}
				if got := s.Tree("/"); !slices.Equal(got, tt.left) {
					t.Errorf("tree after gowebdav = %q\nwant %q", got, tt.left)
				}
				s = prepare()
				a := s.Do(tt.method, "/c", "", tt.header...)
				s.CheckFailures(a, tt.want)
				if got := s.Tree("/"); !slices.Equal(got, tt.left) {
					t.Errorf("tree = %q\nwant %q", got, tt.left)
				}
			})
		}
	}
}

// TestGowebdavUnreadable lists a collection with a member whose stat fails. gowebdav omits it, the
// answer does not.
func TestGowebdavUnreadable(t *testing.T) {
	for _, b := range harness.Backends {
		t.Run(b.Name, func(t *testing.T) {
			files, _ := b.Open(t)
			faults := faultfs.New(files)
			s := harness.Serve(t, faults, nil)
			s.Want(201, "MKCOL", "/c", "")
			for _, name := range []string{"/c/1", "/c/2", "/c/3"} {
				s.Want(201, "PUT", name, "x")
			}
			faults.Fail(faultfs.Stat, "/c/2", fs.ErrPermission)
			if got := listed(t, gowebdavClient(s), "/c"); !slices.Equal(got, []string{"1", "3"}) {
				t.Errorf("ReadDir = %q", got)
			}
			a := s.Want(207, "PROPFIND", "/c", "", "Depth", "1")
			var got []string
			for _, r := range harness.DecodeMultistatus(t, a.Body) {
				got = append(got, fmt.Sprint(r.Href, " ", harness.StatusCode(r.Status), " ", harness.StatusCode(r.Propstat[0].Status)))
			}
			// The error is in a propstat, as every error of a property (§14.22).
			if want := []string{"/c/ 0 200", "/c/1 0 200", "/c/2 0 403", "/c/3 0 200"}; !slices.Equal(got, want) {
				t.Errorf("responses = %q, want %q", got, want)
			}
			// A Request-URI whose stat fails is a plain 403: gowebdav's Stat crashes on a 207
			// without properties.
			if _, err := gowebdavClient(s).Stat("/c/2"); !gowebdav.IsErrCode(err, 403) {
				t.Errorf("Stat: %v, want 403", err)
			}
		})
	}
}
