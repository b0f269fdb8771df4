package rfc4918

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

const creationNames = `<propfind xmlns="DAV:"><prop><creationdate/><Win32CreationTime xmlns="urn:schemas-microsoft-com:"/></prop></propfind>`

var creationValues = regexp.MustCompile(`creationdate>([^<]+)</.*Win32CreationTime[^>]*>([^<]+)</`)

// creation returns the creation time of a resource. It fails the test if creationdate and
// Win32CreationTime differ.
func creation(s *harness.Site, name string) time.Time {
	s.Helper()
	a := s.Want(207, "PROPFIND", name, creationNames, "Depth", "0")
	m := creationValues.FindStringSubmatch(a.Body)
	if m == nil {
		s.Fatalf("%s lacks creationdate or Win32CreationTime: %s", name, a.Body)
	}
	date, err := time.Parse("2006-01-02T15:04:05Z", m[1])
	same, err2 := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", m[2])
	if err != nil || err2 != nil || !date.Equal(same) {
		s.Errorf("%s: creationdate is %s, Win32CreationTime %s", name, m[1], m[2])
	}
	return date
}

// The time of creation (RFC 4918 §15.1, which lets it be set) is kept as dead properties are, also by
// MOVE (§9.9.1), under all the names that clients set it by. COPY makes a resource that is created
// then: the property "is normally re-initialized when a resource is created with a COPY" (§15.1).
func TestCreationDateIsKept(t *testing.T) {
	at := time.Unix(784111777, 0).UTC()
	update := func(p string) string {
		return `<propertyupdate xmlns="DAV:"><set><prop>` + p + `</prop></set></propertyupdate>`
	}
	win32 := func(value string) string {
		return `<Win32CreationTime xmlns="urn:schemas-microsoft-com:">` + value + `</Win32CreationTime>`
	}
	for _, b := range harness.Backends {
		for what, set := range map[string]func(s *harness.Site){
			"creationdate": func(s *harness.Site) {
				proppatch(s, "/c/f", update(`<creationdate>1994-11-06T08:49:37Z</creationdate>`))
			},
			"creationdate, local": func(s *harness.Site) {
				proppatch(s, "/c/f", update(`<creationdate> 1994-11-06t10:49:37.25+02:00 </creationdate>`))
			},
			"Win32CreationTime": func(s *harness.Site) { proppatch(s, "/c/f", update(win32("Sun, 06 Nov 1994 08:49:37 GMT"))) },
			"PUT over": func(s *harness.Site) {
				if got := s.Want(204, "PUT", "/c/f", "x", "X-OC-CTime", "784111777").Header.Get("X-OC-CTime"); got != "accepted" {
					t.Errorf("PUT: X-OC-CTime: %q", got)
				}
			},
			"PUT": func(s *harness.Site) {
				s.Want(204, "DELETE", "/c/f", "")
				a := s.Want(201, "PUT", "/c/f", "x", "X-OC-CTime", "784111777", "X-OC-Mtime", "784111888")
				if a.Header.Get("X-OC-CTime") != "accepted" || a.Header.Get("X-OC-Mtime") != "accepted" {
					t.Errorf("PUT: %v", a.Header)
				}
			},
			"PUT of much": func(s *harness.Site) {
				s.Want(204, "PUT", "/c/f", strings.Repeat("x", 1<<20), "X-OC-CTime", "784111777.5")
			},
		} {
			t.Run(b.Name+", "+what, func(t *testing.T) {
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				s.Want(201, "MKCOL", "/c/", "")
				s.Want(201, "PUT", "/c/f", "x")
				before := creation(s, "/c/f")
				set(s)
				is := func(name string) {
					t.Helper()
					if got := creation(s, name); !got.Equal(at) {
						t.Errorf("%s has %v, want %v", name, got, at)
					}
				}
				is("/c/f")
				s.Want(204, "PUT", "/c/f", "y")
				is("/c/f")
				s.Want(201, "COPY", "/c/f", "", "Destination", "dest:/copy")
				if got := creation(s, "/copy"); got.Before(before) {
					t.Errorf("a copy has %v, want that of the COPY", got)
				}
				s.Want(201, "MOVE", "/c/", "", "Destination", "dest:/d/")
				is("/d/f")
				listed := s.Want(207, "PROPFIND", "/d/", `<propfind xmlns="DAV:"><prop><creationdate/></prop></propfind>`, "Depth", "1").Body
				if strings.Count(listed, "1994-11-06T08:49:37Z") != 1 {
					t.Errorf("a listing has\n%s", listed)
				}
				all := s.Want(207, "PROPFIND", "/d/f", "", "Depth", "0").Body
				if strings.Count(all, "1994-11-06T08:49:37Z") != 1 || strings.Count(all, "Win32CreationTime") != 2 {
					t.Errorf("allprop has\n%s", all)
				}
				included := s.Want(207, "PROPFIND", "/d/f", `<propfind xmlns="DAV:"><allprop/><include>`+
					win32("")+`</include></propfind>`, "Depth", "0").Body
				if strings.Count(included, "Win32CreationTime") != 2 {
					t.Errorf("allprop with it has\n%s", included)
				}
				names := s.Want(207, "PROPFIND", "/d/f", `<propfind xmlns="DAV:"><propname/></propfind>`, "Depth", "0").Body
				if strings.Count(names, "creationdate") != 1 || strings.Count(names, "Win32CreationTime") != 1 {
					t.Errorf("propname has\n%s", names)
				}
				// What was set is taken back, as a dead property is.
				s.Want(207, "PROPPATCH", "/d/f", `<propertyupdate xmlns="DAV:"><remove><prop><creationdate/></prop></remove></propertyupdate>`)
				if got := creation(s, "/d/f"); got.Before(before) {
					t.Errorf("removed, and /d/f has %v", got)
				}
				s.Want(204, "DELETE", "/d/f", "")
				s.Want(201, "PUT", "/d/f", "x")
				if got := creation(s, "/d/f"); got.Before(before) {
					t.Errorf("another file has %v", got)
				}
			})
		}
		t.Run(b.Name+", MKCOL", func(t *testing.T) {
			files, _ := b.Open(t)
			s := harness.Serve(t, files, nil)
			a := s.Want(201, "MKCOL", "/c/", "", "X-OC-CTime", "784111777", "X-OC-Mtime", "784111888")
			if a.Header.Get("X-OC-CTime") != "accepted" || a.Header.Get("X-OC-Mtime") != "accepted" || !creation(s, "/c/").Equal(at) {
				t.Errorf("MKCOL: %v, %v", a.Header, creation(s, "/c/"))
			}
		})
		t.Run(b.Name+", refused", func(t *testing.T) {
			files, _ := b.Open(t)
			s := harness.Serve(t, files, nil)
			s.Want(201, "PUT", "/f", "x")
			before := creation(s, "/f")
			ahead := time.Now().Add(time.Minute).UTC()
			for _, p := range []string{
				"<creationdate>yesterday</creationdate>", "<creationdate>1994-11-06T8:49:37Z</creationdate>",
				"<creationdate>1994-11-06T08:49:37,5Z</creationdate>", "<creationdate>1990-12-31T23:59:60Z</creationdate>", "<creationdate/>", "<creationdate><a/></creationdate>", "<creationdate>784111777</creationdate>",
				"<creationdate>0000-01-01T00:00:00Z</creationdate>", "<creationdate>" + ahead.Format(time.RFC3339) + "</creationdate>",
				win32("1994-11-06T08:49:37Z"), win32(""), win32(ahead.Format("Mon, 02 Jan 2006 15:04:05 GMT")),
			} {
				a := s.Want(207, "PROPPATCH", "/f", update(p+"<b/>"))
				if !strings.Contains(a.Body, "409 Conflict") || !strings.Contains(a.Body, "424 Failed Dependency") || !strings.Contains(a.Body, "D:responsedescription") {
					t.Errorf("%s: %s", p, a.Body)
				}
			}
			for _, value := range []string{"", "yesterday", fmt.Sprint(ahead.Unix()), "99999999999999999999"} {
				if got := s.Want(204, "PUT", "/f", "x", "X-OC-CTime", value).Header["X-Oc-Ctime"]; got != nil {
					t.Errorf("X-OC-CTime: %s is answered %q", value, got)
				}
			}
			if got := creation(s, "/f"); got.Before(before) || time.Since(got) > time.Minute {
				t.Errorf("the update was refused, but the time = %v", got)
			}
		})
	}
}

