package clients

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// nginxBlocks returns the configurations for nginx in the README of cmd/dav207: a separate host, a
// part of a site, and the headers for the latter.
func nginxBlocks(t *testing.T) (host, part, headers string) {
	t.Helper()
	text, err := os.ReadFile("../../cmd/dav207/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "\n```nginx\n")
	if len(blocks) != 4 {
		t.Fatalf("the README of cmd/dav207 has %d blocks for nginx, want 3", len(blocks)-1)
	}
	for i := range blocks {
		blocks[i], _, _ = strings.Cut(blocks[i], "\n```")
	}
	return blocks[1], blocks[2], blocks[3]
}

// with adds lines to each location of a block.
func with(block, lines string) string {
	return strings.ReplaceAll(block, "proxy_http_version 1.1;", "proxy_http_version 1.1;\n"+lines)
}

// TestNginx runs the server behind nginx, which terminates TLS, may remove a part of the path, and
// rewrites no header. The configurations are those of the README.
func TestNginx(t *testing.T) {
	harness.RealClient(t, "nginx", "apt-get install nginx-light")
	host, part, headers := nginxBlocks(t)
	const forwarded = `proxy_set_header Forwarded "for=$remote_addr;host=\"$http_host\";proto=$scheme"; proxy_set_header X-Forwarded-Prefix /files;`
	for _, tt := range []struct {
		rule  string
		block string
		args  []string
		url   string
		works bool // COPY and MOVE work; otherwise the server cannot recognise its own host
	}{
		{"README.md, a host of its own", host, []string{"--public-url", "https://dav.example.com/"}, "https://dav.example.com/", true},
		{"README.md, --public-url", part, []string{"--public-url", "https://www.example.com/files/"}, "https://www.example.com/files/", true},
		{"README.md, X-Forwarded and --trusted-proxy", with(part, headers), []string{"--trusted-proxy", "127.0.0.1"}, "https://www.example.com/files/", true},
		{"--public-url, the host passed on", with(part, "proxy_set_header Host $http_host;"),
			[]string{"--public-url", "https://www.example.com/files/"}, "https://www.example.com/files/", true},
		{"a second --public-url", part, []string{"--public-url", "https://www.example.com/files", "--public-url", "https://dav.example.com/files"},
			"https://dav.example.com/files/", true},
		{"another --prefix than the proxy's path", strings.ReplaceAll(part, ":8080/;", ":8080/a%20b/;"),
			[]string{"--prefix", "/a b", "--public-url", "https://www.example.com/files/"}, "https://www.example.com/files/", true},
		{"Forwarded and --trusted-proxy", with(part, forwarded), []string{"--trusted-proxy", "127.0.0.0/8"}, "https://www.example.com/files/", true},
		{"X-Forwarded, nobody is trusted", with(part, headers), nil, "https://www.example.com/files/", false},
		{"Forwarded, another is trusted", with(part, forwarded), []string{"--trusted-proxy", "192.0.2.1"}, "https://www.example.com/files/", false},
		{"neither", part, nil, "https://www.example.com/files/", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			direct := startProgram(t, append([]string{"--memory"}, tt.args...)...)
			p := startNginx(t, tt.block, strings.TrimPrefix(direct.URL, "http://"))
			root, prefix, _ := strings.Cut(strings.TrimPrefix(tt.url, "https://"), "/")
			s := &harness.Site{TB: t, URL: "https://" + root, Prefix: strings.TrimSuffix("/"+prefix, "/"), Client: p.client(t)}
			if tt.works {
				throughProxy(t, s)
				return
			}
			s.Want(201, "PUT", "/f", "content")
			for _, method := range []string{"COPY", "MOVE"} {
				if got := s.Do(method, "/f", "", "Destination", "dest:/g"); got.Status != 502 {
					t.Errorf("%s = %d %s, want 502 (§9.8.5, §9.9.4)", method, got.Status, got.Body)
				}
			}
			if got := s.Do("GET", "/f", ""); got.Body != "content" {
				t.Errorf("GET = %d %q, want the content", got.Status, got.Body)
			}
		})
	}
}

