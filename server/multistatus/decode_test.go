package multistatus_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"dav207/server/davxml"
	"dav207/server/davxml/xmltest"
	"dav207/server/multistatus"
)

func TestDecode(t *testing.T) {
	name := func(space, local string) xml.Name { return xml.Name{Space: space, Local: local} }
	const ns = "http://ns.example.com/boxschema/"
	for _, tt := range []struct {
		rule, body string
		want       []multistatus.Response
	}{
		{"14.16 an empty multistatus", `<multistatus xmlns="DAV:"/>`, nil},
		{"9.6.2 a failed member", `<d:multistatus xmlns:d="DAV:"><d:response><d:href>http://www.example.com/container/resource3</d:href>
			<d:status>HTTP/1.1 423 Locked</d:status><d:error><d:lock-token-submitted/></d:error></d:response></d:multistatus>`,
			[]multistatus.Response{{Href: "http://www.example.com/container/resource3", Status: 423,
				Error: multistatus.Precondition(multistatus.LockTokenSubmitted)}}},
		{"14.24 one status for several hrefs", `<multistatus xmlns="DAV:"><response><href>/a</href><href> /b&amp;c
			</href><status>HTTP/1.1 403</status><responsedescription>no</responsedescription></response></multistatus>`,
			[]multistatus.Response{{Href: "/a", Status: 403, Description: "no"}, {Href: "/b&c", Status: 403, Description: "no"}}},
		{"9.1.3 propstats", `<D:multistatus xmlns:D="DAV:"><D:response xmlns:R="` + ns + `"><D:href>/file</D:href>
			<D:propstat><D:prop><R:author xml:lang="en"><R:Name>J.J.</R:Name></R:author></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
			<D:propstat><D:prop><R:Random/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>
			<D:error><D:cannot-modify-protected-property/></D:error></D:propstat></D:response></D:multistatus>`,
			[]multistatus.Response{{Href: "/file", Propstat: []multistatus.Propstat{
				{Status: 200, Prop: []multistatus.Property{{XMLName: name(ns, "author"), Lang: "en",
					Attr:     []xml.Attr{{Name: name("xmlns", "R"), Value: ns}},
					InnerXML: []byte("<R:Name>J.J.</R:Name>")}}},
				{Status: 403, Prop: []multistatus.Property{{XMLName: name(ns, "Random")}},
					Error: multistatus.Precondition(multistatus.CannotModifyProtectedProperty)},
			}}}},
		{"16 a condition with hrefs", `<multistatus xmlns="DAV:"><response><href>/c/</href><status>HTTP/1.1 423 Locked</status>
			<error><no-conflicting-lock><href>/c/1</href><href>/c/2</href></no-conflicting-lock></error></response></multistatus>`,
			[]multistatus.Response{{Href: "/c/", Status: 423,
				Error: multistatus.Precondition(multistatus.NoConflictingLock, "/c/1", "/c/2")}}},
		{"17 unknown elements are ignored", `<multistatus xmlns="DAV:" xmlns:x="x:"><x:y/><response><href>/a</href>
			<x:status>HTTP/1.1 200 OK</x:status><location><href>/z</href></location><status>HTTP/1.0 299 Fine</status></response>
			<responsedescription>all</responsedescription></multistatus>`, []multistatus.Response{{Href: "/a", Status: 299}}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got, err := multistatus.Decode(strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, tt.want) {
				t.Errorf("Decode = %+v\nwant     %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeInvalid(t *testing.T) {
	in := func(response string) string {
		return `<multistatus xmlns="DAV:"><response>` + response + `</response></multistatus>`
	}
	const ok = `<status>HTTP/1.1 200 OK</status>`
	propstat := func(s string) string { return in(`<href>/a</href><propstat>` + s + `</propstat>`) }
	for _, tt := range []struct {
		rule, body string
		want       error
	}{
		{"14.16 another root", `<D:multistat xmlns:D="DAV:"/>`, multistatus.ErrInvalid},
		{"14.16 a root in another namespace", `<multistatus xmlns="DAV"/>`, multistatus.ErrInvalid},
		{"14.24 no href", in(ok), multistatus.ErrInvalid},
		{"14.24 an empty href", in(`<href> </href>` + ok), multistatus.ErrInvalid},
		{"14.24 no outcome", in(`<href>/a</href>`), multistatus.ErrInvalid},
		{"14.24 status and propstat", in(`<href>/a</href>` + ok + `<propstat><prop/>` + ok + `</propstat>`), multistatus.ErrInvalid},
		{"14.24 two statuses", in(`<href>/a</href>` + ok + ok), multistatus.ErrInvalid},
		{"14.24 two hrefs for propstats", in(`<href>/a</href><href>/b</href><propstat><prop/>` + ok + `</propstat>`), multistatus.ErrInvalid},
		{"14.22 a propstat without status", propstat(`<prop/>`), multistatus.ErrInvalid},
		{"14.22 a propstat without prop", propstat(ok), multistatus.ErrInvalid},
		{"14.22 a propstat with two props", propstat(`<prop/><prop/>` + ok), multistatus.ErrInvalid},
		{"9.1 a property with two outcomes", in(`<href>/a</href><propstat><prop><x/></prop>` + ok + `</propstat>` +
			`<propstat><prop><x/></prop><status>HTTP/1.1 404 Not Found</status></propstat>`), multistatus.ErrInvalid},
		{"14.28 no status line", in(`<href>/a</href><status>200 OK</status>`), multistatus.ErrInvalid},
		{"14.28 a version without its two digits", in(`<href>/a</href><status>HTTP/2 200 OK</status>`), multistatus.ErrInvalid},
		{"14.28 a status of two digits", in(`<href>/a</href><status>HTTP/1.1 20 OK</status>`), multistatus.ErrInvalid},
		{"14.28 a status that is no number", in(`<href>/a</href><status>HTTP/1.1 2x0 OK</status>`), multistatus.ErrInvalid},
		{"14.5 an empty error", in(`<href>/a</href>` + ok + `<error/>`), multistatus.ErrInvalid},
		{"8.2 a document cut off", `<multistatus xmlns="DAV:"><response>`, davxml.ErrMalformed},
		{"8.2 something after the root", `<multistatus xmlns="DAV:"/>x`, davxml.ErrMalformed},
		{"8.2 no document", "", davxml.ErrEmpty},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got, err := multistatus.Decode(strings.NewReader(tt.body)); !errors.Is(err, tt.want) {
				t.Errorf("Decode = %+v, %v, want error %v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeError(t *testing.T) {
	for _, want := range []*multistatus.Condition{
		multistatus.Precondition(multistatus.PropfindFiniteDepth),
		multistatus.Precondition(multistatus.LockTokenSubmitted, "/locked/", "/x%20y/"),
		{Name: xml.Name{Space: "http://example.com/", Local: "quota"}, Hrefs: []string{"/a&b"}},
	} {
		r := httptest.NewRequest("DELETE", "/", nil)
		rec := httptest.NewRecorder()
		multistatus.RespondError(rec, r, &multistatus.Error{Status: 423, Condition: want})
		got, err := multistatus.DecodeError(rec.Body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("DecodeError = %+v, %v, want %+v", got, err, want)
		}
		r.Header.Set("Accept", "application/problem+json")
		rec = httptest.NewRecorder()
		problem := &multistatus.Error{Status: 423, Condition: want, Description: "\"x\" < y\n"}
		multistatus.RespondError(rec, r, problem)
		if got, err := multistatus.DecodeProblem(rec.Body); err != nil || !reflect.DeepEqual(got, problem) {
			t.Errorf("DecodeProblem = %+v, %v, want %+v", got, err, problem)
		}
	}
	for _, body := range []string{`<error xmlns="DAV:"/>`, `<multistatus xmlns="DAV:"/>`, `<error><a/></error>`} {
		if got, err := multistatus.DecodeError(strings.NewReader(body)); !errors.Is(err, multistatus.ErrInvalid) {
			t.Errorf("DecodeError(%s) = %+v, %v, want ErrInvalid", body, got, err)
		}
	}
}

// FuzzDecode decodes arbitrary bodies. A Writer must write what was decoded so that Decode returns
// the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`<d:multistatus xmlns:d="DAV:"><d:response><d:href>/a</d:href><d:status>HTTP/1.1 423 Locked</d:status>` +
		`<d:error><d:lock-token-submitted><d:href>/a</d:href></d:lock-token-submitted></d:error></d:response></d:multistatus>`))
	f.Add([]byte(`<multistatus xmlns="DAV:" xml:lang="de"><response><href>/a</href><propstat><prop><x xmlns="" a="&quot;">` +
		`<D:y xmlns:D="e:" D:b=" &#13; "/>]]&gt;</x></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`))
	f.Add([]byte(`<a:multistatus xmlns:a="DAV:"><a:response><a:href>&#x85;</a:href><a:href>/b</a:href><a:status>HTTP/1.1 507 x` +
		`</a:status><a:error><z xmlns="&lt;"/></a:error><a:responsedescription> x </a:responsedescription></a:response></a:multistatus>`))
	files, err := filepath.Glob("../../integration/rfc4918/testdata/clients/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no answers to clients: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if _, body, ok := bytes.Cut(section.Data, []byte("\n\n")); ok && section.Name == "response" {
				f.Add(body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := multistatus.Decode(bytes.NewReader(body))
		if err != nil {
			if first != nil {
				t.Errorf("responses %+v beside the error %v", first, err)
			}
			if !errors.Is(err, multistatus.ErrInvalid) && !errors.Is(err, davxml.ErrMalformed) &&
				!errors.Is(err, davxml.ErrEmpty) && !errors.Is(err, davxml.ErrCharset) {
				t.Errorf("error of an unknown kind: %v", err)
			}
			return
		}
		if len(first) == 0 {
			return // a Writer sends nothing without a Response
		}
		checkRoundTrip(t, first)
	})
}

// checkRoundTrip writes responses in both formats, and checks that each is decoded to the same.
func checkRoundTrip(t *testing.T, responses []multistatus.Response) {
	t.Helper()
	for format, decode := range map[multistatus.Format]func(io.Reader) ([]multistatus.Response, error){
		multistatus.XML: multistatus.Decode, multistatus.JSON: multistatus.DecodeJSON} {
		written := write(t, responses, format)
		if !utf8.Valid(written) || format == multistatus.JSON && !json.Valid(written) {
			t.Errorf("invalid: %q", written)
		}
		again, err := decode(bytes.NewReader(written))
		if err != nil {
			t.Fatalf("%v\n via %s", err, written)
		}
		// Prefixes may differ.
		got, gotErr := xmltest.Canonical(write(t, withoutUnused(again), multistatus.XML))
		want, wantErr := xmltest.Canonical(write(t, withoutUnused(responses), multistatus.XML))
		if got != want || gotErr != nil || wantErr != nil {
			t.Errorf("round trip: %v, %v\n got %s\nwant %s\n via %s", gotErr, wantErr, got, want, written)
		}
	}
}

// withoutUnused removes the namespace declarations of properties that are only text, which JSON does
// not have. It changes the responses.
func withoutUnused(responses []multistatus.Response) []multistatus.Response {
	for _, r := range responses {
		for _, ps := range r.Propstat {
			for i := range ps.Prop {
				p := &ps.Prop[i]
				if !bytes.Contains(p.InnerXML, []byte("<")) && !slices.ContainsFunc(p.Attr, func(a xml.Attr) bool { return a.Name.Space != "xmlns" }) {
					p.Attr = nil
				}
			}
		}
	}
	return responses
}

func write(t *testing.T, responses []multistatus.Response, format multistatus.Format) []byte {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("PROPFIND", "/", nil)
	if format == multistatus.JSON {
		r.Header.Set("Accept", "application/json")
	}
	w := multistatus.NewWriter(rec, r)
	for i := range responses {
		if err := w.Write(&responses[i]); err != nil {
			t.Fatalf("Write of a decoded response: %v\n%+v", err, responses[i])
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return rec.Body.Bytes()
}

// equal is reflect.DeepEqual that treats empty slices as nil.
func equal(a, b []multistatus.Response) bool {
	return reflect.DeepEqual(normalize(a), normalize(b))
}

func normalize(in []multistatus.Response) []multistatus.Response {
	out := append([]multistatus.Response{}, in...)
	for i := range out {
		out[i].Propstat = append([]multistatus.Propstat{}, out[i].Propstat...)
		for j := range out[i].Propstat {
			ps := &out[i].Propstat[j]
			ps.Prop = append([]multistatus.Property{}, ps.Prop...)
			for k := range ps.Prop {
				if len(ps.Prop[k].InnerXML) == 0 {
					ps.Prop[k].InnerXML = nil
				}
				if len(ps.Prop[k].Attr) == 0 {
					ps.Prop[k].Attr = nil
				}
			}
		}
	}
	return out
}
