package middleware

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dav207/server/access"
	"dav207/server/early"
	"dav207/server/password"
)

// hash returns a bcrypt hash with the given cost.
func hash(t testing.TB, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// usersFile writes a file of users from pairs of names and passwords, with hashes of minimal cost.
func usersFile(t testing.TB, pairs ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, pairs...)
	return file
}

func writeUsers(t testing.TB, file string, pairs ...string) {
	t.Helper()
	var text []byte
	for i := 0; i < len(pairs); i += 2 {
		var err error
		if text, err = SetUser(text, pairs[i], hash(t, pairs[i+1], bcrypt.MinCost)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// clock is a clock that a test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testBasic is an authenticator with a fake clock that records the hashes it computes.
type testBasic struct {
	*authenticator
	clock
	file   string
	mu     sync.Mutex
	hashed []password.Hash
	log    logBuffer
}

func newTestBasic(t *testing.T, pairs ...string) *testBasic {
	t.Helper()
	d := &testBasic{file: usersFile(t, pairs...)}
	d.now = time.Now()
	return d.reopen(t)
}

func (d *testBasic) reopen(t *testing.T) *testBasic {
	t.Helper()
	users, err := OpenUsers(d.file, nil)
	if err != nil {
		t.Fatal(err)
	}
	users.now, users.checked = d.clock.Now, d.clock.Now()
	d.authenticator = newAuthenticator(AuthOptions{
		Users:          users,
		SetHeaders:     func(h http.Header) { h.Set("DAV", "1, 2, 3") },
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")},
		Logger:         slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	d.verifier.now = d.clock.Now
	d.compare = func(hash password.Hash, text string) bool {
		d.mu.Lock()
		d.hashed = append(d.hashed, hash)
		d.mu.Unlock()
		return hash.Matches(text)
	}
	return d
}

// hashes returns the number of hashes since its last call.
func (d *testBasic) hashes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.hashed)
	d.hashed = nil
	return n
}

// request sends a request, and returns the answer with the principal in the body.
func (d *testBasic) request(from, name, password string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("PROPFIND", "/", nil)
	r.RemoteAddr = from
	r.SetBasicAuth(name, password)
	rec := httptest.NewRecorder()
	d.wrap(principalHandler).ServeHTTP(rec, r)
	return rec
}

// principalHandler writes the principal.
var principalHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, access.Principal(r.Context()))
})

const (
	home  = "192.0.2.1:1000"
	other = "192.0.2.2:1000"
)

func TestBasicUnauthorized(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	srv := httptest.NewUnstartedServer(d.wrap(principalHandler))
	srv.Config.DisableGeneralOptionsHandler = true
	srv.Start()
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)
	// All requests use one connection, which stays open.
	for _, method := range []string{"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK",
		"UNLOCK", "TRACE", "PATCH", "BREW"} {
		for _, target := range []string{"*", "/", "/a/b", "/.dav207", "/%00", "//", "/../x"} {
			if target == "*" && method != "OPTIONS" {
				continue
			}
			for _, body := range []string{"", "x", strings.Repeat("x", 100_000)} {
				fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
				resp, err := http.ReadResponse(answers, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("%s %s with %d bytes: %v", method, target, len(body), err)
				}
				text, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != 401 || resp.Close || resp.Header.Get("DAV") != "1, 2, 3" || resp.ContentLength < 0 ||
					resp.Header.Get("WWW-Authenticate") != `Basic realm="WebDAV", charset="UTF-8"` ||
					method != "HEAD" && int64(len(text)) != resp.ContentLength {
					t.Errorf("%s %s = %s, close %v, %v %q (RFC 7617 §2, §2.1)", method, target, resp.Status, resp.Close, resp.Header, text)
				}
			}
		}
	}
	if n := d.hashes(); n != 0 {
		t.Errorf("%d hashes, want none", n)
	}
}

// RFC 9110 §10.1.1: a client that waits for 100 Continue gets 401 instead.
func TestBasicExpectContinue(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	srv := httptest.NewServer(d.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })))
	defer srv.Close()
	for header, want := range map[string]string{
		"X-Nothing: 0": "HTTP/1.1 401 ",
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:wrong")):  "HTTP/1.1 401 ",
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret")): "HTTP/1.1 100 ",
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "PUT /f HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n%s\r\n\r\n", header)
		answers := bufio.NewReader(conn)
		if line, err := answers.ReadString('\n'); !strings.HasPrefix(line, want) {
			t.Errorf("with %s: %q, %v, want %s", header, line, err, want)
		}
		if strings.HasSuffix(want, " 100 ") {
			continue
		}
		conn.SetDeadline(time.Now().Add(early.BodyTimeout / 2))
		if rest, err := io.ReadAll(answers); err != nil || strings.Contains(string(rest), "HTTP/1.1") {
			t.Errorf("with %s: then %q, %v, want EOF at once and no second response", header, rest, err)
		}
	}
}

// RFC 9112 §9.6: a client that is sending a body can read the response, and reuse the connection.
func TestBasicDuringBody(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	srv := httptest.NewServer(d.wrap(principalHandler))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)
	for _, head := range []string{"Content-Length: 8388608\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n800000\r\n"} {
		io.WriteString(conn, "PUT /f HTTP/1.1\r\nHost: x\r\n"+head)
		for range 8 {
			if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
				t.Fatalf("the body cannot be sent: %v", err)
			}
		}
		if strings.HasPrefix(head, "T") {
			io.WriteString(conn, "\r\n0\r\n\r\n")
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != 401 {
			t.Errorf("status = %d, want 401", resp.StatusCode)
		}
	}
	// A client that reads while it writes gets the response, and may send the rest or not.
	resp, err := srv.Client().Post(srv.URL, "text/plain", io.LimitReader(zeros{}, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status = %d, want 401", resp.StatusCode)
	}
}