// throughProxy sends the requests that depend on the URL that the client uses.
func throughProxy(t *testing.T, s *harness.Site) {
	// The root without its trailing slash.
	bare := s.URL + s.Prefix
	r, err := http.NewRequest("PROPFIND", bare, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 207 || resp.Request.URL.String() != bare {
		t.Errorf("PROPFIND %s = %d of %s, want 207 without a redirection", bare, resp.StatusCode, resp.Request.URL)
	}

	// A collection without its slash: GET redirects to the URL that the client uses (RFC 4918
	// §5.2).
	s.Want(201, "MKCOL", "/a b", "")
	for _, name := range []string{"/a b", ""} {
		resp, err := s.Client.Get(s.At(name) + "?x=y")
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got, want := resp.Request.URL.String(), s.At(name)+"/?x=y"; resp.StatusCode != 200 || s.Prefix+name != "" && got != want {
			t.Errorf("GET %s ends at %s with %s, %v, want %s\n%s", s.At(name), got, resp.Status, err, want, page)
		}
	}
	s.Want(204, "DELETE", "/a b", "")

	// An upload without a length, larger than the default buffer of nginx.
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16)
	put, err := s.Try("PUT", "/large", io.MultiReader(bytes.NewReader(content)))
	if err != nil || put.Status != 201 || put.Header.Get("ETag") == "" {
		t.Fatalf("PUT = %d %v, %v", put.Status, put.Header, err)
	}
	if got := s.Want(200, "GET", "/large", ""); got.Body != string(content) || got.Header.Get("ETag") != put.Header.Get("ETag") {
		t.Errorf("GET = %d bytes with %s, want %d with %s", len(got.Body), got.Header.Get("ETag"), len(content), put.Header.Get("ETag"))
	}

	// Names: GET of each href in a listing has the right file.
	s.Want(201, "MKCOL", "/c", "")
	for i, name := range oddNames {
		s.Want(201, "PUT", "/c/"+name, strconv.Itoa(i))
	}
	hrefs := map[string]bool{}
	for _, r := range harness.DecodeMultistatus(t, s.Want(207, "PROPFIND", "/c/", "", "Depth", "1").Body) {
		hrefs[r.Href] = true
	}
	for i, name := range oddNames {
		if !hrefs[s.Href("/c/"+name)] {
			t.Errorf("no href is %s", s.Href("/c/"+name))
		}
		if got := s.Want(200, "GET", "/c/"+name, "").Body; got != strconv.Itoa(i) {
			t.Errorf("%q = %q, want %d", name, got, i)
		}
	}

	// Destination: the URL that the client uses, of a collection and of a file; and a path.
	s.Want(201, "COPY", "/c/", "", "Destination", "dest:/copy/")
	s.Want(201, "MOVE", "/copy/100%", "", "Destination", "dest:/copy/moved 100%", "Overwrite", "F")
	s.Want(412, "COPY", "/c/é", "", "Destination", "dest:/copy/é", "Overwrite", "F")
	s.Want(201, "MOVE", "/copy/", "", "Destination", s.Href("/d e/"))
	s.Want(502, "COPY", "/large", "", "Destination", "https://other.example.com"+s.Href("/x"))
	if got := s.Want(200, "GET", "/d e/moved 100%", "").Body; got != "3" {
		t.Errorf("the file that was copied and moved twice = %q, want 3", got)
	}

	// lockroot and the tagged lists of If use the URL of the client.
	lock := s.Want(200, "LOCK", "/d e/", harness.LockBody, "Depth", "infinity")
	if want := "<D:lockroot><D:href>" + s.Href("/d e/") + "</D:href></D:lockroot>"; !strings.Contains(lock.Body, want) {
		t.Errorf("LOCK = %s, want %s (§14.12)", lock.Body, want)
	}
	token := lock.Header.Get("Lock-Token")
	if got := s.Want(423, "PUT", "/d e/new", "new"); !strings.Contains(got.Body, "<D:href>"+s.Href("/d e/")+"</D:href>") {
		t.Errorf("PUT = %s, want the href of the lock's root (§16)", got.Body)
	}
	s.Want(201, "PUT", "/d e/new", "new", "If", "<"+s.At("/d e/")+"> ("+token+")")
	s.Want(412, "PUT", "/d e/new", "new", "If", "<"+s.At("/c/")+"> ("+token+")")
	s.Want(204, "MOVE", "/d e/new", "", "Destination", "dest:/large", "If", "<"+s.At("/d e/")+"> ("+token+")")
	s.Want(204, "UNLOCK", "/d e/", "", "Lock-Token", token)

	// If the proxy compressed a file it would weaken the entity tag, and no client could use that
	// in If-Match (RFC 9110 §8.8.1).
	s.Want(201, "PUT", "/page.html", strings.Repeat("<p>text", 1000))
	html := s.Want(200, "GET", "/page.html", "", "Accept-Encoding", "gzip")
	s.Want(204, "PUT", "/page.html", "new", "If-Match", html.Header.Get("ETag"))

	for _, name := range []string{"/c/", "/d e", "/large", "/page.html"} {
		s.Want(204, "DELETE", name, "")
	}
	if got := s.Tree("/"); len(got) != 1 {
		t.Errorf("tree = %q, want it empty", got)
	}
}

