package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
)

// do sends one request to a handler.
func do(h http.Handler, method, url, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The ways in which clients keep the time of a file (clients requirement 29), and what each reads back.
func TestModificationTime(t *testing.T) {
	const when = "Sun, 06 Nov 1994 08:49:37 GMT" // 784111777
	set := func(prop string) string {
		return `<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>` + prop + `</D:prop></D:set></D:propertyupdate>`
	}
	for _, tt := range []struct {
		client, method, body, header string
		accepted                     bool
		want                         string // Last-Modified after it; "" is another time
		answer                       string // what stands in the body of the 207
	}{
		{"rclone, owncloud: X-OC-Mtime on PUT", "PUT", "x", "784111777", true, when, ""},
		{"with a fraction", "PUT", "x", "784111777.5", true, when, ""},
		{"what is no time is passed over", "PUT", "x", "yesterday", false, "", ""},
		{"a time before 1970", "PUT", "x", "-1", false, "", ""},
		{"gvfs: X-OC-Mtime on COPY", "COPY", "", "784111777", true, when, ""},
		{"rclone: X-OC-Mtime on MOVE", "MOVE", "", "784111777", true, when, ""},
		{"WinSCP: getlastmodified, a day of one digit", "PROPPATCH", set("<D:getlastmodified>Sun, 6 Nov 1994 08:49:37 GMT</D:getlastmodified>"), "", false, when, "200 OK"},
		{"davs: getlastmodified, RFC 850", "PROPPATCH", set("<D:getlastmodified>Sunday, 06-Nov-94 08:49:37 GMT</D:getlastmodified>"), "", false, when, "200 OK"},
		{"Windows", "PROPPATCH", set("<Z:Win32CreationTime>" + when + "</Z:Win32CreationTime><Z:Win32LastModifiedTime>" + when +
			"</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>"), "", false, when, "200 OK"},
		{"rclone, fastmail: lastmodified", "PROPPATCH", set("<D:lastmodified>784111777</D:lastmodified>"), "", false, when, "200 OK"},
		{"§9.2.1 a value that is no time: 409, and 424 for the rest", "PROPPATCH", set("<D:getlastmodified>soon</D:getlastmodified><Z:a>1</Z:a>"), "", false, "", "409 Conflict"},
	} {
		t.Run(tt.client, func(t *testing.T) {
			h := New(fsbackend.New(fsbackend.Memory()), nil)
			do(h, "PUT", "/a", "before")
			target := "/a"
			var headers []string
			if tt.header != "" {
				headers = append(headers, "X-OC-Mtime", tt.header)
			}
			if tt.method == "COPY" || tt.method == "MOVE" {
				target = "/b"
				headers = append(headers, "Destination", "/b")
			}
			r := do(h, tt.method, "/a", tt.body, headers...)
			if got := r.Header.Get("X-OC-Mtime") == "accepted"; got != tt.accepted {
				t.Errorf("%s: X-OC-Mtime accepted %v, want %v", r.Status, got, tt.accepted)
			}
			if body := bodyOf(t, r); !strings.Contains(body, tt.answer) {
				t.Errorf("answer %s", body)
			}
			after := do(h, "HEAD", target, "")
			if got := after.Header.Get("Last-Modified"); (got == when) != (tt.want == when) {
				t.Errorf("Last-Modified = %s, want %q", got, tt.want)
			}
			if tag := r.Header.Get("ETag"); tag != "" && tag != after.Header.Get("ETag") {
				t.Errorf("ETag of the answer %s, of the file %s", tag, after.Header.Get("ETag"))
			}
			if tt.client == "Windows" {
				find := do(h, "PROPFIND", target, `<propfind xmlns="DAV:"><prop xmlns:Z="urn:schemas-microsoft-com:"><Z:Win32LastModifiedTime/><Z:Win32FileAttributes/></prop></propfind>`)
				if body := bodyOf(t, find); !strings.Contains(body, when) || !strings.Contains(body, "00000020") || strings.Contains(body, "404") {
					t.Errorf("what Windows reads back: %s", body)
				}
			}
		})
	}
	t.Run("collections have times, too", func(t *testing.T) {
		h := New(fsbackend.New(fsbackend.Memory()), nil)
		do(h, "MKCOL", "/c", "")
		do(h, "PROPPATCH", "/c", set("<Z:Win32LastModifiedTime>"+when+"</Z:Win32LastModifiedTime>"))
		if body := bodyOf(t, do(h, "PROPFIND", "/c", "", "Depth", "0")); !strings.Contains(body, "<D:getlastmodified>"+when) {
			t.Errorf("after it: %s", body)
		}
	})
	t.Run("two contents of one size and second have two entity tags", func(t *testing.T) {
		h := New(fsbackend.New(fsbackend.Memory()), nil)
		one := do(h, "PUT", "/a", "1", "X-OC-Mtime", "784111777").Header.Get("ETag")
		two := do(h, "PUT", "/a", "2", "X-OC-Mtime", "784111777").Header.Get("ETag")
		if one == two || one == "" {
			t.Errorf("ETag %s, then %s", one, two)
		}
	})
	t.Run("a file system that cannot set times: protected", func(t *testing.T) {
		h := New(webdav.NewMemFS(), nil)
		do(h, "PUT", "/a", "x")
		body := bodyOf(t, do(h, "PROPPATCH", "/a", set("<D:getlastmodified>"+when+"</D:getlastmodified>")))
		if !strings.Contains(body, "403 Forbidden") || !strings.Contains(body, "cannot-modify-protected-property") {
			t.Errorf("answer %s", body)
		}
		if r := do(h, "PUT", "/a", "x", "X-OC-Mtime", "784111777"); r.Header.Get("X-OC-Mtime") != "" || r.StatusCode != 204 {
			t.Errorf("PUT = %s, X-OC-Mtime: %s", r.Status, r.Header.Get("X-OC-Mtime"))
		}
	})
}

// A time that clients trip over is none, for GET as for PROPFIND (RFC 4918 §15.7: getlastmodified is "the Last-Modified
// header value ... as it would be returned by a GET method").
func TestTimesThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		mtime time.Time
		given bool
	}{
		{"1960", time.Date(1960, 1, 2, 3, 4, 5, 0, time.UTC), false},
		{"the epoch", time.Unix(0, 0), false},
		{"a fraction of a second after it", time.Unix(0, 5e8), false},
		{"the second after it", time.Unix(1, 0), true},
		{"now", time.Now(), true},
		{"the year 10000", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := fsbackend.New(fsbackend.Memory())
			h := New(files, nil)
			do(h, "PUT", "/f", "x")
			if err := files.Chtimes(t.Context(), "/f", tt.mtime); err != nil {
				t.Fatal(err)
			}
			want := ""
			if tt.given {
				want = tt.mtime.UTC().Format(http.TimeFormat)
			}
			for _, method := range []string{"GET", "HEAD"} {
				r := do(h, method, "/f", "")
				if got := r.Header.Get("Last-Modified"); got != want || r.StatusCode != 200 {
					t.Errorf("%s = %s, Last-Modified %q, want %q", method, r.Status, got, want)
				}
			}
			body := bodyOf(t, do(h, "PROPFIND", "/f", `<propfind xmlns="DAV:"><prop><getlastmodified/></prop></propfind>`))
			_, got, _ := strings.Cut(body, "<D:getlastmodified>")
			got, _, _ = strings.Cut(got, "<")
			if got != want || tt.given == strings.Contains(body, "404 Not Found") {
				t.Errorf("getlastmodified is %q, want %q: %s", got, want, body)
			}
		})
	}
}

func FuzzTimes(f *testing.F) {
	f.Add("Sun, 6 Nov 1994 08:49:37 GMT", "784111777.25")
	f.Fuzz(func(t *testing.T, date, epoch string) {
		for _, parsed := range []func() (time.Time, error){
			func() (time.Time, error) { return parseHTTPTime(date) }, func() (time.Time, error) { return parseEpoch(epoch) },
		} {
			if at, err := parsed(); err == nil && (at.UTC().Year() < 1970 || at.UTC().Year() > 9999) {
				t.Errorf("%q, %q: %v", date, epoch, at)
			}
		}
	})
}
