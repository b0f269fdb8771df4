package digest

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// The examples of RFC 7616 §3.9.1, and that of the same request in RFC 2617 §3.5.
const (
	exampleSHA256 = `username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256,
       nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
       response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
       opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	exampleMD5 = `username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,
       nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
       response="8ca523f5e9506fed4657c9700eebdbec",
       opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	example2617 = `username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html",
       qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
)

// fold makes one line of an example.
func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		rule, params, realm, password string
		algorithm                     Algorithm
	}{
		{"RFC 7616 §3.9.1 SHA-256", exampleSHA256, "http-auth@example.org", "Circle of Life", SHA256},
		{"RFC 7616 §3.9.1 MD5", exampleMD5, "http-auth@example.org", "Circle of Life", MD5},
		{"RFC 2617 §3.5, without an algorithm", example2617, "testrealm@host.com", "Circle Of Life", MD5},
	} {
		c, err := Parse(fold(tt.params))
		if err != nil || c.Username != "Mufasa" || c.Realm != tt.realm || c.URI != "/dir/index.html" || c.Count != 1 || c.Algorithm != tt.algorithm {
			t.Errorf("%s: Parse = %+v, %v", tt.rule, c, err)
			continue
		}
		ha1 := HA1(c.Algorithm, "Mufasa", tt.realm, tt.password)
		if !c.Answers(ha1, "GET") {
			t.Errorf("%s: the response is not right", tt.rule)
		}
		for _, other := range []string{HA1(c.Algorithm, "Mufasa", tt.realm, tt.password+"x"), "", ha1[1:]} {
			if c.Answers(other, "GET") {
				t.Errorf("%s: right for HA1 %q", tt.rule, other)
			}
		}
		if c.Answers(ha1, "DELETE") {
			t.Errorf("%s: right for another method", tt.rule)
		}
		c.URI += "x"
		if c.Answers(ha1, "GET") {
			t.Errorf("%s: right for another uri", tt.rule)
		}
	}
}

// The name and the realm of RFC 7616 §3.9.2: the hash is of UTF-8.
func TestUserHash(t *testing.T) {
	for a, want := range map[Algorithm]string{
		SHA256: "5a1a8a47df5c298551b9b42ba9b05835174a5bd7d511ff7fe9191d8e946fc4e7",
		MD5:    "2e063fa2c54dea1c36808b7a6e3b14c9",
	} {
		got := UserHash(a, "Jäsøn Doe", "api@example.org")
		if got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	const rest = `realm="r", nonce="n", uri="/", qop=auth, nc=00000001, cnonce="c", response="x"`
	for _, tt := range []struct {
		rule, params string
		name         string // "": an error
		raw          string // "": the same
		hashed       bool
	}{
		{"as RFC 7616 §3.4 writes it", `username="ann", ` + rest, "ann", "", false},
		{"quotes where there should be none", `username="ann", realm="r", nonce="n", uri="/", qop="auth", nc="00000001", cnonce="c", response="x", algorithm="MD5"`, "ann", "", false},
		{"and none where they should be", `username=ann, realm=r, nonce=n, uri=/, qop=auth, nc=00000001, cnonce=c, response=x`, "ann", "", false},
		{"names have no case (RFC 9110 §11.2)", `USERNAME="ann", Realm="r", nonce="n", uri="/", qop=AUTH, NC=00000001, cnonce="c", response="x", algorithm=md5`, "ann", "", false},
		{"space around = and empty elements (RFC 9110 §5.6.1.2)", ` , username = "ann" ,, ` + strings.ReplaceAll(rest, ", ", "\t,") + ", ", "ann", "", false},
		{"escapes", `username="a\"\\b", ` + rest, `a"\b`, `a\"\\b`, false},
		{"Windows escapes the domain", `username="WORK\\ann", ` + rest, `WORK\ann`, `WORK\\ann`, false},
		{"or does not", `username="WORK\ann", ` + rest, "WORKann", `WORK\ann`, false},
		{"UTF-8", `username="jürgen", ` + rest, "jürgen", "", false},
		{"RFC 7616 §3.9.2 username*", `username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, ` + rest, "Jäsøn Doe", "", false},
		{"with a language", `username*=utf-8'da'J%C3%A4s, ` + rest, "Jäs", "", false},
		{"a hash of the name", `username="00ff", userhash=true, ` + rest, "00ff", "", true},
		{"which may be false", `username="ann", userhash=false, ` + rest, "ann", "", false},
		{"unknown parameters", `username="ann", new=x, opaque="y", ` + rest, "ann", "", false},

		{"username and username*", `username="ann", username*=UTF-8''ann, ` + rest, "", "", false},
		{"no username", rest, "", "", false},
		{"an empty one", `username="", ` + rest, "", "", false},
		{"username* of another charset", `username*=ISO-8859-1''ann, ` + rest, "", "", false},
		{"username* without quotes", `username*=ann, ` + rest, "", "", false},
		{"username* with a wrong escape", `username*=UTF-8''%zz, ` + rest, "", "", false},
		{"username* with userhash (RFC 7616 §3.4)", `username*=UTF-8''ann, userhash=true, ` + rest, "", "", false},
		{"ISO-8859-1", "username=\"j\xfcrgen\", " + rest, "", "", false},
		{"twice", `username="ann", username="bob", ` + rest, "", "", false},
		{"twice, in another case", `username="ann", NC=00000002, ` + rest, "", "", false},
		{"no qop, as in RFC 2069", `username="ann", realm="r", nonce="n", uri="/", response="x"`, "", "", false},
		{"auth-int", `username="ann", ` + strings.Replace(rest, "auth", "auth-int", 1), "", "", false},
		{"MD5-sess", `username="ann", algorithm=MD5-sess, ` + rest, "", "", false},
		{"SHA-512-256", `username="ann", algorithm=SHA-512-256, ` + rest, "", "", false},
		{"nc of one digit", `username="ann", ` + strings.Replace(rest, "00000001", "1", 1), "", "", false},
		{"nc with a sign", `username="ann", ` + strings.Replace(rest, "00000001", "+0000001", 1), "", "", false},
		{"nc that is no number", `username="ann", ` + strings.Replace(rest, "00000001", "0000000g", 1), "", "", false},
		{"no comma", `username="ann" ` + rest, "", "", false},
		{"an open quote", rest + `, username="ann`, "", "", false},
		{"an open escape", rest + `, username="ann\`, "", "", false},
		{"a quote in a token", `username=a"n, ` + rest, "", "", false},
		{"no value", `username=, ` + rest, "", "", false},
		{"no =", `username, ` + rest, "", "", false},
		{"no name", `="ann", ` + rest, "", "", false},
		{"a control character", "username=\"a\x01n\", " + rest, "", "", false},
		{"a line", "username=\"a\nn\", " + rest, "", "", false},
		{"nothing", "", "", "", false},
		{"too long", `username="ann", ` + rest + `, x="` + strings.Repeat("x", maxBytes) + `"`, "", "", false},
		{"too many", `username="ann", ` + rest + manyParams(), "", "", false},
	} {
		c, err := Parse(tt.params)
		if tt.name == "" {
			if err == nil {
				t.Errorf("%s: Parse = %+v, want an error", tt.rule, c)
			}
			continue
		}
		if tt.raw == "" {
			tt.raw = tt.name
		}
		if err != nil || c.Username != tt.name || c.RawUsername != tt.raw || c.Hashed != tt.hashed || c.Realm != "r" || c.Nonce != "n" || c.URI != "/" || c.Count != 1 {
			t.Errorf("%s: Parse = %+v, %v, want %q", tt.rule, c, err, tt.name)
		}
	}
}

