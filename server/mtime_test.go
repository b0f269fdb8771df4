package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
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

// The methods by which clients preserve a file's time (clients requirement 29), and the time that
// each reads back.
func TestModificationTime(t *testing.T) {
	const when = "Sun, 06 Nov 1994 08:49:37 GMT" // 784111777
	set := func(prop string) string {
		return `<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>` + prop + `</D:prop></D:set></D:propertyupdate>`
	}
	for _, tt := range []struct {
		client, method, body, header string
		accepted                     bool
		want                         string // Last-Modified after it; "" is another time
		body207                      string // a part of the body of the 207
	}{
		{"rclone, owncloud: X-OC-Mtime on PUT", "PUT", "x", "784111777", true, when, ""},
		{"with a fraction", "PUT", "x", "784111777.5", true, when, ""},
		{"what is no time is passed over", "PUT", "x", "yesterday", false, "", ""},
		{"a time before 1970", "PUT", "x", "-1", false, "", ""},
		{"an exponent, which would be another time", "PUT", "x", "784111777.5e8", false, "", ""},
		{"no fraction is a second more", "PUT", "x", "784111777.99999999999999999999", true, when, ""},
		{"rclone: lastmodified with an exponent", "PROPPATCH", set("<D:lastmodified>784111777.5e8</D:lastmodified>"), "", false, "", "409 Conflict"},
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
			h := New(memory.New(nil).Backend(), nil)
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
			if body := bodyOf(t, r); !strings.Contains(body, tt.body207) {
				t.Errorf("response %s", body)
			}
			after := do(h, "HEAD", target, "")
			if got := after.Header.Get("Last-Modified"); (got == when) != (tt.want == when) {
				t.Errorf("Last-Modified = %s, want %q", got, tt.want)
			}
			if tag := r.Header.Get("ETag"); tag != "" && tag != after.Header.Get("ETag") {
				t.Errorf("ETag of the response %s, of the file %s", tag, after.Header.Get("ETag"))
			}
			if tt.client == "Windows" {
				find := do(h, "PROPFIND", target, `<propfind xmlns="DAV:"><prop xmlns:Z="urn:schemas-microsoft-com:"><Z:Win32LastModifiedTime/><Z:Win32FileAttributes/></prop></propfind>`)
				if body := bodyOf(t, find); !strings.Contains(body, when) || !strings.Contains(body, "00000020") || strings.Contains(body, "404") {
					t.Errorf("the time for Windows: %s", body)
				}
			}
		})
	}
	t.Run("collections have times, too", func(t *testing.T) {
		h := New(memory.New(nil).Backend(), nil)
		do(h, "MKCOL", "/c", "")
		do(h, "PROPPATCH", "/c", set("<Z:Win32LastModifiedTime>"+when+"</Z:Win32LastModifiedTime>"))
		if body := bodyOf(t, do(h, "PROPFIND", "/c", "", "Depth", "0")); !strings.Contains(body, "<D:getlastmodified>"+when) {
			t.Errorf("after it: %s", body)
		}
	})
	t.Run("two contents of one size and second have two entity tags", func(t *testing.T) {
		h := New(memory.New(nil).Backend(), nil)
		one := do(h, "PUT", "/a", "1", "X-OC-Mtime", "784111777").Header.Get("ETag")
		two := do(h, "PUT", "/a", "2", "X-OC-Mtime", "784111777").Header.Get("ETag")
		if one == two || one == "" {
			t.Errorf("ETag %s, then %s", one, two)
		}
	})
	t.Run("a file system that cannot set times: protected", func(t *testing.T) {
		h := New(fsbackend.FromWebDAV(webdav.NewMemFS()), nil)
		do(h, "PUT", "/a", "x")
		body := bodyOf(t, do(h, "PROPPATCH", "/a", set("<D:getlastmodified>"+when+"</D:getlastmodified>")))
		if !strings.Contains(body, "403 Forbidden") || !strings.Contains(body, "cannot-modify-protected-property") {
			t.Errorf("response %s", body)
		}
		if r := do(h, "PUT", "/a", "x", "X-OC-Mtime", "784111777"); r.Header.Get("X-OC-Mtime") != "" || r.StatusCode != 204 {
			t.Errorf("PUT = %s, X-OC-Mtime: %s", r.Status, r.Header.Get("X-OC-Mtime"))
		}
	})
}

