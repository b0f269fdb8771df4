package rfc4918

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dav207/integration/harness"
)

// A date that a client was given names the file that it was given with (RFC 9110 §13.1.3, §13.1.4):
// an older file in the place of a newer one is another one, for every method.
func TestDatesAreValidators(t *testing.T) {
	const old = "Sun, 06 Nov 1994 08:49:37 GMT"
	const dated = `<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>` + old + `</getlastmodified></prop></set></propertyupdate>`
	const find = `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`
	const patch = `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x:"/></prop></set></propertyupdate>`
	for _, b := range harness.Backends {
		for what, replace := range map[string]func(s *harness.Site){
			"MOVE of an older file": func(s *harness.Site) { s.Want(204, "MOVE", "/older", "", "Destination", "dest:/c/f") },
			"PUT of an older file":  func(s *harness.Site) { s.Want(204, "PUT", "/c/f", "other", "X-OC-Mtime", "784111777") },
			"PROPPATCH of the time": func(s *harness.Site) { s.Want(207, "PROPPATCH", "/c/f", dated) },
			"MOVE of a collection":  func(s *harness.Site) { s.Want(204, "MOVE", "/d/", "", "Destination", "dest:/c/") },
			"MOVE of a collection of collections": func(s *harness.Site) {
				s.Want(204, "DELETE", "/c/", "")
				s.Want(201, "MOVE", "/e/c/", "", "Destination", "dest:/c/")
			},
		} {
			t.Run(b.Name+", "+what, func(t *testing.T) {
				t.Parallel()
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				for _, name := range []string{"/c/", "/d/", "/e/", "/e/c/"} {
					s.Want(201, "MKCOL", name, "")
				}
				for _, name := range []string{"/older", "/d/f", "/e/c/f"} {
					s.Want(201, "PUT", name, "other", "X-OC-Mtime", "784111777")
				}
				harness.NextSecond() // else the other file changed in the second of the date
				given := s.Want(201, "PUT", "/c/f", "first").Header.Get("Last-Modified")
				s.Want(304, "GET", "/c/f", "", "If-Modified-Since", given)
				replace(s)
				content := s.Want(200, "GET", "/c/f", "").Body
				for _, method := range []string{"GET", "HEAD"} {
					s.Want(200, method, "/c/f", "", "If-Modified-Since", given)
				}
				s.Want(200, "GET", "/c/f", "", "If-Range", given, "Range", "bytes=1-")
				for _, request := range [][]string{
					{"GET", ""}, {"HEAD", ""}, {"PUT", "lost"}, {"DELETE", ""}, {"COPY", "", "Destination", "dest:/new"},
					{"MOVE", "", "Destination", "dest:/new"}, {"PROPPATCH", patch}, {"PROPFIND", find, "Depth", "0"}, {"LOCK", harness.ExclusiveLock},
				} {
					s.Want(412, request[0], "/c/f", request[1], append(request[2:], "If-Unmodified-Since", given)...)
				}
				now := s.Want(200, "GET", "/c/f", "")
				if now.Body != content || now.Header.Get("Last-Modified") != old {
					t.Errorf("the request was refused, but the file = %q of %s", now.Body, now.Header.Get("Last-Modified"))
				}
				s.Want(304, "GET", "/c/f", "", "If-Modified-Since", old)
				s.Want(200, "GET", "/c/f", "", "If-Range", old, "Range", "bytes=1-") // a time set by a client is no strong validator
				s.Want(204, "PUT", "/c/f", "next", "If-Unmodified-Since", old)
			})
		}
	}
}

// A date that two contents of one second have is no strong validator while that second lasts (RFC 9110
// §13.1.5, §8.8.2.2): a client would put a part of the one together with a part of the other.
func TestIfRangeWithTheDateOfThisSecond(t *testing.T) {
	for _, b := range harness.Backends {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			files, _ := b.Open(t)
			s := harness.Serve(t, files, nil)
			for range 5 { // until all of it comes within a second
				harness.NextSecond()
				s.Do("PUT", "/f", "first")
				given := s.Want(204, "PUT", "/f", "other").Header.Get("Last-Modified")
				a := s.Do("GET", "/f", "", "If-Range", given, "Range", "bytes=1-")
				if a.Header.Get("Date") != given {
					continue
				}
				if a.Status != 200 || a.Body != "other" {
					t.Errorf("GET in the second of the date = %d %q, want 200 and all of it", a.Status, a.Body)
				}
				harness.NextSecond()
				if got := s.Want(206, "GET", "/f", "", "If-Range", given, "Range", "bytes=1-").Body; got != "ther" {
					t.Errorf("GET in the next second = %q", got)
				}
				return
			}
			t.Fatal("this machine is too slow")
		})
	}
}

