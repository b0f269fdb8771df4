package middleware

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dav207/server/access"
	"dav207/server/multistatus"
)

const proxy = "198.51.100.1:1000"

// seen is what a handler sees of a request.
type seen struct {
	called bool
	user   string
	groups []string
	header http.Header
}

// authenticate sends a request, and returns the answer and what the handler saw.
func authenticate(opts AuthOptions, handler http.HandlerFunc, change func(r *http.Request)) (*httptest.ResponseRecorder, seen) {
	var s seen
	r := httptest.NewRequest("PROPFIND", "/", nil)
	r.RemoteAddr = home
	change(r)
	rec := httptest.NewRecorder()
	Authenticate(opts)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.called, s.header = true, r.Header
		s.user, s.groups = access.PrincipalAndGroups(r.Context())
		if handler != nil {
			handler(w, r)
		}
	})).ServeHTTP(rec, r)
	return rec, s
}

func openTestUsers(t *testing.T, pairs ...string) *Users {
	t.Helper()
	users, err := OpenUsers(usersFile(t, pairs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func TestAuthHeader(t *testing.T) {
	users := openTestUsers(t, "ann", "secret")
	for _, tt := range []struct {
		rule     string
		from     string
		header   []string
		basic    bool // ann's password is sent
		status   int
		user     string // if status is 200
		password bool   // there are users with passwords
	}{
		{"a trusted proxy", proxy, []string{"zoë"}, false, 200, "zoë", true},
		{"goes before a password", proxy, []string{"zoë"}, true, 200, "zoë", true},
		{"without the field a password counts", proxy, nil, true, 200, "ann", true},
		{"with an empty one, too", proxy, []string{""}, true, 200, "ann", true},
		{"with neither", proxy, nil, false, 401, "", true},
		{"two fields: one may be the client's", proxy, []string{"zoë", "ann"}, true, 400, "", true},
		{"a control character", proxy, []string{"a\tb"}, false, 400, "", true},
		{"not UTF-8", proxy, []string{"a\xff"}, false, 400, "", true},
		{"too long", proxy, []string{strings.Repeat("n", 256)}, false, 400, "", true},
		{"anybody else is not believed", home, []string{"zoë"}, false, 401, "", true},
		{"nor with two", home, []string{"zoë", "ann"}, false, 401, "", true},
		{"a password counts", home, []string{"zoë"}, true, 200, "ann", true},
		{"no password to log in with: 401 needs a challenge (RFC 9110 §15.5.2)", home, []string{"zoë"}, false, 403, "", false},
		{"an address in X-Forwarded-For is none of the connection", home, []string{"zoë"}, false, 403, "", false},
	} {
		opts := AuthOptions{Header: "remote-user", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")}}
		if tt.password {
			opts.Users = users
		}
		var original http.Header
		rec, s := authenticate(opts, nil, func(r *http.Request) {
			r.RemoteAddr = tt.from
			r.Header.Set("X-Forwarded-For", "198.51.100.1")
			if tt.header != nil {
				r.Header["Remote-User"] = tt.header
			}
			if tt.basic {
				r.SetBasicAuth("ann", "secret")
			}
			original = r.Header
		})
		if rec.Code != tt.status || s.user != tt.user || s.called != (tt.status == 200) || (rec.Code == 401) != (rec.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %d as %q, want %d as %q", tt.rule, rec.Code, s.user, tt.status, tt.user)
		}
		if _, ok := s.header["Remote-User"]; ok {
			t.Errorf("%s: the handler sees the field", tt.rule)
		}
		if _, ok := original["Remote-User"]; ok != (tt.header != nil) {
			t.Errorf("%s: the request of the caller was changed", tt.rule)
		}
	}
}

func TestCertificateUser(t *testing.T) {
	cn := func(names ...string) (n pkix.Name) {
		for _, name := range names {
			n.Names = append(n.Names, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: name})
			n.CommonName = name
		}
		return n
	}
	for _, tt := range []struct {
		rule string
		c    x509.Certificate
		want string // "": none
	}{
		{"the common name", x509.Certificate{Subject: cn("ann")}, "ann"},
		{"an e-mail address goes before", x509.Certificate{Subject: cn("ann"), EmailAddresses: []string{"ann@example.com"}}, "ann@example.com"},
		{"two of these", x509.Certificate{Subject: cn("ann"), EmailAddresses: []string{"ann@example.com", "bob@example.com"}}, ""},
		{"two common names", x509.Certificate{Subject: cn("ann", "bob")}, ""},
		{"none", x509.Certificate{}, ""},
		{"a control character", x509.Certificate{Subject: cn("ann\n")}, ""},
		{"too long", x509.Certificate{Subject: cn(strings.Repeat("n", 256))}, ""},
		{"a name of DNS is no user", x509.Certificate{DNSNames: []string{"ann"}}, ""},
	} {
		if got, err := certificateUser(&tt.c); (err == nil) != (tt.want != "") || err == nil && got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.rule, got, err, tt.want)
		}
	}
}

func TestAuthCertificate(t *testing.T) {
	users := openTestUsers(t, "ann", "secret")
	named := &x509.Certificate{Subject: pkix.Name{CommonName: "zoë"}}
	verified := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
	}
	for _, tt := range []struct {
		rule   string
		tls    *tls.ConnectionState
		basic  bool
		guests bool
		status int
		user   string
	}{
		{"verified", verified(named), false, false, 200, "zoë"},
		{"goes before a password", verified(named), true, false, 200, "zoë"},
		{"not verified", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{named}}, false, false, 401, ""},
		{"none: a password counts", &tls.ConnectionState{}, true, false, 200, "ann"},
		{"no TLS", nil, true, false, 200, "ann"},
		{"without a name", verified(&x509.Certificate{}), false, false, 401, ""},
		{"without a name it is no guest", verified(&x509.Certificate{}), false, true, 401, ""},
		{"without a name a password counts", verified(&x509.Certificate{}), true, false, 200, "ann"},
	} {
		rec, s := authenticate(AuthOptions{Certificates: true, Users: users, Guests: func(*http.Request) bool { return tt.guests }}, nil, func(r *http.Request) {
			r.TLS = tt.tls
			if tt.basic {
				r.SetBasicAuth("ann", "secret")
			}
		})
		if rec.Code != tt.status || s.user != tt.user || s.called != (tt.status == 200) {
			t.Errorf("%s: %d as %q, want %d as %q", tt.rule, rec.Code, s.user, tt.status, tt.user)
		}
	}
	// Without the option a certificate means nothing.
	if rec, _ := authenticate(AuthOptions{Users: users}, nil, func(r *http.Request) { r.TLS = verified(named) }); rec.Code != 401 {
		t.Errorf("without the option: %d, want 401", rec.Code)
	}
}

