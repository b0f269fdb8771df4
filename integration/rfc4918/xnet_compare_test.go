package rfc4918

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
)

// xnetRequest is sent to both servers, each with a new xnetTree. In header and body {f} is replaced
// with the lock token of /f, and {f:etag} with its entity tag.
type xnetRequest struct {
	method, target string
	header         []string // names and values
	body           string
}

// key returns the unique name of a request in xnetDifferences.
func (r xnetRequest) key() string {
	var b strings.Builder
	b.WriteString(r.method + " " + r.target)
	for i := 0; i < len(r.header); i += 2 {
		b.WriteString(" | " + r.header[i] + ": " + r.header[i+1])
	}
	if r.body != "" {
		name := r.body
		for n, body := range xnetBodies {
			if body == r.body {
				name = n
			}
		}
		b.WriteString(" | " + name)
	}
	return b.String()
}

const xnetNS = `xmlns="DAV:" xmlns:z="urn:z"`

// xnetBodies maps the names of bodies in keys to the bodies.
var xnetBodies = map[string]string{
	"text":         "some text",
	"allprop":      `<propfind ` + xnetNS + `><allprop/></propfind>`,
	"propname":     `<propfind ` + xnetNS + `><propname/></propfind>`,
	"prop":         `<propfind ` + xnetNS + `><prop><resourcetype/><getcontentlength/><z:unknown/></prop></propfind>`,
	"types":        `<propfind ` + xnetNS + `><prop><getcontenttype/><displayname/></prop></propfind>`,
	"locks":        `<propfind ` + xnetNS + `><prop><supportedlock/><lockdiscovery/></prop></propfind>`,
	"include":      `<propfind ` + xnetNS + `><allprop/><include><z:unknown/></include></propfind>`,
	"two forms":    `<propfind ` + xnetNS + `><allprop/><propname/></propfind>`,
	"cut off":      `<propfind ` + xnetNS + `><allprop/>`,
	"two roots":    `<propfind ` + xnetNS + `><allprop/></propfind><x/>`,
	"undeclared":   `<propfind ` + xnetNS + `><prop><q:unknown/></prop></propfind>`,
	"doctype":      `<!DOCTYPE x [<!ENTITY e "e">]><propfind ` + xnetNS + `><allprop/></propfind>`,
	"wrong root":   `<nothing ` + xnetNS + `/>`,
	"set":          `<propertyupdate ` + xnetNS + `><set><prop><z:a>1</z:a></prop></set></propertyupdate>`,
	"remove":       `<propertyupdate ` + xnetNS + `><remove><prop><z:a/></prop></remove></propertyupdate>`,
	"protected":    `<propertyupdate ` + xnetNS + `><set><prop><z:a>1</z:a><getetag>x</getetag></prop></set></propertyupdate>`,
	"patches none": `<propertyupdate ` + xnetNS + `/>`,
	"exclusive":    `<lockinfo ` + xnetNS + `><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner>o</owner></lockinfo>`,
	"shared":       `<lockinfo ` + xnetNS + `><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`,
	"no scope":     `<lockinfo ` + xnetNS + `><locktype><write/></locktype></lockinfo>`,
}

// xnetTree is the tree before a request. A name that ends in a slash is a collection; locked is the
// Depth of an exclusive lock on it.
var xnetTree = []struct{ name, locked string }{
	{"/f", ""}, {"/empty", ""}, {"/d/", ""}, {"/d/1.txt", ""}, {"/d/s/", ""}, {"/d/s/2.html", ""}, {"/e/", ""},
	{"/a b;é%/", ""}, {"/a b;é%/#?", ""},
	{"/lf", "0"}, {"/l0/", "0"}, {"/l0/x", ""}, {"/li/", "infinity"}, {"/li/x", ""}, {"/c/", ""}, {"/c/lf", "0"}, {"/c/x", ""},
}