// modTimeOf returns the modification time of /f, "" for none. It fails the test unless all
// responses have the same.
func modTimeOf(t *testing.T, h http.Handler) string {
	t.Helper()
	one := do(h, "HEAD", "/f", "").Header.Get("Last-Modified")
	find := bodyOf(t, do(h, "PROPFIND", "/f", `<propfind xmlns="DAV:"><prop xmlns:Z="urn:schemas-microsoft-com:">`+
		`<getlastmodified/><lastmodified/><Z:Win32LastModifiedTime/></prop></propfind>`))
	value := func(name string) string {
		_, value, _ := strings.Cut(find, name)
		_, value, _ = strings.Cut(value, ">")
		value, _, _ = strings.Cut(value, "<")
		return value
	}
	epoch, page, missing := "", "<td></td></tr>\n</table>", 3
	if at, err := http.ParseTime(one); err == nil {
		epoch, page, missing = fmt.Sprint(at.Unix()), "<td>"+at.Format(time.DateTime)+"</td></tr>\n</table>", 0
	} else if one != "" {
		t.Errorf("Last-Modified is %q", one)
	}
	for what, got := range map[string]string{
		"GET": do(h, "GET", "/f", "").Header.Get("Last-Modified"), "a part": do(h, "GET", "/f", "", "Range", "bytes=0-0").Header.Get("Last-Modified"),
		"getlastmodified": value("D:getlastmodified"), "Win32LastModifiedTime": value("Win32LastModifiedTime"),
	} {
		if got != one {
			t.Errorf("%s has %q, HEAD %q", what, got, one)
		}
	}
	if got := value("D:lastmodified"); got != epoch {
		t.Errorf("lastmodified is %q, want %q", got, epoch)
	}
	if strings.Contains(find, "404 Not Found") != (missing > 0) {
		t.Errorf("properties without a value are not 404, or others are: %s", find)
	}
	if body := bodyOf(t, do(h, "GET", "/", "")); !strings.Contains(body, page) {
		t.Errorf("the page of the collection has no %q: %s", page, body)
	}
	return one
}

// All responses have the same time, as far as an HTTP-date can represent it (RFC 9110 §5.6.7). None
// has the zero time of a back end without times (RFC 4918 §15.7: getlastmodified is "the
// Last-Modified header value ... as it would be returned by a GET method").
func TestTimesInResponses(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		mtime time.Time
		given bool
	}{
		{"1960", time.Date(1960, 1, 2, 3, 4, 5, 6, time.UTC), true},
		{"the second before the epoch", time.Unix(-1, 5e8), true},
		{"the epoch", time.Unix(0, 0), true},
		{"a fraction of a second after it", time.Unix(0, 5e8), true},
		{"the second after it", time.Unix(1, 0), true},
		{"now", time.Now(), true},
		{"no time", time.Time{}, false},
		{"the day after, which is a time", time.Time{}.AddDate(0, 0, 1), true},
		{"no year of four digits", time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := memory.New(nil).Backend()
			h := New(&stamped{Backend: files, mtime: tt.mtime}, nil)
			do(h, "PUT", "/f", "x")
			want := ""
			if tt.given {
				want = tt.mtime.UTC().Format(http.TimeFormat)
			}
			if got := modTimeOf(t, h); got != want {
				t.Errorf("the time is %q, want %q", got, want)
			}
		})
	}
}

// stamped is a back end with the same modification time for all files, and the same change time if
// it is not zero.
type stamped struct {
	fsbackend.Backend
	mtime, ctime time.Time
}

func (s *stamped) stamp(fi *fsbackend.Info, err error) (*fsbackend.Info, error) {
	if err == nil {
		fi.Attr.ModTime, fi.Attr.ChangeTime = s.mtime, s.ctime
	}
	return fi, err
}

type stampedFile struct {
	fsbackend.File
	of *stamped
}

type stampedDir struct {
	fsbackend.Dir
	of *stamped
}

func (s *stamped) Stat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return s.stamp(s.Backend.Stat(ctx, p))
}

func (s *stamped) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return s.stamp(s.Backend.Lstat(ctx, p))
}

func (s *stamped) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := s.Backend.Open(ctx, p)
	return stampedFile{f, s}, err
}

func (f stampedFile) Stat() (*fsbackend.Info, error) { return f.of.stamp(f.File.Stat()) }

type stampedUpload struct {
	fsbackend.Upload
	of *stamped
}

func (s *stamped) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	u, err := s.Backend.Create(ctx, p)
	return stampedUpload{u, s}, err
}

