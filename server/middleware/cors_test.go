package middleware

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dav207/server/multistatus"
)

func TestParseOrigin(t *testing.T) {
	for s, want := range map[string]string{
		"https://app.example":                  "https://app.example",
		"HTTPS://App.Example":                  "https://app.example",
		"https://app.example:443":              "https://app.example",
		"http://app.example:443":               "http://app.example:443",
		"http://127.0.0.1:8080":                "http://127.0.0.1:8080",
		"http://[::1]:8080":                    "http://[::1]:8080",
		"http://localhost":                     "http://localhost",
		"app://obsidian.md":                    "app://obsidian.md", // a program with a browser inside
		"capacitor://localhost":                "capacitor://localhost",
		"https://xn--bcher-kva.de":             "https://xn--bcher-kva.de",
		"":                                     "",
		"*":                                    "",
		"https://*":                            "",
		"https://*.example":                    "",
		"null":                                 "",
		"NULL":                                 "",
		"file://":                              "",
		"file://host":                          "",
		"app.example":                          "",
		"//app.example":                        "",
		"https://":                             "",
		"https:app.example":                    "",
		"https://app.example/":                 "",
		"https://app.example/path":             "",
		"https://app.example?":                 "",
		"https://app.example#":                 "",
		"https://ann@app.example":              "",
		"https://app.example:":                 "",
		"https://app.example:0443":             "",
		"https://app.example:https":            "",
		"https://a.example, https://b.example": "",
		"https://a.example https://b.example":  "",
		"https://app.example\r\nX: y":          "",
		"https://bücher.de":                    "",
		"https://b%C3%BCcher.de":               "",
		"http://[0:0::1]":                      "",
		"http://[::1":                          "",
	} {
		u, err := ParseOrigin(s)
		if (err == nil) != (want != "") {
			t.Errorf("%q: %v, %v", s, u, err)
		} else if err == nil && webOrigin(u) != want {
			t.Errorf("%q is %s, want %s", s, webOrigin(u), want)
		}
	}
}

// TestCORS follows https://fetch.spec.whatwg.org/#http-cors-protocol, in a chain like the command's.
func TestCORS(t *testing.T) {
	var origins []*url.URL
	for _, s := range []string{"https://app.example", "http://127.0.0.1:8081"} {
		u, err := ParseOrigin(s)
		if err != nil {
			t.Fatal(err)
		}
		origins = append(origins, u)
	}
	const app = "https://app.example"
	auth := newTestBasic(t, "ann", "secret")
	h := CORS(origins...)(Recover(nil)(Hosts(HostsOptions{})(SameSite(origins...)(auth.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("a bug")
		case "/503":
			multistatus.RespondError(w, r, &multistatus.Error{Status: 503})
		}
	}))))))
	for _, tt := range []struct {
		rule, method, target string
		header               []string
		status               int
		allowed              string // "": not for its scripts
	}{
		{"a preflight has no credentials", "OPTIONS", "/", []string{"Origin", app, "Access-Control-Request-Method", "PROPFIND"}, 204, app},
		{"of whatever", "OPTIONS", "/", []string{"Origin", app, "Access-Control-Request-Method", "BREW", "Access-Control-Request-Headers", "x"}, 204, app},
		{"of the other origin", "OPTIONS", "/", []string{"Origin", "http://127.0.0.1:8081", "Access-Control-Request-Method", "PUT"}, 204, "http://127.0.0.1:8081"},
		{"of an origin without a name", "OPTIONS", "/", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of a page without an origin", "OPTIONS", "/", []string{"Origin", "null", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of another port", "OPTIONS", "/", []string{"Origin", app + ":8443", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of another scheme", "OPTIONS", "/", []string{"Origin", "http://app.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of a subdomain", "OPTIONS", "/", []string{"Origin", "https://x.app.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of a longer name", "OPTIONS", "/", []string{"Origin", app + ".evil.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of another case, which no browser sends", "OPTIONS", "/", []string{"Origin", "https://APP.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"of two origins", "OPTIONS", "/", []string{"Origin", app, "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, 401, ""},
		{"a preflight without Origin", "OPTIONS", "/", []string{"Access-Control-Request-Method", "PUT"}, 401, ""},
		{"OPTIONS is no preflight", "OPTIONS", "/", []string{"Origin", app}, 401, app},
		{"nor is another method", "PUT", "/", []string{"Origin", app, "Access-Control-Request-Method", "PUT"}, 401, app},
		{"401", "PROPFIND", "/", []string{"Origin", app, "Sec-Fetch-Site", "cross-site"}, 401, app},
		{"success", "PROPFIND", "/", []string{"Origin", app, "Sec-Fetch-Site", "cross-site", "User", "ann"}, 200, app},
		{"a method with a body", "POST", "/", []string{"Origin", app, "Sec-Fetch-Site", "cross-site", "User", "ann"}, 200, app},
		{"5xx", "PUT", "/503", []string{"Origin", app, "User", "ann"}, 503, app},
		{"a panic", "PUT", "/panic", []string{"Origin", app, "User", "ann"}, 500, app},
		{"another host", "PUT", "/", []string{"Origin", app, "Host", "evil.example", "User", "ann"}, 421, app},
		{"DNS rebinding", "OPTIONS", "/", []string{"Origin", "http://evil.example", "Host", "evil.example", "Access-Control-Request-Method", "PUT"}, 421, ""},
		{"another origin's change", "PUT", "/", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "User", "ann"}, 403, ""},
		{"and reading", "GET", "/", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "User", "ann"}, 200, ""},
		{"a client that is no browser", "PUT", "/", []string{"User", "ann"}, 200, ""},
	} {
		r := httptest.NewRequest(tt.method, "http://localhost"+tt.target, nil)
		for i := 0; i < len(tt.header); i += 2 {
			switch name, value := tt.header[i], tt.header[i+1]; name {
			case "Host":
				r.Host = value
			case "User":
				r.SetBasicAuth(value, "secret")
			default:
				r.Header.Add(name, value)
			}
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		head, preflight := rec.Header(), rec.Code == 204
		if rec.Code != tt.status || head.Get("Access-Control-Allow-Origin") != tt.allowed {
			t.Errorf("%s: %d for %q, want %d for %q", tt.rule, rec.Code, head.Get("Access-Control-Allow-Origin"), tt.status, tt.allowed)
		}
		if vary := head.Values("Vary"); len(vary) != 1 || !strings.HasPrefix(vary[0], "Origin") {
			t.Errorf("%s: Vary = %q", tt.rule, vary)
		}
		for name, want := range map[string]bool{
			"Access-Control-Allow-Credentials": tt.allowed != "", "Access-Control-Expose-Headers": tt.allowed != "" && !preflight,
			"Access-Control-Allow-Methods": preflight, "Access-Control-Allow-Headers": preflight, "Access-Control-Max-Age": preflight,
			"Content-Type": !preflight && rec.Body.Len() > 0,
		} {
			if _, ok := head[name]; ok != want {
				t.Errorf("%s: %s is %q", tt.rule, name, head.Values(name))
			}
		}
		if strings.Contains(strings.Join(head.Values("Access-Control-Allow-Headers"), ""), "*") {
			t.Errorf("%s: with credentials * is the name of a header", tt.rule)
		}
	}
}

