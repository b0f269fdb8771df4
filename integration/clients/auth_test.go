package clients

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dav207/integration/harness"
	"dav207/server"
)

// The users of these tests. Their passwords differ only in the name.
const (
	ann, annPassword = "ann", "secret of ann é:"
	bob, bobPassword = "bob", "secret of bob é:"
)

// guarded is the command with users, and with https and a certificate that it created.
type guarded struct {
	*harness.Site
	ca    string // the file of the certificate that clients must trust
	users string
}

// ownCertificate sets the home of the command to a directory of this test, and returns the name of
// the certificate that the command will create there.
func ownCertificate(t testing.TB) string {
	t.Helper()
	if _, err := harness.Program(); err != nil { // go build needs the real home
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, home)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(config, "dav207", "self-signed.crt")
}

// startGuarded starts the command.
func startGuarded(t testing.TB, args ...string) *guarded {
	t.Helper()
	g := &guarded{ca: ownCertificate(t), users: usersFile(t)}
	g.Site = startProgram(t, append([]string{"--users", g.users, "--tls-self-signed"}, args...)...)
	g.Site.Client = g.trusting(nil)
	return g
}

// usersFile writes the file of the users.
func usersFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	var lines []byte
	for name, password := range map[string]string{ann: annPassword, bob: bobPassword} {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // fast, for tests
		if err != nil {
			t.Fatal(err)
		}
		lines = fmt.Appendf(lines, "%s:%s\n", name, hash)
	}
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// trusting returns a client that trusts the certificate and sends header with each request.
func (g *guarded) trusting(header http.Header) *http.Client {
	g.Helper()
	text, err := os.ReadFile(g.ca)
	if err != nil {
		g.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		g.Fatalf("%s is no certificate", g.ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	g.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: withHeader{transport, header}}
}

type withHeader struct {
	next   http.RoundTripper
	header http.Header
}

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range h.header {
		r.Header[name] = values
	}
	return h.next.RoundTrip(r)
}

// as returns the server with a client that logs in as a user.
func (g *guarded) as(name, password string) *harness.Site {
	g.Helper()
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	s := *g.Site
	s.Client = g.trusting(r.Header)
	return &s
}

// guardedEach runs a test on a tree in memory and on a directory.
func guardedEach(t *testing.T, test func(t *testing.T, g *guarded)) {
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			dir, what := "", "--memory"
			if kind == "disk" {
				dir = t.TempDir()
				what = dir
			}
			test(t, startGuarded(t, what, "--prefix", "/dav"))
			harness.NoTemps(t, dir)
		})
	}
}

