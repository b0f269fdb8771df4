package middleware

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dav207/server/digest"
)

// testDigest is an authenticator with users for Digest and a clock that a test sets.
type testDigest struct {
	*authenticator
	clock
	file string
	log  logBuffer
}

func newTestDigest(t *testing.T, pairs ...string) *testDigest {
	t.Helper()
	d := &testDigest{file: filepath.Join(t.TempDir(), "digest")}
	d.now = time.Now()
	d.write(t, pairs...)
	users, err := OpenDigestUsers(d.file, nil)
	if err != nil {
		t.Fatal(err)
	}
	users.now, users.checked = d.clock.Now, d.clock.Now()
	d.authenticator = newAuthenticator(AuthOptions{
		DigestUsers:    users,
		SetHeaders:     func(h http.Header) { h.Set("DAV", "1, 2, 3") },
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")},
		Logger:         slog.New(slog.NewTextHandler(&d.log, nil)),
	})
	d.verifier.now = d.clock.Now
	return d
}

// write writes the file of pairs of names and passwords.
func (d *testDigest) write(t *testing.T, pairs ...string) {
	t.Helper()
	var text []byte
	for i := 0; i < len(pairs); i += 2 {
		var err error
		if text, err = SetDigestUser(text, pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// digestClient is a client that knows a name and a password. It computes the response by
// itself, not with package digest.
type digestClient struct {
	name, password string
	algorithm      string // default MD5
	nonce          string // default: that of a new challenge
	nc             int
	uri            string // default: the target
	sentName       string // as parameters; default: name
	method         string // default: PROPFIND
	from           string // default: home
}

var challengeNonce = regexp.MustCompile(`nonce="([^"]*)"`)

// request sends a request with the credentials of c, with the next nc.
func (d *testDigest) request(c *digestClient) *httptest.ResponseRecorder {
	if c.nonce == "" {
		c.nonce = d.newNonce()
		c.nc = 0
	}
	c.nc++
	return d.send(c)
}

// newNonce returns the nonce of a new challenge.
func (d *testDigest) newNonce() string {
	rec := httptest.NewRecorder()
	d.wrap(principalHandler).ServeHTTP(rec, httptest.NewRequest("PROPFIND", "/", nil))
	return challengeNonce.FindStringSubmatch(rec.Header().Get("WWW-Authenticate"))[1]
}

// send sends a request with the nc of c.
func (d *testDigest) send(c *digestClient) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	d.wrap(principalHandler).ServeHTTP(rec, c.signed())
	return rec
}

// signed returns a request with the credentials of c.
func (c *digestClient) signed() *http.Request {
	r := httptest.NewRequest(or(c.method, "PROPFIND"), "/a%20b", nil)
	r.RemoteAddr = or(c.from, home)
	h := func(s string) string {
		if c.algorithm == "SHA-256" {
			return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))
		}
		return fmt.Sprintf("%x", md5.Sum([]byte(s)))
	}
	uri := or(c.uri, r.RequestURI)
	response := h(h(c.name+":dav207:"+c.password) + ":" + c.nonce + fmt.Sprintf(":%08x:x:auth:", c.nc) + h(r.Method+":"+uri))
	r.Header.Set("Authorization", fmt.Sprintf(`Digest %s, realm="dav207", nonce="%s", uri="%s", qop=auth, nc=%08x, cnonce="x", response="%s", algorithm=%s`,
		or(c.sentName, `username="`+c.name+`"`), c.nonce, uri, c.nc, response, or(c.algorithm, "MD5")))
	return r
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func stale(rec *httptest.ResponseRecorder) bool {
	return rec.Code == 401 && strings.Contains(rec.Header().Get("WWW-Authenticate"), "stale=true")
}

func TestDigest(t *testing.T) {
	d := newTestDigest(t, "ann", "secret", "jürgen", strings.Repeat("pässword", 20), `WORK\bob`, "secret", "bob", "short")
	sum := sha256.Sum256([]byte("ann:dav207"))
	for _, tt := range []struct {
		rule   string
		c      digestClient
		status int
		user   string
	}{
		{"MD5", digestClient{name: "ann", password: "secret"}, 200, "ann"},
		{"SHA-256", digestClient{name: "ann", password: "secret", algorithm: "SHA-256"}, 200, "ann"},
		{"UTF-8, more than 72 bytes", digestClient{name: "jürgen", password: strings.Repeat("pässword", 20)}, 200, "jürgen"},
		{"RFC 7616 §4 username*", digestClient{name: "jürgen", password: strings.Repeat("pässword", 20), sentName: "username*=UTF-8''j%C3%BCrgen"}, 200, "jürgen"},
		{"RFC 7616 §3.4.4 userhash", digestClient{name: "ann", password: "secret", algorithm: "SHA-256",
			sentName: fmt.Sprintf(`username="%x", userhash=true`, sum)}, 200, "ann"},
		{"the hash of nobody", digestClient{name: "ann", password: "secret", algorithm: "SHA-256", sentName: `username="00", userhash=true`}, 401, ""},
		{"Windows: the whole name has a line", digestClient{name: `WORK\bob`, password: "secret", sentName: `username="WORK\\bob"`}, 200, `WORK\bob`},
		{"also where it is not escaped", digestClient{name: `WORK\bob`, password: "secret", sentName: `username="WORK\bob"`}, 200, `WORK\bob`},
		{"a domain that is not hashed", digestClient{name: "ann", password: "secret", sentName: `username="HOME\\ann"`}, 200, "ann"},
		{"another's password with it", digestClient{name: "bob", password: "short", sentName: `username="WORK\\bob"`}, 401, ""},
		{"Windows: the effective request URI", digestClient{name: "ann", password: "secret", uri: "http://example.com/a%20b"}, 200, "ann"},
		{"not escaped", digestClient{name: "ann", password: "secret", uri: "/a b"}, 200, "ann"},
		{"a wrong password", digestClient{name: "ann", password: "Secret"}, 401, ""},
		{"nobody", digestClient{name: "eve", password: "secret"}, 401, ""},
		{"names are not folded", digestClient{name: "Ann", password: "secret"}, 401, ""},
		{"RFC 7616 §3.4.6 another resource", digestClient{name: "ann", password: "secret", uri: "/b"}, 400, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			rec := d.request(&tt.c)
			if rec.Code != tt.status || rec.Code == 200 && rec.Body.String() != tt.user || rec.Header().Get("DAV") == "" && rec.Code != 200 {
				t.Errorf("= %d as %q, %v, want %d as %q", rec.Code, rec.Body, rec.Header(), tt.status, tt.user)
			}
			if stale(rec) {
				t.Error("stale, so that the client tries the same again")
			}
		})
		d.advance(forgetAfter + 1)
	}
}