// TestCORSHeaders finds each header field that the sources of the server name in the lists of CORS,
// or here among those that browsers and proxies use.
func TestCORSHeaders(t *testing.T) {
	named := regexp.MustCompile(`(?:\.Get\(|\.Values\(|\.Set\(|\.Add\(|[hH]ead(?:er|er\(\))?\[)"([A-Z][A-Za-z-]+)"`)
	known := strings.Split(corsRequestHeaders+", "+corsResponseHeaders, ", ")
	known = append(known, strings.Fields("Access-Control-Request-Method Access-Control-Allow-Origin Access-Control-Allow-Credentials "+
		"Access-Control-Allow-Methods Access-Control-Allow-Headers Access-Control-Expose-Headers Access-Control-Max-Age Cache-Control Connection "+
		"Content-Security-Policy Expect Forwarded Origin User-Agent Vary X-Content-Type-Options X-Forwarded-For X-Forwarded-Prefix")...)
	for i, name := range known {
		known[i] = http.CanonicalHeaderKey(name)
	}
	found := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "davtest" || d.Name() == "inspect"): // other servers
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(name)
		for _, m := range named.FindAllStringSubmatch(string(source), -1) {
			if found++; !slices.Contains(known, http.CanonicalHeaderKey(m[1])) {
				t.Errorf("%s has %s, which is in no list", name, m[1])
			}
		}
		return err
	})
	if err != nil || found < 50 {
		t.Errorf("%d names, %v", found, err)
	}
}

// Without an origin there is nothing of CORS.
func TestCORSOff(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/", nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	rec := httptest.NewRecorder()
	CORS()(principalHandler).ServeHTTP(rec, r)
	if head := rec.Result().Header; rec.Code != 200 || head.Get("Vary") != "" || head.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("= %d %v", rec.Code, head)
	}
}

// RFC 9112 §6.1: a preflight with a body that a proxy may have seen otherwise closes the connection,
// and a body that is sent can be followed by a request.
func TestCORSPreflightBody(t *testing.T) {
	u, _ := ParseOrigin("https://app.example")
	srv := httptest.NewServer(CORS(u)(principalHandler))
	defer srv.Close()
	for _, forwarded := range []string{"", "198.51.100.7"} {
		r, err := http.NewRequest("OPTIONS", srv.URL, io.LimitReader(zeros{}, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", "PUT")
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 204 || resp.Close != (forwarded != "") {
			t.Errorf("%q: %s, close %v", forwarded, resp.Status, resp.Close)
		}
	}
}
