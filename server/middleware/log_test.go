package middleware

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/server/multistatus"
)

// logBuffer is a log that is safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// entry parses the log as one line of JSON.
func (l *logBuffer) entry(t *testing.T) map[string]any {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(l.String()), &e); err != nil {
		t.Fatalf("log = %q, want one line: %v", l, err)
	}
	return e
}

func TestLog(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
			}
			io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		rule    string
		handler http.HandlerFunc
		method  string
		target  string
		header  http.Header
		want    map[string]any // nil: must be absent
	}{
		{"method, path, status and bytes", answer(207, "<x/>"), "PROPFIND", "/a%20b/?token=secret", nil,
			map[string]any{"msg": "request", "level": "INFO", "method": "PROPFIND", "path": "/a%20b/", "status": 207.0, "bytes": 4.0,
				"remote": "192.0.2.1", "depth": nil, "destination": nil, "aborted": nil}},
		{"a body without a status is a 200", answer(0, "x"), "GET", "/", nil, map[string]any{"status": 200.0, "bytes": 1.0}},
		{"nothing at all is a 200", func(http.ResponseWriter, *http.Request) {}, "GET", "/", nil, map[string]any{"status": 200.0, "bytes": 0.0}},
		{"RFC 9110 §15.2: an interim response is not the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusCreated)
		}, "MKCOL", "/c", nil, map[string]any{"status": 201.0}},
		{"Depth and Destination", answer(201, ""), "COPY", "/a", http.Header{"Depth": {"infinity"}, "Destination": {"/b%20c"}},
			map[string]any{"depth": "infinity", "destination": "/b%20c"}},
		{"a password in a Destination stays secret", answer(201, ""), "COPY", "/a", http.Header{"Destination": {"http://u:secret@h/b?q=secret#secret"}},
			map[string]any{"destination": "http://h/b"}},
		{"also in one that is no URL", answer(400, ""), "COPY", "/a", http.Header{"Destination": {"http://u:secret@h:port/"}},
			map[string]any{"destination": "(malformed)"}},
		{"or an opaque one", answer(400, ""), "COPY", "/a", http.Header{"Destination": {"http:u:secret@h/"}},
			map[string]any{"destination": "(malformed)"}},
		{"the path is what was asked for", func(w http.ResponseWriter, r *http.Request) { r.URL.Path = "/changed" }, "GET", "/a", nil,
			map[string]any{"path": "/a"}},
		{"OPTIONS for the server", answer(200, ""), "OPTIONS", "*", nil, map[string]any{"path": "*"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var l logBuffer
			r := httptest.NewRequest(tt.method, "/", nil)
			r.RequestURI = tt.target
			if tt.target == "*" {
				r.URL.Path = "*"
			} else {
				r = httptest.NewRequest(tt.method, tt.target, nil)
			}
			for k, v := range tt.header {
				r.Header[k] = v
			}
			r.Header.Set("Authorization", "Basic secret")
			Log(slog.New(slog.NewJSONHandler(&l, nil)))(tt.handler).ServeHTTP(httptest.NewRecorder(), r)
			got := l.entry(t)
			for k, want := range tt.want {
				if got[k] != want {
					t.Errorf("%s = %v, want %v", k, got[k], want)
				}
			}
			if strings.Contains(l.String(), "secret") {
				t.Errorf("log = %s, which contains a secret", l.String())
			}
			text, _ := got["duration"].(string)
			if d, err := time.ParseDuration(text); err != nil || d < 0 {
				t.Errorf("duration = %v, want a time with its unit", got["duration"])
			}
		})
	}
}

// A 207 with a failed member is not a success: the line has the number of both, also through other
// middleware and if the answer is broken off.
func TestLogMembers(t *testing.T) {
	write := func(abort bool, statuses ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			out := multistatus.NewWriter(w, r)
			for _, status := range statuses {
				out.Write(&multistatus.Response{Href: "/", Status: status})
			}
			if abort {
				out.KeepAlive()
				panic(http.ErrAbortHandler)
			}
			out.Close()
		}
	}
	properties := func(w http.ResponseWriter, r *http.Request) {
		out := multistatus.NewWriter(w, r)
		for _, status := range []int{200, 404, 403, 424} {
			out.Write(&multistatus.Response{Href: "/", Propstat: []multistatus.Propstat{{Status: 200}, {Status: status}}})
		}
		out.Close()
	}
	for _, tt := range []struct {
		rule            string
		handler         http.HandlerFunc
		members, failed any
	}{
		{"RFC 4918 §13 a failed member", write(false, 201, 423, 200), 3.0, 1.0},
		{"RFC 4918 §13 none", write(false, 201), 1.0, 0.0},
		{"RFC 4918 §9.1 a property that is missing is no failure, one that is refused is", properties, 4.0, 2.0},
		{"an answer broken off", write(true, 507, 200), 2.0, 1.0},
		{"a 207 that nobody counted", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(207) }, nil, nil},
		{"no 207", write(false), nil, nil},
	} {
		for _, accept := range []string{"", "application/json"} {
			var l logBuffer
			r := httptest.NewRequest("PROPFIND", "/", nil)
			r.Header.Set("Accept", accept)
			func() {
				defer func() { recover() }()
				Log(slog.New(slog.NewJSONHandler(&l, nil)))(Recover(nil)(tt.handler)).ServeHTTP(httptest.NewRecorder(), r)
			}()
			if got := l.entry(t); got["members"] != tt.members || got["failed"] != tt.failed {
				t.Errorf("%s: members, failed = %v, %v, want %v, %v", tt.rule, got["members"], got["failed"], tt.members, tt.failed)
			}
		}
	}
}

