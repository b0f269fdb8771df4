package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/davxml/xmltest"
	"dav207/server/multistatus"
	"dav207/server/reqbody"
)

// clientError returns the status of err, which must be a 4xx.
func clientError(t *testing.T, err error) int {
	t.Helper()
	e := (*multistatus.Error)(nil)
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 && e.Status != http.StatusBadGateway {
		t.Fatalf("error %v is no 4xx", err)
	}
	return e.Status
}

func testHandler() *Handler {
	proxy, _ := url.Parse("https://files.example.com:8443/dav")
	return New(fsbackend.FromWebDAV(webdav.NewMemFS()), &Options{Prefix: "/dav", PublicURLs: []*url.URL{proxy}})
}

func copyRequest(headers ...string) *request {
	r := httptest.NewRequest("COPY", "http://localhost:8080/dav/a", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return &request{Request: r, ctx: r.Context(), path: davpath.Must("/a"), origin: testHandler().origins.Of(r)}
}

func TestDestination(t *testing.T) {
	for _, tt := range []struct {
		rule, header string
		want         string
		status       int
	}{
		{"§10.3 absolute URI", "http://localhost:8080/dav/b/c", "/b/c", 0},
		{"§8.3 absolute path", "/dav/b%20c/", "/b c", 0},
		{"the scheme is the proxy's or the client's own", "webdavs://LOCALHOST:8080/dav/b", "/b", 0},
		{"a public URL", "https://files.example.com:8443/dav/b", "/b", 0},
		{"the root", "http://localhost:8080/dav", "/", 0},
		{"user information is passed over", "http://me:secret@localhost:8080/dav/b", "/b", 0},
		{"§9.8.5 another server", "http://elsewhere/dav/b", "", 502},
		{"another port", "http://localhost:81/dav/b", "", 502},
		{"§9.8.5 outside of the prefix", "/other/b", "", 502},
		{"outside by dot segments", "/dav/../b", "", 502},
		{"a host without a path is not the served root", "http://localhost:8080", "", 502},
		{"a file", "file:///etc/passwd", "", 502},
		{"no scheme", "//localhost:8080/dav/b", "", 400},
		{"relative", "b", "", 400},
		{"empty", "", "", 400},
		{"opaque", "mailto:a@b", "", 502},
		{"query", "/dav/b?x", "", 400},
		{"empty query", "/dav/b?", "", 400},
		{"fragment", "/dav/b#x", "", 400},
		{"empty fragment", "/dav/b#", "", 400},
		{"NUL", "/dav/b%00", "", 400},
		{"encoded slash", "/dav/b%2fc", "", 400},
		{"above the root", "/dav/../../b", "", 400},
		{"§8.3 as long as a Request-URI can be", "/dav/" + strings.Repeat("%78", 20000), "/" + strings.Repeat("x", 20000), 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			p, err := testHandler().destination(copyRequest("Destination", tt.header))
			if tt.status != 0 {
				if err == nil {
					t.Fatalf("got %s, want %d", p, tt.status)
				}
				if got := clientError(t, err); got != tt.status {
					t.Errorf("got %d, want %d", got, tt.status)
				}
			} else if err != nil || p.String() != tt.want {
				t.Errorf("got %s, %v, want %s", p, err, tt.want)
			}
		})
	}
	for _, q := range []*request{copyRequest(), copyRequest("Destination", "/dav/b", "Destination", "/dav/c")} {
		if _, err := testHandler().destination(q); err == nil || clientError(t, err) != 400 {
			t.Errorf("%d Destinations: got %v, want 400", len(q.Header.Values("Destination")), err)
		}
	}
}

func FuzzDestination(f *testing.F) {
	for _, s := range []string{"http://localhost:8080/dav/b", "/dav/%2e%2e/x", "webdav://u@h/dav", "//", "http://[::1]/dav/x"} {
		f.Add(s)
	}
	addHeader(f, "Destination")
	h := testHandler()
	f.Fuzz(func(t *testing.T, s string) {
		p, err := h.destination(copyRequest("Destination", s))
		if err != nil {
			clientError(t, err)
			return
		}
		if again, err := h.destination(copyRequest("Destination", h.hrefs(t.Context()).Href(p, false))); err != nil || again != p {
			t.Errorf("%q is %s, whose href is %s, %v", s, p, again, err)
		}
	})
}

