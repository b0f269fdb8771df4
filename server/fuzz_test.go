package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davheader"
	"dav207/server/davxml"
	"dav207/server/davxml/xmltest"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// FuzzDepth: Depth and Overwrite have one of their values or are refused.
func FuzzDepth(f *testing.F) {
	addHeader(f, "Depth")
	addHeader(f, "Overwrite")
	for _, s := range []string{"", "INFINITY", "1,noroot", "-1", "0, 0", " 1\t", "00"} {
		f.Add(s)
	}
	names := map[tree.Depth]string{tree.Zero: "0", tree.One: "1", tree.Infinity: "infinity"}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := davheader.Depth(http.Header{"Depth": {s}}, tree.Zero); err != nil {
			clientError(t, err)
		} else if !strings.EqualFold(strings.TrimSpace(s), names[d]) {
			t.Errorf("Depth %q is %q", s, names[d])
		}
		if o, err := davheader.Overwrite(http.Header{"Overwrite": {s}}); err != nil {
			clientError(t, err)
		} else if !strings.EqualFold(s, map[bool]string{true: "T", false: "F"}[o]) {
			t.Errorf("Overwrite %q is %v", s, o)
		}
	})
}

// FuzzRange: GET sends parts of the file or the whole file for any range and condition (RFC 9110
// §13, §14). For a single range it agrees with http.ServeContent if both send bytes.
func FuzzRange(f *testing.F) {
	for _, s := range clientSeeds(f) {
		if r := s.header.Get("Range"); r != "" {
			f.Add(r, s.header.Get("If-Range"), s.header.Get("If-Match"), s.header.Get("If-None-Match"))
		}
	}
	f.Add("bytes=-5,0-0, 7-", `"x"`, "*", `W/"a", "b"`)
	f.Add("bytes=5-4", "Sun, 06 Nov 1994 08:49:37 GMT", `"a"`, "*")
	f.Add("bytes=99999999999999999999-", "", "", "")
	f.Add("bytes=7-99999999999999999999", "", "", "")
	f.Add("bytes=-0,\t-1 ,5 - 6", "", "", "")
	file := newRanged(f, 300)
	f.Fuzz(func(t *testing.T, ranges, ifRange, ifMatch, ifNoneMatch string) {
		header := []string{"Range", ranges, "If-Range", ifRange, "If-Match", ifMatch, "If-None-Match", ifNoneMatch}
		w := ask(file.h, "GET", "/f.txt", "", header...)
		said := w.Header().Get("Content-Range")
		switch w.Code {
		case http.StatusOK:
			if body := w.Body.String(); body != file.content {
				t.Errorf("the whole file is %q", body)
			}
		case http.StatusPartialContent:
			if said == "" {
				if _, err := file.readParts(w); err != nil {
					t.Error(err)
				}
			} else if err := file.isPart(said, w.Body.String()); err != nil {
				t.Error(err)
			}
		case http.StatusNotModified, http.StatusBadRequest, http.StatusPreconditionFailed:
		case http.StatusRequestedRangeNotSatisfiable:
			if said != "bytes */300" {
				t.Errorf("Content-Range %q", said)
			}
		default:
			t.Errorf("GET = %d", w.Code)
		}
		if want := file.serveContent("GET", header...); want.Code == http.StatusPartialContent && w.Code == want.Code &&
			said != want.Header().Get("Content-Range") {
			t.Errorf("Content-Range %q, and %q of http.ServeContent", said, want.Header().Get("Content-Range"))
		}
	})
}

// FuzzProperty: a property is refused, or PROPFIND returns it as it was sent (RFC 4918 §4.3).
func FuzzProperty(f *testing.F) {
	for _, s := range []string{
		`<a xmlns="urn:a">x</a>`,
		`<p:a xmlns:p="urn:a" xml:lang="de" p:q="&quot;">t<b xmlns="" p:c="1"/> <!-- c --><![CDATA[<]]></p:a>`,
		`<a xmlns="">&#13;&#x10000;</a><a xmlns="">2</a>`,
		`<D:a xmlns:D="urn:d"><D:b/></D:a>`,
	} {
		f.Add(s)
	}
	for _, s := range clientSeeds(f) {
		if root, err := davxml.Parse(strings.NewReader(s.body), nil); err == nil && root.Name.Local == "propertyupdate" {
			for _, e := range root.Children {
				if _, inner := e.Content(); len(inner) > 0 && bytes.HasPrefix(inner, []byte("<D:prop>")) {
					f.Add(string(bytes.TrimSuffix(bytes.TrimPrefix(inner, []byte("<D:prop>")), []byte("</D:prop>"))))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, fragment string) {
		doc := `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + fragment + `</D:prop></D:set></D:propertyupdate>`
		h := New(fsbackend.FromWebDAV(webdav.NewMemFS()), nil)
		ask(h, "PUT", "/f", "")
		w := ask(h, "PROPPATCH", "/f", doc)
		if w.Code >= 400 && w.Code < 500 {
			return
		}
		outcome, err := multistatus.Decode(w.Body)
		if w.Code != http.StatusMultiStatus || err != nil || len(outcome) != 1 {
			t.Fatalf("PROPPATCH = %d, %v, %v", w.Code, outcome, err)
		}
		for _, p := range outcome[0].Propstat {
			if p.Status != http.StatusOK {
				return
			}
		}
		root, err := davxml.Parse(strings.NewReader(doc), nil)
		if err != nil {
			t.Fatalf("accepted: %v", err)
		}
		want := map[string]string{}
		for _, instruction := range root.Children { // in the order of the document: the last one counts
			for _, prop := range instruction.Children {
				if !isDAV(prop, "prop") || !isDAV(instruction, "set") && !isDAV(instruction, "remove") {
					continue
				}
				for _, e := range prop.Children {
					p := props.Property{XMLName: e.Name, Lang: e.Lang}
					p.Attr, p.InnerXML = e.Content()
					switch {
					case e.Name.Space == multistatus.Namespace: // live, or with rules of its own
					case instruction.Name.Local == "set":
						want[fmt.Sprint(e.Name)] = canonical(t, p)
					default:
						delete(want, fmt.Sprint(e.Name))
					}
				}
			}
		}
		found, err := multistatus.Decode(ask(h, "PROPFIND", "/f", "").Body)
		if err != nil || len(found) != 1 {
			t.Fatalf("PROPFIND: %v, %v", found, err)
		}
		for _, ps := range found[0].Propstat {
			for _, p := range ps.Prop {
				if key := fmt.Sprint(p.XMLName); want[key] != "" {
					if got := canonical(t, p); got != want[key] {
						t.Errorf("sent  %s\nfound %s", want[key], got)
					}
					delete(want, key)
				}
			}
		}
		for name := range want {
			t.Errorf("%s was accepted, but PROPFIND does not return it", name)
		}
	})
}

func canonical(t *testing.T, p props.Property) string {
	doc, err := multistatus.AppendProp(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := xmltest.Canonical(doc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request to a handler. It leaves out headers that are empty.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