func (u stampedUpload) Replaces() *fsbackend.Info {
	fi := u.Upload.Replaces()
	if fi != nil {
		u.of.stamp(fi, nil)
	}
	return fi
}

func (u stampedUpload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	return u.of.stamp(u.Upload.Commit(ctx))
}

func (s *stamped) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	d, err := s.Backend.OpenDir(ctx, p)
	return stampedDir{d, s}, err
}

func (d stampedDir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	d.Dir.Lstat(names, infos, errs)
	for i := range infos {
		d.of.stamp(&infos[i], errs[i])
	}
}

// No response has a time in the future (RFC 9110 §8.8.2.1); it has the stable time of the last
// change instead. A condition with the time of GET matches at any later time.
func TestFutureTimes(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	changed := time.Now().Add(-time.Minute)
	for _, tt := range []struct {
		what         string
		mtime, ctime time.Time
		want         time.Time
	}{
		{"a time to come", soon, changed, changed},
		{"the year 2100", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), changed, changed},
		{"the year 10000", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), changed, changed},
		{"a time to come, and no other is known", soon, time.Time{}, time.Time{}},
		{"a clock that was set back", soon, soon, time.Time{}},
		{"a time that has come", changed, time.Now(), changed},
	} {
		t.Run(tt.what, func(t *testing.T) {
			h := New(&stamped{Backend: memory.New(nil).Backend(), mtime: tt.mtime, ctime: tt.ctime}, nil)
			put := do(h, "PUT", "/f", "x")
			want := ""
			if !tt.want.IsZero() {
				want = tt.want.UTC().Format(http.TimeFormat)
			}
			if got := modTimeOf(t, h); got != want || put.Header.Get("Last-Modified") != want {
				t.Errorf("the time is %q, of PUT %q, want %q", got, put.Header.Get("Last-Modified"), want)
			}
			if want == "" {
				return
			}
			for _, request := range [][3]string{{"GET", "If-Modified-Since", "304"}, {"GET", "If-Unmodified-Since", "200"}, {"PUT", "If-Unmodified-Since", "204"}} {
				if r := do(h, request[0], "/f", "x", request[1], want); fmt.Sprint(r.StatusCode) != request[2] {
					t.Errorf("%s with %s and the time of GET = %s, want %s", request[0], request[1], r.Status, request[2])
				}
			}
		})
	}
}

// An accepted time is returned later. A time that cannot be represented is refused and changes
// nothing.
func TestSetTimes(t *testing.T) {
	for _, tt := range []struct {
		what     string
		at       time.Time
		accepted bool
	}{
		{"the epoch", time.Unix(0, 0), true},
		{"the second before it", time.Unix(-1, 0), false},
		{"now", time.Now(), true},
		{"a clock that is some seconds ahead (RFC 9110 §8.8.2.1)", time.Now().Add(20 * time.Second), false},
		{"an hour to come", time.Now().Add(time.Hour), false},
		{"more than a day to come", time.Now().Add(25 * time.Hour), false},
		{"2100", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			date, epoch := tt.at.UTC().Format(http.TimeFormat), fmt.Sprint(tt.at.Unix())
			for name, value := range map[string]string{
				"getlastmodified": date, "lastmodified": date, " lastmodified": epoch, "Win32LastModifiedTime": date,
				"X-OC-Mtime on PUT": "", "X-OC-Mtime on COPY": "", "X-OC-Mtime on MKCOL": "",
			} {
				t.Run(name, func(t *testing.T) {
					mem := memory.New(nil)
					h := New(mem.Backend(), nil)
					target := "/f"
					do(h, "PUT", "/f", "x")
					before, _ := mem.Stat("/f")
					accepted := false
					if method, ok := strings.CutPrefix(name, "X-OC-Mtime on "); ok {
						url := "/f"
						switch method {
						case "COPY":
							target = "/g"
						case "MKCOL":
							target, url = "/d", "/d"
						}
						r := do(h, method, url, "", "X-OC-Mtime", epoch, "Destination", "/g")
						accepted = r.Header.Get("X-OC-Mtime") == "accepted"
						if r.StatusCode/100 != 2 {
							t.Errorf("%s = %s", method, r.Status)
						}
					} else {
						space, name := "DAV:", strings.TrimSpace(name)
						if strings.HasPrefix(name, "Win32") {
							space = props.Microsoft("").Space
						}
						body := bodyOf(t, do(h, "PROPPATCH", "/f", `<propertyupdate xmlns="DAV:"><set><prop><`+name+` xmlns="`+space+`">`+value+
							`</`+name+`></prop></set></propertyupdate>`))
						why := "The value is not a time in the form of the property, or one that cannot be kept, such as a leap second."
						if tt.at.After(time.Now()) {
							why = "A time that is still to come cannot be set."
						}
						if accepted = strings.Contains(body, "200 OK"); !accepted && (!strings.Contains(body, "409 Conflict") || !strings.Contains(body, why)) {
							t.Errorf("PROPPATCH = %s", body)
						}
						after, _ := mem.Stat("/f")
						if !tt.accepted && !after.ModTime().Equal(before.ModTime()) {
							t.Errorf("refused, and the time is %v", after.ModTime())
						}
						if !tt.accepted {
							return
						}
						if got := modTimeOf(t, h); got != date {
							t.Errorf("accepted, and all responses have %s, want %s", got, date)
						}
					}
					after, err := mem.Stat(target)
					if accepted != tt.accepted || err != nil || (after.ModTime().Unix() == tt.at.Unix()) != accepted {
						t.Errorf("accepted %t, want %t; the time is %v, want %v", accepted, tt.accepted, after.ModTime(), tt.at)
					}
				})
			}
		})
	}
}