func manyParams() string {
	var s strings.Builder
	for i := range maxParams {
		fmt.Fprintf(&s, ", x%d=y", i)
	}
	return s.String()
}

func TestIsFor(t *testing.T) {
	for _, tt := range []struct {
		rule, target, uri string
		ok                bool
	}{
		{"the same", "/a%20b/?x=y", "/a%20b/?x=y", true},
		{"OPTIONS for the server", "*", "*", true},
		{"the effective request URI (RFC 7616 §3.4)", "/a", "http://example.com/a", true},
		{"with TLS, in another case", "/a?b", "HTTPS://EXAMPLE.com/a?b", true},
		{"without a path", "/", "http://example.com", true},
		{"a target in absolute-form (RFC 9112 §3.2.2)", "http://example.com/a", "/a", true},
		{"Windows and .NET leave out the query", "/a?x=y", "/a", true},
		{"characters that are not escaped", "/a%20b/%C3%BC", "/a b/ü", true},
		{"or in another case", "/%c3%bc", "/%C3%BC", true},

		{"another", "/a", "/b", false},
		{"a part", "/a/b", "/a", false},
		{"the slash", "/a/", "/a", false},
		{"another query", "/a?x=y", "/a?x=z", false},
		{"a query that was not sent", "/a", "/a?x=y", false},
		{"another host", "/a", "http://example.org/a", false},
		{"another scheme", "/a", "ftp://example.com/a", false},
		{"*", "/", "*", false},
		{"an encoded slash is none", "/a%2Fb", "/a/b", false},
		{"nor the reverse", "/a/b", "/a%2Fb", false},
		{"dots", "/a/../b", "/b", false},
		{"a wrong escape", "/a", "/%zz", false},
		{"case", "/A", "/a", false},
		{"nothing", "/", "", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.Host = tt.target, "example.com"
		if got := (&Credentials{URI: tt.uri}).IsFor(r); got != tt.ok {
			t.Errorf("%s: %q for %q = %t, want %t", tt.rule, tt.uri, tt.target, got, tt.ok)
		}
	}
}

// clock is a clock that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestNonces(t *testing.T) {
	c := &clock{time.Now()}
	n, other := NewNonces(c.now), NewNonces(c.now)
	nonce := n.New()
	if nonce == n.New() {
		t.Error("two nonces are the same")
	}
	for _, tt := range []struct {
		rule, nonce string
		nc          uint32
		ok          bool
	}{
		{"the first", nonce, 1, true},
		{"a replay (RFC 7616 §3.4)", nonce, 1, false},
		{"the next", nonce, 2, true},
		{"another connection is ahead", nonce, 10, true},
		{"one that was late", nonce, 3, true},
		{"and again", nonce, 3, false},
		{"far ahead", nonce, 10 + window, true},
		{"at the edge, used", nonce, 11, true},
		{"far behind, perhaps used", nonce, 10, false},
		{"the last there is", nonce, 0xffffffff, true},
		{"again", nonce, 0xffffffff, false},
		{"an nc there is not", n.New(), 0, false},
		{"of another process", other.New(), 1, false},
		{"forged", "A" + nonce[1:], 1, false},
		{"cut off", nonce[:len(nonce)-1], 1, false},
		{"more behind it", nonce + "A", 1, false},
		{"nothing", "", 1, false},
		{"no base64", "!", 1, false},
	} {
		if got := n.Use(tt.nonce, tt.nc); got != tt.ok {
			t.Errorf("%s: %t, want %t", tt.rule, got, tt.ok)
		}
	}
	fresh := n.New()
	c.t = c.t.Add(NonceAge)
	if !n.Use(fresh, 1) {
		t.Error("a nonce is not valid for all of its time")
	}
	c.t = c.t.Add(time.Nanosecond)
	if n.Use(fresh, 2) {
		t.Error("a nonce is valid for longer")
	}
	late := n.New()
	c.t = c.t.Add(-time.Hour)
	if n.Use(late, 1) {
		t.Error("a nonce of a time that is still to come is valid")
	}
}