// xnetRequests returns the requests: each method with all targets, headers and bodies that matter.
func xnetRequests() []xnetRequest {
	var all []xnetRequest
	add := func(method, target, body string, header ...string) {
		all = append(all, xnetRequest{method, target, header, xnetBodies[body]})
	}
	targets := []string{"/", "/f", "/empty", "/d", "/d/", "/d/1.txt", "/d/s/2.html", "/e/", "/a%20b;%C3%A9%25/%23%3F", "/a%20b;%c3%a9%25/",
		"/missing", "/missing/", "/missing/x", "/f/x", "/f/", "/lf", "/l0/x", "/li/x", "/c", "/d/../f", "/d//1.txt", "/%66", "/d/%2e%2e/f"}
	for _, target := range targets {
		for _, method := range []string{"OPTIONS", "GET", "HEAD", "DELETE", "MKCOL", "POST", "UNLOCK", "BREW"} {
			add(method, target, "")
		}
		add("PUT", target, "text")
		for _, depth := range []string{"0", "1"} {
			add("PROPFIND", target, "prop", "Depth", depth)
		}
		add("PROPPATCH", target, "set")
		add("LOCK", target, "exclusive", "Depth", "0", "Timeout", "Second-60")
	}

	// PROPFIND (§9.1, §10.2)
	for _, target := range []string{"/f", "/d/", "/missing"} {
		for _, body := range []string{"", "allprop", "propname", "types", "locks", "include", "two forms", "cut off", "two roots", "undeclared", "doctype", "wrong root", "text"} {
			add("PROPFIND", target, body, "Depth", "1")
		}
		for _, depth := range []string{"infinity", "Infinity", "2", "", "-1"} {
			add("PROPFIND", target, "prop", "Depth", depth)
		}
		add("PROPFIND", target, "prop")
	}

	// PROPPATCH (§9.2)
	for _, target := range []string{"/f", "/d/", "/lf", "/li/x"} {
		for _, body := range []string{"", "remove", "protected", "patches none", "wrong root", "cut off", "undeclared"} {
			add("PROPPATCH", target, body)
		}
	}
	add("PROPPATCH", "/lf", "set", "If", "(<{/lf}>)")
	add("PROPPATCH", "/li/x", "set", "If", "(<{/li/}>)")

	// MKCOL (§9.3)
	add("MKCOL", "/new", "text")
	add("MKCOL", "/new/", "")
	add("MKCOL", "/l0/new", "")
	add("MKCOL", "/l0/new", "", "If", "</l0/> (<{/l0/}>)")
	add("MKCOL", "/li/new", "", "If", "</li/> (<{/li/}>)")

	// DELETE (§9.6)
	for _, depth := range []string{"0", "1", "infinity"} {
		add("DELETE", "/d/", "", "Depth", depth)
		add("DELETE", "/f", "", "Depth", depth)
	}
	add("DELETE", "/lf", "", "If", "(<{/lf}>)")
	add("DELETE", "/li/x", "", "If", "</li/> (<{/li/}>)")
	add("DELETE", "/l0/x", "", "If", "</l0/> (<{/l0/}>)")
	add("DELETE", "/c/", "", "If", "</c/lf> (<{/c/lf}>)")

	// PUT, and conditions (§9.7, §10.4, RFC 9110 §13)
	for _, target := range []string{"/f", "/new", "/d/new"} {
		add("PUT", target, "")
		add("PUT", target, "text", "Content-Range", "bytes 0-8/100")
		add("PUT", target, "text", "If-None-Match", "*")
		add("PUT", target, "text", "If-Match", "*")
		add("PUT", target, "text", "If-Match", `"wrong"`)
		add("PUT", target, "text", "If", `(["wrong"])`)
		add("PUT", target, "text", "If", `(Not ["wrong"])`)
		add("PUT", target, "text", "If", `(<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>)`)
		add("PUT", target, "text", "If", `(Not <DAV:no-lock>)`)
		add("PUT", target, "text", "If", `(<DAV:no-lock>)`)
		add("PUT", target, "text", "If", `(<DAV:no-lock>) (Not <DAV:no-lock>)`)
		add("PUT", target, "text", "If", `not a list`)
	}
	add("PUT", "/f", "text", "If-Match", "{/f:etag}")
	add("PUT", "/f", "text", "If-None-Match", "{/f:etag}")
	add("PUT", "/f", "text", "If", "([{/f:etag}])")
	add("PUT", "/lf", "text", "If", "(<{/lf}>)")
	add("PUT", "/lf", "text", "If", "</lf> (<{/lf}>)")
	add("PUT", "/lf", "text", "If", "(<{/lf}> [{/lf:etag}])")
	add("PUT", "/lf", "text", "If", `(<{/lf}> ["wrong"])`)
	add("PUT", "/lf", "text", "If", `(<{/lf}> ["wrong"]) (Not <DAV:no-lock> [{/lf:etag}])`)
	add("PUT", "/lf", "text", "If", "(Not <DAV:no-lock>)")
	add("PUT", "/lf", "text", "If", "(<DAV:no-lock>) (<{/lf}>)")
	add("PUT", "/lf", "text", "If", "(<{/li/}>)")
	add("PUT", "/li/x", "text", "If", "(<{/li/}>)")
	add("PUT", "/li/x", "text", "If", "</li/> (<{/li/}>)")
	add("PUT", "/li/new", "text")
	add("PUT", "/li/new", "text", "If", "(<{/li/}>)")
	add("PUT", "/l0/new", "text")
	add("PUT", "/l0/new", "text", "If", "</l0/> (<{/l0/}>)")
	add("GET", "/f", "", "If-None-Match", "{/f:etag}")
	add("GET", "/f", "", "If-Match", `"wrong"`)
	add("GET", "/f", "", "Range", "bytes=1-2")
	add("GET", "/f", "", "Range", "bytes=100-")
	add("GET", "/f", "", "Range", "lines=1-2")
	add("GET", "/f", "", "If", `(["wrong"])`)

	// COPY and MOVE (§9.8, §9.9)
	for _, method := range []string{"COPY", "MOVE"} {
		for _, target := range []string{"/f", "/d/", "/d", "/lf", "/li/x", "/l0/x", "/li/", "/c/", "/c/lf", "/missing", "/missing/x", "/a%20b;%C3%A9%25/%23%3F"} {
			add(method, target, "", "Destination", "/new")
			add(method, target, "", "Destination", "/e/")
			add(method, target, "", "Destination", "/e/", "Overwrite", "F")
			add(method, target, "", "Destination", "/e/new/")
		}
		for _, overwrite := range []string{"T", "F", "t", "x", ""} {
			add(method, "/f", "", "Destination", "/empty", "Overwrite", overwrite)
			add(method, "/f", "", "Destination", "/new", "Overwrite", overwrite)
		}
		for _, depth := range []string{"0", "1", "infinity", "Infinity", "x"} {
			add(method, "/d/", "", "Destination", "/new", "Depth", depth)
			add(method, "/f", "", "Destination", "/new", "Depth", depth)
		}
		for _, destination := range []string{"", "/f", "/d", "/d/1.txt", "/d/s/new", "/d/s", "/", "/missing/new", "/empty/new", "/lf", "/l0/new", "/l0/x", "/li/new", "/li/x", "/c/",
			"http://example.com/new", "http://example.com/e/new", "https://example.com/new", "http://other.example/new", "//example.com/new", "new", "http://example.com", "/%zz", "/new?q", "/new#f", "/../new", "/e/%2e%2e/new", "/%00"} {
			add(method, "/f", "", "Destination", destination)
			add(method, "/d/", "", "Destination", destination)
		}
		add(method, "/f", "") // no Destination
		add(method, "/f", "", "Destination", "/lf", "If", "</lf> (<{/lf}>)")
		add(method, "/lf", "", "Destination", "/new", "If", "(<{/lf}>)")
		add(method, "/lf", "", "Destination", "/new", "If", "</lf> (<{/lf}>)")
		add(method, "/lf", "", "Destination", "/empty", "If", "(<{/lf}>)")
		add(method, "/f", "", "Destination", "/l0/new", "If", "</l0/> (<{/l0/}>)")
		add(method, "/f", "", "Destination", "/li/new", "If", "</li/> (<{/li/}>)")
		add(method, "/li/x", "", "Destination", "/new", "If", "</li/> (<{/li/}>)")
		add(method, "/li/x", "", "Destination", "/li/y", "If", "</li/> (<{/li/}>)")
	}

	// LOCK and UNLOCK (§9.10, §9.11)
	for _, target := range []string{"/f", "/d/", "/new", "/new/", "/missing/new", "/lf", "/c/", "/li/x", "/l0/x", "/l0/new", "/l0/"} {
		for _, depth := range []string{"1", "infinity", "x"} {
			add("LOCK", target, "exclusive", "Depth", depth)
		}
		add("LOCK", target, "exclusive")
		add("LOCK", target, "shared", "Depth", "0")
		add("LOCK", target, "")
	}
	for _, timeout := range []string{"Infinite", "Second-0", "Second-4100000000", "Infinite, Second-60", "Second-5000000000", "Minute-1", ""} {
		add("LOCK", "/f", "exclusive", "Timeout", timeout)
	}
	for _, body := range []string{"no scope", "wrong root", "cut off", "text"} {
		add("LOCK", "/f", body)
	}
	add("LOCK", "/lf", "", "If", "(<{/lf}>)")
	add("LOCK", "/li/x", "", "If", "(<{/li/}>)")
	add("LOCK", "/f", "", "If", "(<{/lf}>)")
	add("LOCK", "/lf", "", "If", "(<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>)")
	add("UNLOCK", "/lf", "", "Lock-Token", "<{/lf}>")
	add("UNLOCK", "/lf", "", "Lock-Token", "{/lf}")
	add("UNLOCK", "/f", "", "Lock-Token", "<{/lf}>")
	add("UNLOCK", "/li/x", "", "Lock-Token", "<{/li/}>")
	add("UNLOCK", "/lf", "", "Lock-Token", "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>")
	add("UNLOCK", "/missing", "", "Lock-Token", "<{/lf}>")
	return all
}