// What the middleware refuses is JSON for a client that prefers it.
func TestRefuseJSON(t *testing.T) {
	refused := func(h http.Handler) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("PUT", "http://elsewhere.example/", nil)
		r.Header.Set("Accept", "application/problem+json")
		r.Header.Set("Origin", "http://evil.example")
		h.ServeHTTP(w, r)
		return w
	}
	users, err := OpenUsers(usersFile(t, "ann", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") })
	for want, h := range map[int]http.Handler{
		401: Authenticate(AuthOptions{Users: users})(panics),
		403: SameSite()(panics),
		421: Hosts(HostsOptions{})(panics),
		500: Recover(nil)(panics),
	} {
		w := refused(h)
		e, err := multistatus.DecodeProblem(w.Body)
		if err != nil || w.Code != want || e.Status != want || w.Header().Get("Content-Type") != multistatus.ContentTypeProblem || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%d: %+v, %v, header %v", want, e, err, w.Header())
		}
	}
}

// handlerFunc is a slog.Handler that gets the unformatted values.
type handlerFunc func(slog.Record)

func (handlerFunc) Enabled(context.Context, slog.Level) bool        { return true }
func (f handlerFunc) Handle(_ context.Context, r slog.Record) error { f(r); return nil }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f handlerFunc) WithGroup(string) slog.Handler                 { return f }

func TestLogInjection(t *testing.T) {
	evil := "x\nlevel=INFO msg=request path=/forged\x1b[2J\u2028\xff"
	r := httptest.NewRequest("PROPFIND", "/", nil)
	r.URL.Path, r.URL.RawPath = "/"+evil, ""
	r.Method = evil
	r.Header["Depth"], r.Header["Destination"] = []string{evil}, []string{"/" + evil}
	var seen []string
	var l logBuffer
	Log(slog.New(handlerFunc(func(rec slog.Record) {
		rec.Attrs(func(a slog.Attr) bool {
			if a.Value.Kind() == slog.KindString {
				seen = append(seen, a.Value.String())
			}
			return true
		})
	})))(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	Log(slog.New(slog.NewTextHandler(&l, nil)))(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	for _, v := range seen {
		for i := 0; i < len(v); i++ {
			if v[i] < ' ' || v[i] > '~' {
				t.Errorf("value %q is not printable ASCII", v)
				break
			}
		}
	}
	if n := strings.Count(l.String(), "\n"); n != 1 || len(seen) == 0 {
		t.Errorf("log = %q: %d lines, want 1; %d values", l.String(), n, len(seen))
	}
}

func TestLogBounds(t *testing.T) {
	var l logBuffer
	r := httptest.NewRequest("GET", "/"+strings.Repeat("a", 100_000), nil)
	r.Header.Set("Destination", "/"+strings.Repeat("b", 100_000))
	Log(slog.New(slog.NewTextHandler(&l, nil)))(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if len(l.String()) > 3*maxLogged {
		t.Errorf("a line of %d bytes for one request", len(l.String()))
	}
}

func TestLogAborted(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		write  string
		status float64
	}{
		{"before anything was sent", "", 0},
		{"after the answer began", "<D:multistatus", 200},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var l logBuffer
			h := Log(slog.New(slog.NewJSONHandler(&l, nil)))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.write != "" {
					io.WriteString(w, tt.write)
				}
				panic(http.ErrAbortHandler)
			}))
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("panic = %v, want http.ErrAbortHandler", v)
				}
				if e := l.entry(t); e["aborted"] != true || e["status"] != tt.status {
					t.Errorf("aborted, status = %v, %v, want true, %v", e["aborted"], e["status"], tt.status)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		})
	}
}

func TestLogDisabled(t *testing.T) {
	var l logBuffer
	log := slog.New(slog.NewTextHandler(&l, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, log := range []*slog.Logger{nil, log} {
		rec := httptest.NewRecorder()
		Log(log)(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		if rec.Code != 404 || l.String() != "" {
			t.Errorf("status, log = %d, %q, want 404 and no line", rec.Code, l.String())
		}
	}
}

// The address in the log is from X-Forwarded-For only if a trusted proxy sent it.
func TestLogRemote(t *testing.T) {
	for _, tt := range []struct{ from, forwarded, want string }{
		{"192.0.2.1:5", "198.51.100.7", "198.51.100.7"},
		{"192.0.2.1:5", "10.0.0.1, 198.51.100.7", "198.51.100.7"},
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7:555", "198.51.100.7"},
		{"192.0.2.1:5", "[2001:db8::1]:555", "2001:db8::1"},
		{"192.0.2.2:5", "198.51.100.7", "192.0.2.2"},
		{"@", "", "@"}, // a Unix socket
	} {
		var l logBuffer
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.from
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		Log(slog.New(slog.NewJSONHandler(&l, nil)), netip.MustParsePrefix("192.0.2.1/32"))(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if got := l.entry(t)["remote"]; got != tt.want {
			t.Errorf("from %s with X-Forwarded-For %q: remote = %v, want %s", tt.from, tt.forwarded, got, tt.want)
		}
	}
}