func TestBodies(t *testing.T) {
	const dav = ` xmlns="DAV:"`
	for _, tt := range []struct {
		rule, kind, body string
		status           int
	}{
		{"§9.1 prop", "propfind", `<propfind` + dav + `><prop><a/></prop></propfind>`, 0},
		{"§9.1 no body is allprop", "propfind", "", 0},
		{"§14.20 an empty propfind", "propfind", `<propfind` + dav + `/>`, 400},
		{"§14.20 two forms", "propfind", `<propfind` + dav + `><prop/><allprop/></propfind>`, 400},
		{"§14.20 prop twice is one", "propfind", `<propfind` + dav + `><prop><a/></prop><prop><b/></prop></propfind>`, 0},
		{"§14.20 prop twice, and another form", "propfind", `<propfind` + dav + `><prop><a/></prop><propname/><prop><b/></prop></propfind>`, 400},
		{"§14.20 twice", "propfind", `<propfind` + dav + `><propname/><propname/></propfind>`, 400},
		{"§9.1.6 allprop and include", "propfind", `<propfind` + dav + `><allprop/><include><a/></include></propfind>`, 0},
		{"§17 include where it is not expected is passed over", "propfind", `<propfind` + dav + `><propname/><include><a/></include></propfind>`, 0},
		{"§17 unknown elements are passed over", "propfind", `<propfind` + dav + `><x xmlns="urn:x"><prop xmlns="DAV:"/></x><allprop/></propfind>`, 0},
		{"another root", "propfind", `<propertyupdate` + dav + `/>`, 400},
		{"a root in no namespace", "propfind", `<propfind><allprop/></propfind>`, 400},
		{"two roots", "propfind", `<propfind` + dav + `><allprop/></propfind><x/>`, 400},
		{"undeclared prefix", "propfind", `<D:propfind><D:allprop/></D:propfind>`, 400},
		{"DOCTYPE", "propfind", `<!DOCTYPE x><propfind` + dav + `><allprop/></propfind>`, 400},
		{"charset", "propfind", `<?xml version="1.0" encoding="koi8-r"?><propfind` + dav + `><allprop/></propfind>`, 415},
		{"§14.19 set", "update", `<propertyupdate` + dav + `><set><prop><a>x</a></prop></set></propertyupdate>`, 0},
		{"§14.19 nothing to do", "update", `<propertyupdate` + dav + `/>`, 0},
		{"§14.18 an empty prop", "update", `<propertyupdate` + dav + `><set><prop/></set><remove><prop/></remove></propertyupdate>`, 0},
		{"§14.26 set without prop", "update", `<propertyupdate` + dav + `><set/></propertyupdate>`, 400},
		{"no body", "update", "", 400},
		{"another root", "update", `<propfind` + dav + `/>`, 400},
		{"§14.11 exclusive", "lock", `<lockinfo` + dav + `><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`, 0},
		{"§14.13 both scopes", "lock", `<lockinfo` + dav + `><lockscope><exclusive/><shared/></lockscope><locktype><write/></locktype></lockinfo>`, 400},
		{"§14.13 no scope", "lock", `<lockinfo` + dav + `><locktype><write/></locktype></lockinfo>`, 400},
		{"§14.15 no type", "lock", `<lockinfo` + dav + `><lockscope><shared/></lockscope></lockinfo>`, 400},
		{"another root", "lock", `<lock` + dav + `/>`, 400},
	} {
		t.Run(tt.kind+": "+tt.rule, func(t *testing.T) {
			err := readBody(tt.kind, []byte(tt.body))
			if tt.status == 0 {
				if err != nil {
					t.Errorf("got %v", err)
				}
			} else if err == nil {
				t.Errorf("accepted, want %d", tt.status)
			} else if got := clientError(t, err); got != tt.status {
				t.Errorf("got %d, want %d", got, tt.status)
			}
		})
	}
}

func readBody(kind string, body []byte) error {
	h := testHandler()
	r, w := httptest.NewRequest("X", "/", bytes.NewReader(body)), httptest.NewRecorder()
	q := &request{Request: r, w: w, body: reqbody.New(w, r)}
	root, err := h.parseBody(q)
	if err != nil {
		return err
	}
	switch kind {
	case "propfind":
		_, err = parsePropfind(root)
	case "update":
		_, err = parseUpdate(root)
	case "lock":
		_, err = parseLockInfo(root)
	}
	return err
}

// FuzzBodies: a body is refused with a 4xx, or its properties can be written and parsed again.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{
		`<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z"><D:set><D:prop><Z:a xml:lang="de" Z:q="1">x<Z:b xmlns:D="urn:d" D:t="1"/></Z:a></D:prop></D:set><D:remove><D:prop><c xmlns=""/></D:prop></D:remove></D:propertyupdate>`,
		`<propfind xmlns="DAV:"><allprop/><include><x:y xmlns:x="urn:x"/></include></propfind>`,
		`<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>`,
	} {
		f.Add([]byte(s))
	}
	for _, s := range clientSeeds(f) {
		f.Add([]byte(s.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := davxml.Parse(bytes.NewReader(body), nil)
		if err != nil {
			clientError(t, xmlError(err))
			return
		}
		if _, err := parsePropfind(root); err != nil {
			clientError(t, err)
		}
		if _, err := parseLockInfo(root); err != nil {
			clientError(t, err)
		}
		changes, err := parseUpdate(root)
		if err != nil {
			clientError(t, err)
			return
		}
		for _, c := range changes {
			if c.Remove {
				continue
			}
			doc, err := multistatus.AppendProp(nil, c.Property)
			if err != nil {
				t.Fatalf("%+v cannot be written: %v", c.Property, err)
			}
			prop, err := davxml.Parse(bytes.NewReader(doc), nil)
			if err != nil || len(prop.Children) != 1 {
				t.Fatalf("%s cannot be read: %v", doc, err)
			}
			again := props.Property{XMLName: prop.Children[0].Name, Lang: prop.Children[0].Lang}
			again.Attr, again.InnerXML = prop.Children[0].Content()
			doc2, err := multistatus.AppendProp(nil, again)
			if err != nil {
				t.Fatal(err)
			}
			want, err := xmltest.Canonical(doc)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := xmltest.Canonical(doc2); err != nil || got != want {
				t.Errorf("stored %s\nthen   %s, %v", doc, doc2, err)
			}
		}
	})
}