// fat is a back end whose times begin in 1980. Earlier ones become the first one without an error,
// as on FAT with Linux.
type fat struct{ fsbackend.Backend }

func (f fat) SetModTime(ctx context.Context, p davpath.Path, mtime time.Time) error {
	if first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); mtime.Before(first) {
		mtime = first
	}
	return f.Backend.SetModTime(ctx, p, mtime)
}

// A time that the file system replaces is not accepted (RFC 4918 §9.2: all or nothing).
func TestReplacedTimes(t *testing.T) {
	h := New(fat{memory.New(nil).Backend()}, nil)
	if r := do(h, "PUT", "/f", "x", "X-OC-Mtime", "0"); r.StatusCode != 201 || r.Header.Get("X-OC-Mtime") != "" {
		t.Errorf("PUT = %s, X-OC-Mtime: %s", r.Status, r.Header.Get("X-OC-Mtime"))
	}
	put := modTimeOf(t, h)
	if at, err := http.ParseTime(put); err != nil || time.Since(at) > time.Minute {
		t.Errorf("the time is %q, want that of the PUT", put)
	}
	body := bodyOf(t, do(h, "PROPPATCH", "/f", `<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>`+
		`Thu, 01 Jan 1970 00:00:00 GMT</getlastmodified><a/></prop></set></propertyupdate>`))
	if !strings.Contains(body, "409 Conflict") || !strings.Contains(body, "424 Failed Dependency") || modTimeOf(t, h) != put {
		t.Errorf("the time is %q, was %q: %s", modTimeOf(t, h), put, body)
	}
	if r := do(h, "PUT", "/f", "x", "X-OC-Mtime", "784111777"); r.Header.Get("X-OC-Mtime") != "accepted" {
		t.Error("a time of 1994 is not accepted")
	}
}

func FuzzTimes(f *testing.F) {
	f.Add("Sun, 6 Nov 1994 08:49:37 GMT", "784111777.25")
	f.Add("", "784111777.5e8")
	f.Fuzz(func(t *testing.T, date, epoch string) {
		for _, parsed := range []func() (time.Time, error){
			func() (time.Time, error) { return props.ParseHTTPDate(date) }, func() (time.Time, error) { return parseEpoch(epoch) },
		} {
			if at, err := settable(parsed()); err == nil && (at.Unix() < 0 || !props.ValidTime(at) || time.Until(at) > time.Second) {
				t.Errorf("%q, %q: %v", date, epoch, at)
			}
		}
		if at, err := settable(parseEpoch(epoch)); err == nil {
			whole, _, _ := strings.Cut(strings.TrimLeft(epoch, "+0"), ".")
			if got := strings.TrimLeft(fmt.Sprint(at.Unix()), "0"); got != whole && !strings.HasPrefix(epoch, "-") {
				t.Errorf("%q: %s", epoch, got)
			}
		}
	})
}

// PUT and GET of a file have the same Last-Modified.
func TestPutLastModified(t *testing.T) {
	h := New(memory.New(nil).Backend(), nil)
	put := do(h, "PUT", "/f", "x", "X-OC-Mtime", "0")
	get := do(h, "GET", "/f", "")
	if got, want := put.Header.Get("Last-Modified"), get.Header.Get("Last-Modified"); got != want {
		t.Errorf("PUT has Last-Modified %q, GET %q", got, want)
	}
}