// With HTTP/2 the response follows the body: see early.Respond.
func TestBasicDuringBodyHTTP2(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	srv := httptest.NewUnstartedServer(d.wrap(principalHandler))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	body := &io.LimitedReader{R: zeros{}, N: 8 << 20}
	resp, err := srv.Client().Post(srv.URL, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 401 || body.N > 0 {
		t.Errorf("%s %s, %d bytes were not sent, want 401 after the body", resp.Proto, resp.Status, body.N)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBasic(t *testing.T) {
	d := newTestBasic(t, "ann", "secret", "café", "pässword", `DOM\bob`, "whole", "bob", "short", "colon", "a:b:c", "long", strings.Repeat("x", 72))
	for _, tt := range []struct {
		rule, name, password, user string // user "": 401
		hashes                     int
	}{
		{"a user", "ann", "secret", "ann", 1},
		{"a wrong password", "ann", "Secret", "", 1},
		{"no password", "ann", "", "", 1},
		{"somebody else's password", "ann", "pässword", "", 1},
		{"nobody", "eve", "secret", "", 1},
		{"no name", "", "secret", "", 1},
		{"names are not folded", "Ann", "secret", "", 1},
		{"RFC 7617 §2.1 UTF-8", "café", "pässword", "café", 1},
		{"RFC 7617 §2.1 NFD is another name", "cafe\u0301", "pässword", "", 1},
		{"RFC 7617 §2 the first colon ends the name", "colon", "a:b:c", "colon", 1},
		{"a domain goes where nobody has the whole name", `WORK\ann`, "secret", "ann", 1},
		{"a domain stays where somebody has", `DOM\bob`, "whole", `DOM\bob`, 1},
		{"and only then", `DOM2\bob`, "short", "bob", 1},
		{"the whole name's password counts", `DOM\bob`, "short", "", 1},
		{"a domain alone", `DOM\`, "short", "", 1},
		{"72 bytes", "long", strings.Repeat("x", 72), "long", 1},
		{"more than bcrypt looks at", "long", strings.Repeat("x", 73), "", 0},
		{"a NUL", "ann", "secret\x00", "", 0},
		{"a name longer than any", strings.Repeat("n", 2000), "secret", "", 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			rec := d.request(other, tt.name, tt.password)
			got := ""
			if rec.Code == 200 {
				got = rec.Body.String()
			}
			if want := map[bool]int{true: 200, false: 401}[tt.user != ""]; rec.Code != want || got != tt.user {
				t.Errorf("= %d as %q, want %d as %q", rec.Code, got, want, tt.user)
			}
			if n := d.hashes(); n != tt.hashes {
				t.Errorf("%d hashes, want %d", n, tt.hashes)
			}
		})
		d.advance(forgetAfter + 1)
	}
}

func TestBasicMalformed(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	good := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	for _, tt := range []struct {
		rule   string
		header []string
		status int
	}{
		{"as it should be", []string{good}, 200},
		{"RFC 9110 §11.1 schemes have no case", []string{"bAsIc" + good[5:]}, 200},
		{"RFC 9110 §11.4 any number of spaces", []string{"Basic   " + good[6:]}, 200},
		{"spaces around it", []string{" " + good + " "}, 200},
		{"nothing", nil, 401},
		{"two", []string{good, good}, 401},
		{"an empty one", []string{""}, 401},
		{"another scheme", []string{"Bearer abc"}, 401},
		{"no base64", []string{"Basic !!!"}, 401},
		{"no colon", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("ann"))}, 401},
		{"no credentials", []string{"Basic"}, 401},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.header != nil {
			r.Header["Authorization"] = tt.header
		}
		rec := httptest.NewRecorder()
		d.wrap(principalHandler).ServeHTTP(rec, r)
		if rec.Code != tt.status {
			t.Errorf("%s: %d, want %d", tt.rule, rec.Code, tt.status)
		}
	}
}

func TestBasicRealm(t *testing.T) {
	users, err := OpenUsers(usersFile(t, "ann", "secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	Authenticate(AuthOptions{Users: users, Realm: `a "b" \c`})(principalHandler).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if got, want := rec.Header().Get("WWW-Authenticate"), `Basic realm="a \"b\" \\c", charset="UTF-8"`; got != want {
		t.Errorf("challenge = %s, want %s", got, want)
	}
}

func TestBasicLog(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	d.request(home, "ann", "wrong-password")
	d.request(home, "typed-in-the-wrong-field", "x")
	d.request(home, "ann", "secret")
	log := d.log.String()
	for _, secret := range []string{"wrong-password", "typed-in", "secret", base64.StdEncoding.EncodeToString([]byte("ann:secret"))} {
		if strings.Contains(log, secret) {
			t.Errorf("log = %s, which contains %q", log, secret)
		}
	}
	if n := strings.Count(log, "level=WARN"); n != 2 || !strings.Contains(log, "remote=192.0.2.1 user=ann\n") || !strings.Contains(log, "remote=192.0.2.1\n") {
		t.Errorf("log = %s, want two lines, one with the user", log)
	}

	// The line of the request has the user.
	var l logBuffer
	h := Log(slog.New(slog.NewJSONHandler(&l, nil)))(d.wrap(principalHandler))
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(`WORK\ann`, "secret")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := l.entry(t)["user"]; got != "ann" {
		t.Errorf("user = %v, want ann", got)
	}
}