// A header that is not Digest credentials is 401, whatever it is.
func TestDigestMalformed(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	for _, header := range []string{"Digest", "Digest ", "digest x", `Digest username="ann"`, "Digest " + strings.Repeat(",", 60000), "Basic YW5uOnNlY3JldA==", "Bearer x", ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", header)
		rec := httptest.NewRecorder()
		d.wrap(principalHandler).ServeHTTP(rec, r)
		if rec.Code != 401 || len(rec.Header()["Www-Authenticate"]) != 2 {
			t.Errorf("%.40q: %d, %v, want 401 with challenges", header, rec.Code, rec.Header())
		}
	}
	if len(d.failures) != 0 || d.log.String() != "" {
		t.Errorf("%d in the back-off, log = %s, want nothing: these are not guesses", len(d.failures), d.log.String())
	}
}

// RFC 7616 §3.3, §3.7: a challenge for each algorithm, the best first, and then that of Basic.
func TestDigestChallenges(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	users, err := OpenUsers(usersFile(t, "ann", "secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.opts.Users = users
	rec := httptest.NewRecorder()
	d.wrap(principalHandler).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	got := regexp.MustCompile(`nonce="[^"]{48}"`).ReplaceAllString(strings.Join(rec.Header()["Www-Authenticate"], "\n"), "nonce")
	want := `Digest realm="dav207", qop="auth", algorithm=SHA-256, nonce, charset=UTF-8, userhash=true
Digest realm="dav207", qop="auth", algorithm=MD5, nonce, charset=UTF-8
Basic realm="dav207", charset="UTF-8"`
	if rec.Code != 401 || got != want {
		t.Errorf("%d with\n%s\nwant\n%s", rec.Code, got, want)
	}
}

// RFC 7616 §3.4, nc: a request that was recorded cannot be sent again, nor changed.
func TestDigestReplay(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	c := &digestClient{name: "ann", password: "secret"}
	if got := d.request(c).Code; got != 200 {
		t.Fatalf("= %d, want 200", got)
	}
	if rec := d.send(c); !stale(rec) {
		t.Errorf("a replay: %d, %v, want 401 with stale", rec.Code, rec.Header())
	}
	if got := d.request(c).Code; got != 200 {
		t.Errorf("the next: %d, want 200", got)
	}
	ahead := *c
	ahead.nc += 5
	if got := d.send(&ahead).Code; got != 200 {
		t.Errorf("a second connection is ahead: %d, want 200", got)
	}
	if got := d.request(c).Code; got != 200 {
		t.Errorf("and the first follows: %d, want 200", got)
	}
}

// RFC 7616 §3.3, stale: a nonce that is too old or of another process does not make a client ask its
// user, if the password is right.
func TestDigestStale(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	c := &digestClient{name: "ann", password: "secret"}
	d.request(c)
	d.advance(digest.NonceAge + time.Second)
	rec := d.request(c)
	if !stale(rec) {
		t.Fatalf("an old nonce: %d, %v, want 401 with stale", rec.Code, rec.Header())
	}
	for _, challenge := range rec.Header()["Www-Authenticate"] {
		if !strings.Contains(challenge, "stale=true") {
			t.Errorf("challenge %s is not stale", challenge)
		}
	}
	next := *c
	next.nonce, next.nc = challengeNonce.FindStringSubmatch(rec.Header().Get("WWW-Authenticate"))[1], 0
	if got := d.request(&next).Code; got != 200 {
		t.Errorf("with the new nonce: %d, want 200", got)
	}
	if rec := d.request(&digestClient{name: "ann", password: "secret", nonce: "of another process"}); !stale(rec) {
		t.Errorf("a nonce of another process: %d, %v, want 401 with stale", rec.Code, rec.Header())
	}
	if rec := d.request(&digestClient{name: "ann", password: "wrong", nonce: "of another process"}); rec.Code != 401 || stale(rec) {
		t.Errorf("with a wrong password: %d, %v, want 401 and not stale", rec.Code, rec.Header())
	}
}

// Guesses are counted and logged as those of Basic; a client that has logged in is not locked out.
func TestDigestBackoff(t *testing.T) {
	d := newTestDigest(t, "ann", "secret", "bob", "secret")
	c := &digestClient{name: "ann", password: "secret"}
	if got := d.request(c).Code; got != 200 {
		t.Fatalf("= %d, want 200", got)
	}
	for i := range freeAttempts {
		if got := d.request(&digestClient{name: "ann", password: fmt.Sprint(i), nonce: "forged"}).Code; got != 401 {
			t.Fatalf("wrong password %d: %d, want 401", i, got)
		}
	}
	if n := strings.Count(d.log.String(), `level=WARN msg="wrong name or password" remote=192.0.2.1 user=ann`); n != freeAttempts {
		t.Errorf("log = %s, want %d lines for fail2ban", d.log.String(), freeAttempts)
	}
	rec := d.request(&digestClient{name: "ann", password: "secret"})
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("one more, which is right: %d, %v, want 429: the answer must not say so", rec.Code, rec.Header())
	}
	if got := d.request(c).Code; got != 200 {
		t.Errorf("a client that has logged in: %d, want 200", got)
	}
	for range freeAttempts {
		d.request(&digestClient{name: "ann", password: "wrong"})
	}
	// Its next nonce is as good.
	d.advance(digest.NonceAge + time.Second)
	for range freeAttempts + 3 {
		d.request(&digestClient{name: "ann", password: "wrong"})
	}
	rec = d.request(c)
	if !stale(rec) {
		t.Fatalf("an old nonce: %d, want 401 with stale", rec.Code)
	}
	c.nonce, c.nc = challengeNonce.FindStringSubmatch(rec.Header().Get("WWW-Authenticate"))[1], 0
	if got := d.request(c).Code; got != 200 {
		t.Errorf("with the new nonce: %d, want 200", got)
	}
	if got := d.request(&digestClient{name: "bob", password: "secret"}).Code; got != 200 {
		t.Errorf("another user: %d, want 200", got)
	}
	// A replay does not reset the count.
	for range freeAttempts + 1 {
		d.request(&digestClient{name: "bob", password: "wrong", from: other})
	}
	replay := &digestClient{name: "bob", password: "secret"}
	d.request(replay)
	replay.from = other
	if got := d.send(replay).Code; got != 429 && got != 401 {
		t.Errorf("a replay: %d", got)
	}
	if got := d.request(&digestClient{name: "bob", password: "wrong", from: other}).Code; got != 429 {
		t.Errorf("a guess after a replay: %d, want 429", got)
	}
	// Nor is the session of one user good for another.
	d.advance(forgetAfter + 1)
	bob := &digestClient{name: "bob", password: "secret"}
	d.request(bob)
	codes := map[int]int{}
	for i := range freeAttempts + 2 {
		codes[d.request(&digestClient{name: "ann", password: fmt.Sprint(i), nonce: bob.nonce, nc: i + 10}).Code]++
	}
	if codes[401] != freeAttempts || codes[429] != 2 {
		t.Errorf("guesses with the nonce of another: %v, want %d and 2", codes, freeAttempts)
	}
}

// A changed password ends the sessions with the old one.
func TestDigestReload(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	c := &digestClient{name: "ann", password: "secret"}
	d.request(c)
	d.write(t, "ann", "changed")
	d.advance(checkInterval)
	if rec := d.request(c); rec.Code != 401 || stale(rec) {
		t.Errorf("the old password: %d, %v, want 401", rec.Code, rec.Header())
	}
	if got := d.request(&digestClient{name: "ann", password: "changed"}).Code; got != 200 {
		t.Errorf("the new one: %d, want 200", got)
	}
}

func TestDigestLog(t *testing.T) {
	d := newTestDigest(t, "ann", "secret")
	d.request(&digestClient{name: "typed-in-the-wrong-field", password: "x"})
	if log := d.log.String(); strings.Contains(log, "typed-in") || strings.Count(log, "\n") != 1 || !strings.Contains(log, "remote=192.0.2.1\n") {
		t.Errorf("log = %s, want one line without the name", log)
	}
}

func TestParseDigestUsers(t *testing.T) {
	const m, m2 = "0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF"
	const s = m + m
	for _, tt := range []struct {
		rule, text string
		realm      string // "": an error
		offered    string
		users      int
		err        string
	}{
		{"htdigest", "ann:My Files:" + m + "\nbob:My Files:" + m2 + "\n", "My Files", "[MD5]", 2, ""},
		{"both", "ann:r:" + s + "\nann:r:" + m + "\nbob:r:" + m + "\nbob:r:" + s, "r", "[SHA-256 MD5]", 2, ""},
		{"SHA-256 alone", "ann:r:" + s, "r", "[SHA-256]", 1, ""},
		{"one with SHA-256 alone", "ann:r:" + s + "\nbob:r:" + s + "\nbob:r:" + m, "r", "[SHA-256 MD5]", 2, ""},
		{"one with MD5 alone: clients would choose SHA-256", "ann:r:" + m + "\nbob:r:" + s + "\nbob:r:" + m, "r", "[MD5]", 2, ""},
		{"nothing in common", "ann:r:" + m + "\nbob:r:" + s, "", "", 0, `"bob" has a line for SHA-256 alone`},
		{"comments, Windows", "\ufeff# x\r\n\r\njürgen:Büro:" + m + " \r\n", "Büro", "[MD5]", 1, ""},
		{"two realms", "ann:r:" + m + "\nbob:q:" + m, "", "", 0, `line 2: the realm "q" is not that of the lines before, "r"`},
		{"twice", "ann:r:" + m + "\nann:r:" + m, "", "", 0, `line 2: the user "ann" has a line for MD5 already`},
		{"htpasswd", "ann:$2y$05$secret", "", "", 0, `line 1: the line of "ann" has no HA1 of 32 or 64 hexadecimal digits`},
		{"a short hash", "ann:r:" + m[1:], "", "", 0, "no HA1"},
		{"no digits", "ann:r:" + strings.Repeat("g", 32), "", "", 0, "no HA1"},
		{"no realm", "ann::" + m, "", "", 0, "the realm is empty"},
		{"a control character", "ann:a\tb:" + m, "", "", 0, "the realm is not UTF-8 without control characters"},
		{"a name", "a\x01:r:" + m, "", "", 0, "the name is not UTF-8"},
		{"no colon", "ann", "", "", 0, "line 1: it is not"},
		{"nothing", "\n", "", "", 0, "no users"},
	} {
		got, users, err := parseDigestUsers([]byte(tt.text))
		if tt.realm == "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), m[1:]) {
				t.Errorf("%s: %v, want %q and no hash", tt.rule, err, tt.err)
			}
			continue
		}
		if err != nil || got.realm != tt.realm || fmt.Sprint(got.offered) != tt.offered || users != tt.users {
			t.Errorf("%s: %+v, %d users, %v, want %q, %s", tt.rule, got, users, err, tt.realm, tt.offered)
		}
	}
}