// TestNginxRefusedUpload sends an upload that is refused and larger than all buffers, without
// waiting for a 100 (Continue). If the server closed the connection after its answer nginx would
// lose the answer and send 502 (RFC 9112 §9.6).
func TestNginxRefusedUpload(t *testing.T) {
	harness.RealClient(t, "nginx", "apt-get install nginx-light")
	host, _, _ := nginxBlocks(t)
	direct := startProgram(t, "--memory", "--public-url", "https://dav.example.com/")
	p := startNginx(t, host, strings.TrimPrefix(direct.URL, "http://"))
	direct.Want(201, "PUT", "/locked", "old")
	direct.Lock("/locked", "0")
	content := strings.Repeat("0123456789abcdef", 5<<16)
	for name, want := range map[string]int{"/locked": 423, "/missing/f": 409} {
		for _, chunked := range []bool{false, true} {
			for range 5 {
				var body io.Reader = strings.NewReader(content)
				if chunked {
					body = io.MultiReader(body) // hides the length
				}
				s := &harness.Site{TB: t, URL: "https://dav.example.com", Client: p.client(t)} // a new connection
				if got, err := s.Try("PUT", name, body); err != nil || got.Status != want {
					t.Errorf("PUT %s, chunked %v = %d, %v, want %d", name, chunked, got.Status, err, want)
				}
			}
		}
	}
}

// TestNginxLitmus runs litmus through the proxy. litmus sends URLs in Destination and If, and
// compares hrefs with its URLs.
func TestNginxLitmus(t *testing.T) {
	litmus := harness.RealClient(t, "litmus", "apt-get install litmus")
	_, part, headers := nginxBlocks(t)
	direct := startProgram(t, "--memory", "--trusted-proxy", "127.0.0.1")
	p := startNginx(t, with(part, headers), strings.TrimPrefix(direct.URL, "http://"))
	s := &harness.Site{TB: t, URL: "http://" + p.plain, Prefix: "/files"}
	for _, suite := range litmusSuites {
		warnings := suite.warnings
		if suite.name == "basic" {
			warnings = map[string]string{
				"DELETE removed collection resource with Request-URI including fragment; unsafe": "nginx takes the fragment away before we see it",
			}
		}
		t.Run(suite.name, func(t *testing.T) { runLitmus(t, s, litmus, suite.name, suite.tests, warnings) })
	}
}