// xnetCompare is one of the two servers with a new tree.
type xnetCompare struct {
	testing.TB
	h      http.Handler
	values map[string]string
}

func newXnetCompare(t testing.TB, h http.Handler) *xnetCompare {
	o := &xnetCompare{t, h, map[string]string{}}
	must := func(want int, method, target, body string, header ...string) http.Header {
		t.Helper()
		status, head, out := o.send(xnetRequest{method, target, header, body})
		if status != want {
			t.Fatalf("%s %s = %d, want %d\n%s", method, target, status, want, out)
		}
		return head
	}
	for _, r := range xnetTree {
		target := (&harness.Site{}).Href(r.name)
		if strings.HasSuffix(r.name, "/") {
			must(201, "MKCOL", target, "")
		} else {
			body := "content of " + r.name
			if r.name == "/empty" {
				body = ""
			}
			must(201, "PUT", target, body)
			o.values["{"+r.name+":etag}"] = must(200, "HEAD", target, "").Get("ETag")
		}
	}
	for _, r := range xnetTree {
		if r.locked != "" {
			head := must(200, "LOCK", (&harness.Site{}).Href(r.name), harness.LockBody, "Depth", r.locked, "Timeout", "Second-600")
			o.values["{"+r.name+"}"] = strings.Trim(head.Get("Lock-Token"), "<>")
		}
	}
	return o
}