func TestSetDigestUser(t *testing.T) {
	const m = "0123456789abcdef0123456789abcdef"
	ann := func(realm string) string {
		return fmt.Sprintf("ann:%s:%x\nann:%[1]s:%[3]x\n", realm, sha256.Sum256([]byte("ann:"+realm+":secret")), md5.Sum([]byte("ann:"+realm+":secret")))
	}
	for _, tt := range []struct{ rule, before, name, password, after, err string }{
		{"the first", "", "ann", "secret", ann("dav207"), ""},
		{"the realm of the file", "# x\nbob:My Files:" + m, "ann", "secret", "# x\nbob:My Files:" + m + "\n" + ann("My Files"), ""},
		{"in its place, both lines", "ann:r:" + m + "\nbob:r:" + m + "\nann:r:" + m + m + "\n", "ann", "secret", ann("r") + "bob:r:" + m + "\n", ""},
		{"htpasswd", "bob:$2y$05$x\n", "ann", "secret", "", "other lines"},
		{"no password", "", "ann", "", "", "empty"},
		{"a line", "", "ann", "sec\nret", "", "control"},
		{"a colon", "", "a:b", "secret", "", "colon"},
	} {
		got, err := SetDigestUser([]byte(tt.before), tt.name, tt.password)
		if string(got) != tt.after || (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %q, %v, want %q, %q", tt.rule, got, err, tt.after, tt.err)
		}
	}
	if got, err := SetUser([]byte(ann("r")), "bob", "H"); err == nil {
		t.Errorf("SetUser of a file of Digest = %q, want an error", got)
	}
}