func TestAuthGroups(t *testing.T) {
	opts := AuthOptions{Users: openTestUsers(t, "ann", "secret"), Groups: func(_ *http.Request, name string) []string { return []string{"of " + name, "all"} }}
	_, s := authenticate(opts, nil, func(r *http.Request) { r.SetBasicAuth(`WORK\ann`, "secret") })
	if got := fmt.Sprint(s.groups); s.user != "ann" || got != "[of ann all]" {
		t.Errorf("%q is in %s, want ann in her groups", s.user, got)
	}
}

// everybody is a guest.
func everybody(*http.Request) bool { return true }

// RFC 9110 §15.5.4, §11.6.1: a guest who may not is asked to log in.
func TestGuests(t *testing.T) {
	users := openTestUsers(t, "ann", "secret")
	forbidden := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"secret"`)
		w.Header().Set("DAV", "1, 2, 3")
		multistatus.RespondError(w, r, &multistatus.Error{Status: 403, Description: "reason"})
	}
	for _, tt := range []struct {
		rule    string
		auth    string
		handler http.HandlerFunc
		status  int
		body    string
		called  bool
	}{
		{"what a guest may do", "", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "text") }, 200, "text", true},
		{"what a guest may not", "", forbidden, 401, "A name and a password are needed.\n", true},
		{"a 207 stays, with its 403", "", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(207); io.WriteString(w, "403") }, 207, "403", true},
		{"a 403 stays that everybody gets", "", func(w http.ResponseWriter, r *http.Request) { access.KeepForbidden(r.Context()); forbidden(w, r) }, 403, "reason\n", true},
		{"404 stays", "", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 404, "404 page not found\n", true},
		{"a body that is copied", "", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			w.(io.ReaderFrom).ReadFrom(strings.NewReader("reason"))
		}, 401, "A name and a password are needed.\n", true},
		{"a user who may not", "ann:secret", forbidden, 403, "reason\n", true},
		{"a wrong password is no guest", "ann:wrong", forbidden, 401, "The name or the password is wrong.\n", false},
		{"nor is nobody", "eve:secret", forbidden, 401, "The name or the password is wrong.\n", false},
		{"nor another scheme", "Bearer", forbidden, 401, "A name and a password are needed.\n", false},
	} {
		rec, s := authenticate(AuthOptions{Users: users, Guests: everybody, SetHeaders: func(h http.Header) { h.Set("DAV", "1, 2, 3") }}, tt.handler, func(r *http.Request) {
			if name, password, ok := strings.Cut(tt.auth, ":"); ok {
				r.SetBasicAuth(name, password)
			} else if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
		})
		if rec.Code != tt.status || rec.Body.String() != tt.body || s.called != tt.called {
			t.Errorf("%s: %d %q, want %d %q", tt.rule, rec.Code, rec.Body, tt.status, tt.body)
		}
		challenged := rec.Header().Get("WWW-Authenticate") == `Basic realm="WebDAV", charset="UTF-8"`
		if challenged != (tt.status == 401) || tt.status == 401 && (rec.Header().Get("ETag") != "" || rec.Header().Get("DAV") != "1, 2, 3") {
			t.Errorf("%s: header %v", tt.rule, rec.Header())
		}
	}
	// Where nobody can log in, 403 stays.
	if rec, _ := authenticate(AuthOptions{Guests: everybody}, forbidden, func(*http.Request) {}); rec.Code != 403 {
		t.Errorf("without a way to log in: %d, want 403", rec.Code)
	}
}

// Over a connection: header names as in the RFCs, HEAD without a body, the connection stays open,
// and the body of a refused upload is not asked for.
func TestGuestsOnTheWire(t *testing.T) {
	opts := AuthOptions{Users: openTestUsers(t, "ann", "secret"), Guests: everybody, SetHeaders: func(h http.Header) { h.Set("DAV", "1, 2, 3") }}
	srv := httptest.NewServer(Authenticate(opts)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["DAV"] = []string{"1, 2, 3"}
		if r.Method == "COPY" {
			w.WriteHeader(http.StatusProcessing)
		}
		refuse(w, r, 403, "reason")
	})))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)
	for _, method := range []string{"HEAD", "PUT", "GET"} {
		fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", method)
		var raw bytes.Buffer
		resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(answers, &raw)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		body, _ := io.ReadAll(resp.Body)
		head := raw.String()
		if resp.StatusCode != 401 || resp.Close || (len(body) == 0) != (method == "HEAD") ||
			strings.Count(head, "\r\nDAV: ") != 1 || strings.Count(head, "\r\nWWW-Authenticate: ") != 1 {
			t.Errorf("%s: %s %q %q", method, resp.Status, head, body)
		}
	}
	fmt.Fprintf(conn, "COPY / HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, want := range []int{102, 401} { // RFC 9110 §15.2: an interim response is not the answer
		resp, err := http.ReadResponse(answers, &http.Request{Method: "COPY"})
		if err != nil || resp.StatusCode != want {
			t.Fatalf("COPY: %v, %v, want %d", resp, err, want)
		}
		io.Copy(io.Discard, resp.Body)
	}
	fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	if line, err := answers.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 401 ") {
		t.Errorf("Expect: %q, %v, want 401", line, err)
	}
}

// The line of a request has its user, however that logged in, and no header (threat 20).
func TestAuthLog(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	d.opts.Users = openTestUsers(t, "bob", "secret")
	d.verifier.users = d.opts.Users
	c := &digestClient{name: "ann", password: "secret", nonce: d.newNonce(), nc: 1}
	d.opts.Header, d.opts.Certificates, d.opts.Guests = "Remote-User", true, everybody
	for _, tt := range []struct {
		kind, user string
		change     func(r *http.Request)
	}{
		{"Basic", "bob", func(r *http.Request) { r.SetBasicAuth("bob", "secret") }},
		{"Digest", "ann", func(r *http.Request) { *r = *c.signed() }},
		{"a proxy", "zoe", func(r *http.Request) { r.RemoteAddr = proxy; r.Header.Set("Remote-User", "zoe") }},
		{"a proxy, hostile", `"a b=\\\"c\\\u202e\""`, func(r *http.Request) { r.RemoteAddr = proxy; r.Header.Set("Remote-User", "a b=\"c\u202e") }},
		{"a certificate", "zed", func(r *http.Request) {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "zed"}}}}}
		}},
		{"a guest", "", func(r *http.Request) {}},
		{"a guest who lies", "", func(r *http.Request) { r.Header.Set("Remote-User", "liar") }},
	} {
		var l logBuffer
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = home
		tt.change(r)
		h := Log(slog.New(slog.NewJSONHandler(&l, nil)))(d.wrap(principalHandler))
		h.ServeHTTP(httptest.NewRecorder(), r)
		got, _ := l.entry(t)["user"].(string)
		if tt.kind == "a proxy, hostile" {
			if strings.ContainsRune(l.String(), '\u202e') || !strings.Contains(got, `\u202e`) {
				t.Errorf("%s: log = %s", tt.kind, l.String())
			}
			continue
		}
		if got != tt.user || strings.Contains(l.String(), "liar") || strings.Contains(l.String(), "secret") {
			t.Errorf("%s: user = %q, want %q; log = %s", tt.kind, got, tt.user, l.String())
		}
	}
}