// A date that was not given, the client's own, counts where the file system knows that nothing
// has changed since; in the second of a change it does not know.
func TestDatesOfTheClient(t *testing.T) {
	for _, b := range harness.Backends {
		for what, change := range map[string]func(s *harness.Site){
			"PUT":                  func(s *harness.Site) { s.Want(201, "PUT", "/c/f", "x") },
			"PUT of an older file": func(s *harness.Site) { s.Want(201, "PUT", "/c/f", "x", "X-OC-Mtime", "784111777") },
			"MOVE of the collection": func(s *harness.Site) {
				s.Want(201, "MKCOL", "/d/", "")
				s.Want(201, "PUT", "/d/f", "x")
				s.Want(204, "MOVE", "/d/", "", "Destination", "dest:/c/")
			},
			"PUT of a time still to come":    func(s *harness.Site) { s.Want(201, "PUT", "/c/f", "x", "X-OC-Mtime", "99999999999") },
			"another member of the same one": func(s *harness.Site) { s.Want(201, "PUT", "/c/f", "x"); s.Want(201, "PUT", "/c/g", "x") },
		} {
			t.Run(b.Name+", "+what, func(t *testing.T) {
				t.Parallel()
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				s.Want(201, "MKCOL", "/c/", "")
				change(s)
				harness.NextSecond()
				own := time.Now().UTC().Format(http.TimeFormat)
				s.Want(304, "GET", "/c/f", "", "If-Modified-Since", own)
				s.Want(200, "GET", "/c/f", "", "If-Unmodified-Since", own)
				s.Want(200, "GET", "/c/f", "", "If-Range", own, "Range", "bytes=0-")
				s.Want(200, "GET", "/c/f", "", "If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				s.Want(204, "PUT", "/c/f", "y", "X-OC-Mtime", "784111777", "If-Unmodified-Since", own)
				s.Want(200, "GET", "/c/f", "", "If-Modified-Since", own)
				s.Want(412, "PUT", "/c/f", "z", "If-Unmodified-Since", own)
				s.Want(412, "DELETE", "/c/f", "", "If-Unmodified-Since", own)
			})
		}
	}
}

// Changes outside of the server also make conditions by date fail: a time that is set back (touch
// -d), a file renamed over another, a changed link.
func TestDatesOfOutsideChanges(t *testing.T) {
	at := time.Unix(784111777, 0)
	for what, change := range map[string]func(dir string) error{
		"touch -d": func(dir string) error { return os.Chtimes(filepath.Join(dir, "c", "f"), at, at) },
		"mv":       func(dir string) error { return os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "c", "f")) },
		"mv of collections": func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "c"), filepath.Join(dir, "gone")); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "c"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
			for _, name := range []string{"/c/", "/d/"} {
				s.Want(201, "MKCOL", name, "")
			}
			for _, name := range []string{"/old", "/d/f"} {
				s.Want(201, "PUT", name, "old", "X-OC-Mtime", "784111777")
			}
			harness.NextSecond()
			given := s.Want(201, "PUT", "/c/f", "first").Header.Get("Last-Modified")
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			s.Want(200, "GET", "/c/f", "", "If-Modified-Since", given)
			s.Want(412, "PUT", "/c/f", "x", "If-Unmodified-Since", given)
		})
	}
}

// Last-Modified has the time on the disk in whole seconds (RFC 9110 §5.6.7), also for the epoch and
// earlier times.
func TestTimesOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
	s.Want(201, "PUT", "/f", "x")
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(0, 5e8), time.Unix(-1, 0), time.Date(1960, 1, 2, 3, 4, 5, 0, time.UTC)} {
		if err := os.Chtimes(filepath.Join(dir, "f"), at, at); err != nil {
			t.Fatal(err)
		}
		want := at.UTC().Format(http.TimeFormat)
		for _, method := range []string{"GET", "HEAD"} {
			if got := s.Want(200, method, "/f", "").Header.Get("Last-Modified"); got != want {
				t.Errorf("%s: Last-Modified %q, want %q", method, got, want)
			}
		}
		s.Want(304, "GET", "/f", "", "If-Modified-Since", want)
		s.Want(207, "PROPPATCH", "/f", `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x:"/></prop></set></propertyupdate>`, "If-Unmodified-Since", want)
	}
}