// A time of creation that a client set goes along with MOVE and not with COPY (RFC 4918 §15.1), by
// whichever way the file system takes; the dead properties beside it go along with both (§9.8.2,
// §9.9.1).
func TestCreationDateAfterCopyAndMove(t *testing.T) {
	const date = "1994-11-06T08:49:37Z"
	type tree struct {
		harness.Backend
		across bool // a MOVE copies, as from one volume to another
	}
	var trees []tree
	for _, b := range append(slices.Clone(harness.Backends), harness.Backend{Name: "no times of creation",
		Open: func(testing.TB) (fsbackend.Backend, string) { return fsbackend.FromWebDAV(webdav.NewMemFS()), "" }}) {
		trees = append(trees, tree{b, false}, tree{b, true})
	}
	for _, tree := range trees {
		for _, tt := range []struct {
			method, name, to string
			header           string   // of the request, if there is one
			of               []string // those that were dated, under their new names
		}{
			{"COPY", "/c/f", "/g", "", []string{"/g"}},
			{"COPY", "/c/f", "/file", "", []string{"/file"}},
			{"COPY", "/c/f", "/full/", "", []string{"/full"}},
			{"COPY", "/c/", "/g/", "", []string{"/g/", "/g/f", "/g/d/", "/g/d/f"}},
			{"COPY", "/c/", "/g/", "0", []string{"/g/"}},
			{"COPY", "/c/", "/full/", "", []string{"/full/", "/full/f", "/full/d/", "/full/d/f"}},
			{"COPY", "/c/", "/file", "", []string{"/file/", "/file/f", "/file/d/", "/file/d/f"}},
			{"MOVE", "/c/f", "/g", "", []string{"/g"}},
			{"MOVE", "/c/f", "/file", "", []string{"/file"}},
			{"MOVE", "/c/f", "/full/", "", []string{"/full"}},
			{"MOVE", "/c/", "/g/", "", []string{"/g/", "/g/f", "/g/d/", "/g/d/f"}},
			{"MOVE", "/c/", "/full/", "", []string{"/full/", "/full/f", "/full/d/", "/full/d/f"}},
			{"MOVE", "/c/", "/file", "", []string{"/file/", "/file/f", "/file/d/", "/file/d/f"}},
		} {
			t.Run(fmt.Sprintf("%s, across %t, %s %s to %s %s", tree.Name, tree.across, tt.method, harness.NoSlash(tt.name), harness.NoSlash(tt.to), tt.header), func(t *testing.T) {
				inner, _ := tree.Open(t)
				files := faultfs.New(inner)
				served := inner
				if tree.across {
					served = files
				}
				s := harness.Serve(t, served, nil)
				for _, name := range []string{"/c/", "/c/d/", "/full/", "/full/d/"} {
					s.Want(201, "MKCOL", name, "")
				}
				for _, name := range []string{"/c/f", "/c/d/f", "/file", "/full/f", "/full/d/f"} {
					s.Want(201, "PUT", name, "x")
				}
				dated := func(name, date string) {
					proppatch(s, name, `<propertyupdate xmlns="DAV:"><set><prop><creationdate>`+date+`</creationdate><a xmlns="urn:x">of `+date+`</a></prop></set></propertyupdate>`)
				}
				for _, name := range []string{"/c/", "/c/f", "/c/d/", "/c/d/f"} {
					dated(name, date)
				}
				for _, name := range []string{"/file", "/full/", "/full/f", "/full/d/", "/full/d/f"} {
					dated(name, "1995-01-01T00:00:00Z")
				}
				for _, name := range []string{"/c", "/c/**"} {
					files.Fail(faultfs.Rename, name, syscall.EXDEV)
				}
				header := []string{"Destination", "dest:" + tt.to}
				if tt.header != "" {
					header = append(header, "Depth", tt.header)
				}
				if a := s.Do(tt.method, tt.name, "", header...); a.Status != 201 && a.Status != 204 {
					t.Fatalf("%s: %d %s", tt.method, a.Status, a.Body)
				}
				for _, name := range tt.of {
					all := s.Want(207, "PROPFIND", name, "", "Depth", "0").Body
					if got := strings.Contains(all, "creationdate>"+date+"<"); got != (tt.method == "MOVE") || !strings.Contains(all, ">of "+date+"<") {
						t.Errorf("%s has\n%s", name, all)
					}
					if strings.Contains(all, "1995-01-01") || tt.method == "COPY" && strings.Contains(all, "Win32CreationTime") {
						t.Errorf("%s has a time of creation of another:\n%s", name, all)
					}
				}
				if tt.method == "COPY" { // changes nothing at the source
					for _, name := range []string{"/c/", "/c/f", "/c/d/", "/c/d/f"} {
						if all := s.Want(207, "PROPFIND", name, "", "Depth", "0").Body; !strings.Contains(all, "creationdate>"+date+"<") {
							t.Errorf("%s has\n%s", name, all)
						}
					}
				}
			})
		}
	}
}