// Requirement 18: without a password every request is 401, on one connection, with the headers by
// which clients recognise a WebDAV server.
func testUnauthorized(t *testing.T) {
	g := startGuarded(t, "--memory", "--prefix", "/dav")
	connections := 0
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			connections++
		}
	}})
	options := g.as(ann, annPassword).Want(200, "OPTIONS", "/", "")
	transport := g.Client.Transport.(withHeader).next.(*http.Transport)
	transport.Protocols = &http.Protocols{} // HTTP/2 uses one connection anyway
	transport.Protocols.SetHTTP1(true)
	for _, method := range []string{"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK",
		"UNLOCK", "BREW"} {
		for _, name := range []string{"/dav/", "/dav", "/", "/elsewhere", "/dav/missing/x"} {
			for _, size := range []int{0, 1, 100_000} {
				r, err := http.NewRequestWithContext(trace, method, g.URL+name, strings.NewReader(strings.Repeat("x", size)))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := g.Client.Do(r)
				if err != nil {
					t.Fatalf("%s %s with %d bytes: %v", method, name, size, err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				head := resp.Header
				if resp.StatusCode != 401 || head.Get("WWW-Authenticate") != `Basic realm="dav207", charset="UTF-8"` || head.Get("Content-Length") == "" ||
					head.Get("DAV") != options.Header.Get("DAV") || head.Get("MS-Author-Via") != options.Header.Get("MS-Author-Via") || head.Get("DAV") == "" {
					t.Errorf("%s %s = %s %v (RFC 7617 §2)", method, name, resp.Status, head)
				}
			}
		}
	}
	if connections != 1 {
		t.Errorf("%d connections were needed, want 1", connections)
	}
	// The refused requests changed nothing, and requests with a password succeed at once.
	if got := g.as(ann, annPassword).Tree("/"); !slices.Equal(got, []string{"/"}) {
		t.Errorf("tree = %q, want it empty", got)
	}
	for _, wrong := range []*harness.Site{g.as(ann, bobPassword), g.as("eve", annPassword), g.as("", "")} {
		wrong.Want(401, "PUT", "/f", "x")
	}
	// A request that is refused for another reason also keeps the connection usable.
	files, _ := harness.Backends[0].Open(t)
	s := harness.Serve(t, files, nil)
	s.Want(201, "PUT", "/f", "old")
	for _, size := range []int{1, 1000, 100_000, 10 << 20} {
		for site, want := range map[*harness.Site]int{s: 412, g.Site: 401} {
			a := site.Do("PUT", "/f", strings.Repeat("x", size), "If-None-Match", "*")
			if a.Status != want || a.Header.Get("Content-Length") == "" {
				t.Errorf("the refused PUT of %d bytes = %d %v, want %d", size, a.Status, a.Header, want)
			}
		}
		if got := s.Want(200, "GET", "/f", "").Body; got != "old" {
			t.Errorf("/f = %.10q after the refused PUT", got)
		}
	}
}

// Requirement 19: one flag enables TLS, with a certificate that is kept. Without flags the server
// needs no password.
func testTLS(t *testing.T) {
	files, _ := harness.Backends[0].Open(t)
	srv := httptest.NewTLSServer(server.New(files, nil))
	defer srv.Close()
	check := func(s *harness.Site) {
		t.Helper()
		s.Want(201, "PUT", "/f", "x")
		s.Want(201, "COPY", "/f", "", "Destination", "dest:/g") // an https URL
		a := s.Want(207, "PROPFIND", "/", "", "Depth", "1")
		if !strings.Contains(a.Body, "<D:href>"+s.Href("/g")+"</D:href>") {
			t.Errorf("PROPFIND = %s", a.Body)
		}
	}
	check(&harness.Site{TB: t, URL: srv.URL, Client: srv.Client()})
	g := startGuarded(t, "--memory")
	check(g.as(ann, annPassword))
	// The command itself sets a password, and the server needs no restart.
	path, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "passwd", g.users, "carol")
	cmd.Stdin = strings.NewReader("carol's\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dav207 passwd: %v\n%s", err, out)
	}
	carol := g.as("carol", "carol's")
	for end := time.Now().Add(20 * time.Second); carol.Do("GET", "/f", "").Status != 200; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("carol cannot log in")
		}
	}
	check(startProgram(t, "--memory")) // the loopback address needs neither TLS nor a password
	// Over HTTP/2 and over HTTP/1.1.
	for _, two := range []bool{true, false} {
		client := g.as(bob, bobPassword).Client
		protocols := &http.Protocols{}
		protocols.SetHTTP1(!two)
		protocols.SetHTTP2(two)
		client.Transport.(withHeader).next.(*http.Transport).Protocols = protocols
		resp, err := client.Get(g.At("/f"))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoAtLeast(2, 0) != two {
			t.Errorf("GET = %s %s, want 200 over HTTP/2: %v", resp.Proto, resp.Status, two)
		}
	}
}