// The memory is bounded, and what was forgotten cannot be used again.
func TestNoncesAreBounded(t *testing.T) {
	c := &clock{time.Now()}
	n := NewNonces(c.now)
	var first string
	for i := range 2 * maxNonces {
		c.t = c.t.Add(time.Millisecond)
		nonce := n.New()
		if i == 0 {
			first = nonce
		}
		if !n.Use(nonce, 1) {
			t.Fatalf("nonce %d is not valid", i)
		}
		if len(n.used) > maxNonces {
			t.Fatalf("%d nonces are kept, want at most %d", len(n.used), maxNonces)
		}
	}
	if n.Use(first, 1) || n.Use(first, 2) {
		t.Error("a nonce that was forgotten can be used again")
	}
	c.t = c.t.Add(2 * NonceAge)
	for range maxNonces {
		n.Use(n.New(), 1)
	}
	if len(n.used) != maxNonces {
		t.Errorf("%d nonces are kept, want %d: the others have expired", len(n.used), maxNonces)
	}
}

// Of many at once with one nc one is let in.
func TestNoncesConcurrent(t *testing.T) {
	n := NewNonces(time.Now)
	nonce := n.New()
	var mu sync.Mutex
	var done sync.WaitGroup
	used := map[uint32]int{}
	for i := range 200 {
		done.Go(func() {
			nc := uint32(i/4 + 1)
			if n.Use(nonce, nc) {
				mu.Lock()
				used[nc]++
				mu.Unlock()
			}
		})
	}
	done.Wait()
	for nc, times := range used {
		if times != 1 {
			t.Errorf("nc %d was let in %d times", nc, times)
		}
	}
	if len(used) != 50 {
		t.Errorf("%d values of nc were let in, want 50", len(used))
	}
}

// FuzzParse: a hostile header neither stops the server nor is taken for another.
func FuzzParse(f *testing.F) {
	f.Add(fold(exampleSHA256))
	f.Add(fold(exampleMD5))
	f.Add(fold(example2617))
	f.Add(`username*=UTF-8''J%C3%A4s, realm="\"", nonce=n, uri="/a\\b", qop="auth", nc="0000000f", cnonce="", response=x,`)
	f.Fuzz(func(t *testing.T, params string) {
		c, err := Parse(params)
		if (c == nil) != (err != nil) {
			t.Fatalf("Parse(%q) = %v, %v", params, c, err)
		}
		if err != nil {
			return
		}
		if c.Username == "" || len(c.Username) > len(params) || c.Answers("", "GET") {
			t.Fatalf("Parse(%q) = %+v", params, c)
		}
		r := httptest.NewRequest("GET", "/a?b", nil)
		c.IsFor(r)
		r.RequestURI = c.URI
		if !c.IsFor(r) {
			t.Fatalf("%q is not for itself", c.URI)
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		again, err := Parse(fmt.Sprintf(`username="%s",userhash=%t,realm="%s",nonce="%s",uri="%s",qop=auth,nc=%s,cnonce="%s",response="%s",algorithm=%v`,
			quoted.Replace(c.Username), c.Hashed, quoted.Replace(c.Realm), quoted.Replace(c.Nonce), quoted.Replace(c.URI), c.nc,
			quoted.Replace(c.cnonce), quoted.Replace(c.response), c.Algorithm))
		if len(params) < maxBytes/4 && !strings.ContainsFunc(c.Username, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			if again == nil || err != nil {
				t.Fatalf("%+v cannot be written again: %v", c, err)
			}
			again.RawUsername = c.RawUsername
			if *again != *c {
				t.Fatalf("%+v is %+v when it is written again", c, again)
			}
		}
	})
}