// patched sends a PROPPATCH of which everything has to succeed.
func proppatch(s *harness.Site, name, update string) {
	s.Helper()
	if a := s.Want(207, "PROPPATCH", name, update); strings.Count(a.Body, "HTTP/1.1") != 1 || !strings.Contains(a.Body, "200 OK") {
		s.Fatalf("PROPPATCH %s: %s", name, a.Body)
	}
}

// DAV:iscollection and DAV:ishidden are for those who ask by name, as Windows does. Hidden is what
// has the attribute that Windows sets, whatever its name.
func TestWindowsFlags(t *testing.T) {
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		for _, name := range []string{"/c/", "/.c/"} {
			s.Want(201, "MKCOL", name, "")
		}
		for _, name := range []string{"/f", "/.f", "/set", "/.set", "/.unset", "/odd"} {
			s.Want(201, "PUT", name, "x")
		}
		for name, bits := range map[string]string{"/set": "00000022", "/.set": "00000022", "/.unset": "00000020", "/odd": "many"} {
			proppatch(s, name, `<propertyupdate xmlns="DAV:"><set><prop><Win32FileAttributes xmlns="urn:schemas-microsoft-com:">`+
				bits+`</Win32FileAttributes></prop></set></propertyupdate>`)
		}
		for name, want := range map[string]string{
			"/": "1 0", "/c/": "1 0", "/.c/": "1 0", "/f": "0 0", "/.f": "0 0", "/set": "0 1", "/.set": "0 1", "/.unset": "0 0", "/odd": "0 0",
		} {
			const ask = `<propfind xmlns="DAV:"><prop><iscollection/><ishidden/></prop></propfind>`
			flags := strings.Split(want, " ")
			a := s.Want(207, "PROPFIND", name, ask, "Depth", "0")
			if !strings.Contains(a.Body, "<D:iscollection>"+flags[0]+"</D:iscollection><D:ishidden>"+flags[1]+"</D:ishidden>") {
				t.Errorf("%s: %s is %s, want %s", b.Name, name, a.Body, want)
			}
			for _, body := range []string{"", `<propfind xmlns="DAV:"><propname/></propfind>`} {
				if a := s.Want(207, "PROPFIND", name, body, "Depth", "0"); strings.Contains(a.Body, "iscollection") || strings.Contains(a.Body, "ishidden") {
					t.Errorf("%s: %s has %s", b.Name, name, a.Body)
				}
			}
		}
		for _, name := range []string{"iscollection", "ishidden"} {
			a := s.Want(207, "PROPPATCH", "/f", `<propertyupdate xmlns="DAV:"><set><prop><`+name+`>1</`+name+`></prop></set></propertyupdate>`)
			if !strings.Contains(a.Body, "403 Forbidden") || !strings.Contains(a.Body, "cannot-modify-protected-property") {
				t.Errorf("%s: %s", name, a.Body)
			}
		}
	}
}