// A lock belongs to its owner (RFC 4918 §6.4). Another user sees the lock without its token, and
// can neither use the token nor remove the lock.
func TestLocksOfUsers(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		a, b := g.as(ann, annPassword), g.as(bob, bobPassword)
		a.Want(201, "PUT", "/f", "old")
		token := a.Lock("/f", "0")
		ifToken := []string{"If", "(<" + token + ">)"}
		const discovery = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
		seen := b.Want(207, "PROPFIND", "/f", discovery, "Depth", "0").Body
		if !strings.Contains(seen, "<D:owner>a test</D:owner>") || strings.Contains(seen, token) {
			t.Errorf("bob sees %s, want the lock without its token", seen)
		}
		if seen := a.Want(207, "PROPFIND", "/f", discovery, "Depth", "0").Body; !strings.Contains(seen, token) {
			t.Errorf("ann sees %s, want the token", seen)
		}
		for _, tt := range []struct {
			method, name, body string
			header             []string
			status             int
		}{
			{"PUT", "/f", "new", nil, 423},
			{"PUT", "/f", "new", ifToken, 423},
			{"DELETE", "/f", "", ifToken, 423},
			{"MOVE", "/f", "", append([]string{"Destination", "dest:/g"}, ifToken...), 423},
			{"PROPPATCH", "/f", `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x"/></prop></set></propertyupdate>`, ifToken, 423},
			{"LOCK", "/f", "", ifToken, 403}, // refresh
			{"LOCK", "/f", harness.LockBody, nil, 423},
			{"UNLOCK", "/f", "", []string{"Lock-Token", "<" + token + ">"}, 403}, // §9.11.1
			{"COPY", "/f", "", []string{"Destination", "dest:/copy"}, 201},
		} {
			b.Want(tt.status, tt.method, tt.name, tt.body, tt.header...)
		}
		g.Want(401, "UNLOCK", "/f", "", "Lock-Token", "<"+token+">")
		// Bob's own token does not make the token of another user valid.
		bobs := b.Lock("/copy", "0")
		a.Want(423, "PUT", "/copy", "new", "If", "(<"+bobs+">)")
		a.Want(423, "COPY", "/f", "", "Destination", "dest:/copy")

		if got := b.Want(200, "GET", "/f", "").Body; got != "old" {
			t.Errorf("/f = %q, want it as it was", got)
		}
		a.Want(204, "PUT", "/f", "new", ifToken...)
		// Windows puts a domain before the name; it is the same user.
		g.as(`WORKGROUP\ann`, annPassword).Want(204, "UNLOCK", "/f", "", "Lock-Token", "<"+token+">")
		b.Want(204, "PUT", "/f", "bob's")
	})
}

// A page of another site cannot use the password that a browser has stored: its requests are 403,
// except GET. Requests without Origin, as other clients send them, are accepted.
func TestCrossSiteRequests(t *testing.T) {
	g := startGuarded(t, "--memory")
	a := g.as(ann, annPassword)
	a.Want(201, "PUT", "/f", "old")
	for _, method := range []string{"PUT", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "POST"} {
		a.Want(403, method, "/f", "", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Destination", "dest:/g")
		a.Want(403, method, "/f", "", "Origin", "https://evil.example", "Destination", "dest:/g")
	}
	a.Want(200, "GET", "/f", "", "Sec-Fetch-Site", "cross-site")
	a.Want(204, "PUT", "/f", "new", "Sec-Fetch-Site", "same-origin", "Origin", g.URL)
}

// After some wrong passwords a login is 429. Users who are logged in, and other users, are not
// affected.
func TestPasswordGuessing(t *testing.T) {
	g := startGuarded(t, "--memory")
	a := g.as(ann, annPassword)
	a.Want(200, "GET", "/", "")
	for i := range 5 {
		g.as(ann, fmt.Sprint("guess ", i)).Want(401, "GET", "/", "")
	}
	refused := g.as(ann, "one more").Want(429, "GET", "/", "")
	if refused.Header.Get("Retry-After") == "" || refused.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("429 has %v, want Retry-After", refused.Header)
	}
	a.Want(200, "GET", "/", "")
	g.as(bob, bobPassword).Want(200, "GET", "/", "")
}