func (o *xnetCompare) send(q xnetRequest) (int, http.Header, string) {
	r := httptest.NewRequest(q.method, "http://example.com"+q.target, strings.NewReader(q.body))
	for i := 0; i < len(q.header); i += 2 {
		value := q.header[i+1]
		for name, v := range o.values {
			value = strings.ReplaceAll(value, name, v)
		}
		r.Header.Set(q.header[i], value)
	}
	w := httptest.NewRecorder()
	o.h.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

// outcome is the part of an answer that is compared: the status, and for a 207 the status of each
// resource and property.
type outcome struct {
	status int
	lines  []string // "href", "href 404", "href property 200"
}

func (o *xnetCompare) outcome(q xnetRequest) outcome {
	status, _, body := o.send(q)
	out := outcome{status: status}
	if status != http.StatusMultiStatus {
		return out
	}
	for _, r := range harness.DecodeMultistatus(o, body) {
		if r.Status != "" {
			out.lines = append(out.lines, fmt.Sprintf("%s %d", r.Href, harness.StatusCode(r.Status)))
		}
		for _, p := range r.Propstat {
			for _, prop := range p.Prop.List {
				out.lines = append(out.lines, fmt.Sprintf("%s %s %d", r.Href, prop.XMLName.Local, harness.StatusCode(p.Status)))
			}
		}
	}
	slices.Sort(out.lines)
	return out
}

// difference returns the difference of two outcomes, or "": "405 -> 409", or the lines that only
// their 207 (-) or only ours (+) has. If all hrefs have the same lines the href is omitted.
func difference(theirs, ours outcome) string {
	if theirs.status != ours.status {
		return fmt.Sprintf("%d -> %d", theirs.status, ours.status)
	}
	var diff []string
	add := func(sign string, lines, others []string) {
		for _, l := range lines {
			if slices.Contains(others, l) {
				continue
			}
			href, rest, _ := strings.Cut(l, " ")
			if !slices.ContainsFunc(others, func(s string) bool { return strings.HasPrefix(s, href+" ") }) {
				rest = href // the href has no response
			}
			diff = append(diff, sign+rest)
		}
	}
	add("-", theirs.lines, ours.lines)
	add("+", ours.lines, theirs.lines)
	slices.Sort(diff)
	return strings.Join(slices.Compact(diff), " ")
}

// TestXnetCompare sends the same requests to the Handler of golang.org/x/net/webdav and to ours. It
// fails for a difference that is not in xnetDifferences, and for an entry that is no difference.
func TestXnetCompare(t *testing.T) {
	exact, prefixes := parseXnetDifferences()
	sent := map[string]bool{}
	for _, q := range xnetRequests() {
		key := q.key()
		if sent[key] {
			t.Errorf("two requests have the key %s", key)
		}
		sent[key] = true
		want := exact[key]
		for p, d := range prefixes {
			if strings.HasPrefix(key, p) {
				want = d
				sent[p] = true
			}
		}
		theirs := newXnetCompare(t, &webdav.Handler{FileSystem: webdav.NewMemFS(), LockSystem: webdav.NewMemLS()})
		ours := newXnetCompare(t, server.New(memory.New(nil).Backend(), nil))
		if got := difference(theirs.outcome(q), ours.outcome(q)); got != want {
			t.Errorf("%s: the difference is %q, want %q", key, got, want)
		}
	}
	for listed := range exact {
		if !sent[listed] {
			t.Errorf("listed, but not sent: %s", listed)
		}
	}
	for p := range prefixes {
		if !sent[p] {
			t.Errorf("listed, but not sent: %s*", p)
		}
	}
	t.Logf("%d requests", len(sent))
}
