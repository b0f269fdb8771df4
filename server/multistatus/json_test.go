package multistatus

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"dav207/server/multistatus/schematest"
)

// inJSON is a request whose client prefers JSON.
var inJSON = &http.Request{Method: "PROPFIND", Header: http.Header{"Accept": {"application/json"}}}

// RFC 9110 §12.4.2, §12.5.1. XML is for everybody who does not prefer JSON.
func TestFormatFor(t *testing.T) {
	for _, tt := range []struct {
		rule           string
		accept         []string
		whole, problem Format
	}{
		{"no Accept", nil, XML, XML},
		{"an empty one", []string{""}, XML, XML},
		{"anything", []string{"*/*"}, XML, XML},
		{"anything of the type", []string{"application/*"}, XML, XML},
		{"JSON alone", []string{"application/json"}, JSON, JSON},
		{"types are case-insensitive", []string{"Application/JSON"}, JSON, JSON},
		{"problems alone", []string{"application/problem+json"}, XML, JSON},
		{"XML alone", []string{"application/xml"}, XML, XML},
		{"as good as XML", []string{"application/json, application/xml"}, XML, XML},
		{"as good as anything", []string{"application/json, text/plain, */*"}, XML, XML},
		{"better than anything", []string{"application/json, */*;q=0.1"}, JSON, JSON},
		{"better than text/xml", []string{"application/json;q=0.5,text/xml;q=0.4"}, JSON, JSON},
		{"worse than text/xml", []string{"application/json;q=0.5,text/xml;q=0.501"}, XML, XML},
		{"as good as any text", []string{"application/json, text/*"}, XML, XML},
		{"refused", []string{"application/json;q=0"}, XML, XML},
		{"problems refused", []string{"application/problem+json;q=0, application/json"}, JSON, JSON},
		{"the most specific counts", []string{"application/*;q=1, application/xml;q=0.1, text/xml;q=0.1"}, JSON, JSON},
		{"the most specific counts, in any order", []string{"application/json;q=0.1, application/*;q=0.2, */*"}, XML, XML},
		{"several lines", []string{"application/xml;q=0.1", "application/json"}, JSON, JSON},
		{"white space", []string{" application/json ; Q=0.9 ,\ttext/xml ;q=0.8"}, JSON, JSON},
		{"parameters of JSON", []string{`application/json;a=",;q=0";q=0.9;b=c, application/xml;q=0.8`}, JSON, JSON},
		{"empty elements", []string{",, application/json ,"}, JSON, JSON},
		{"weights of any length up to three digits", []string{"application/json;q=1.000,application/xml;q=0.999"}, JSON, JSON},
		{"a weight above one", []string{"application/json;q=1.001"}, XML, XML},
		{"a weight with four digits", []string{"application/json;q=0.1234"}, XML, XML},
		{"a weight without a digit", []string{"application/json;q=.5"}, XML, XML},
		{"a weight that is none", []string{"application/json;q=high"}, XML, XML},
		{"an empty weight", []string{"application/json;q="}, XML, XML},
		{"a longer type", []string{"application/jsonp, application/json-seq"}, XML, XML},
		{"a quoted string without its end", []string{`application/xml;q=0.1;a="x, application/json`}, XML, XML},
	} {
		h := http.Header{"Accept": tt.accept}
		if got := FormatFor(h); got != tt.whole {
			t.Errorf("%s: FormatFor(%q) = %d, want %d", tt.rule, tt.accept, got, tt.whole)
		}
		if got := ErrorFormatFor(h); got != tt.problem {
			t.Errorf("%s: ErrorFormatFor(%q) = %d, want %d", tt.rule, tt.accept, got, tt.problem)
		}
	}
}

// FuzzFormatFor reads any Accept. Who does not name JSON, and nothing that excludes XML, gets XML;
// one range more for XML, with the greatest quality, gives XML; for JSON, with XML refused, JSON.
func FuzzFormatFor(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json", "application/json;q=0.5, */*;q=0.1", `a/b;c="d\",e";q=1, text/*`, "application/json;q=0.1;q=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		whole, problem := FormatFor(http.Header{"Accept": {accept}}), ErrorFormatFor(http.Header{"Accept": {accept}})
		if whole == JSON && problem == XML {
			t.Errorf("%q: JSON for a 207, XML for an error", accept)
		}
		if lower := strings.ToLower(accept); whole == JSON && !strings.Contains(lower, "json") && !strings.Contains(lower, "*") {
			t.Errorf("%q names no JSON", accept)
		}
		if q := quality([]string{accept}, ContentTypeJSON); q < 0 || q > 1000 {
			t.Errorf("%q: quality %d", accept, q)
		}
		if FormatFor(http.Header{"Accept": {accept, "text/xml, application/xml"}}) != XML {
			t.Errorf("%q and XML: got JSON", accept)
		}
		if !strings.Contains(strings.ToLower(accept), "xml") && FormatFor(http.Header{"Accept": {accept, "application/json", "application/xml;q=0, text/xml;q=0"}}) != JSON {
			t.Errorf("%q, JSON and no XML: got XML", accept)
		}
	})
}

func TestWriterJSON(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Vary", "Origin")
	w := NewWriter(rec, inJSON)
	name := func(space, local string) xml.Name { return xml.Name{Space: space, Local: local} }
	for _, r := range []Response{
		{Href: "/a&b", Status: 423, Error: Precondition(LockTokenSubmitted, "/a&b", "/c"), Description: "x < \"y\"\x01\xff\\"},
		{Href: "/c/", Propstat: []Propstat{
			{Status: 200, Prop: []Property{
				{XMLName: name("DAV:", "resourcetype"), InnerXML: []byte("<D:collection/>")},
				{XMLName: name("DAV:", "getetag"), InnerXML: []byte(`"1"`)},
				{XMLName: name("", "none")},
				{XMLName: name(`urn:"{}`, "odd"), Lang: `"`, InnerXML: []byte("v")},
				{XMLName: name("u:", "text"), Attr: []xml.Attr{{Name: name("xmlns", "xs"), Value: "s"}},
					InnerXML: []byte("&lt;&amp;&#xD;&#65;&quot;&apos;]]&gt;\r\n\r\t\u00e9\xff&unknown;&#xD800;&")},
				{XMLName: name("u:", "spoken"), Lang: "de", InnerXML: []byte("<b>\"</b>")},
				{XMLName: name("u:", "attr"), Attr: []xml.Attr{{Name: name("", "a"), Value: "\n"}}},
				{XMLName: name("u:", "in"), InnerXML: []byte(`<D:href>\</D:href>`)},
			}},
			{Status: 507, Error: Precondition(QuotaNotExceeded), Description: "full", Prop: []Property{{XMLName: name("DAV:", "big")}}},
		}},
	} {
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `{"responses":[
{"href":"/a&b","status":423,"error":{"condition":"lock-token-submitted","hrefs":["/a&b","/c"]},"description":"x < \"y\"\u0001` + "\uFFFD" + `\\"},
{"href":"/c/","propstats":[{"status":200,"properties":{` +
		`"resourcetype":{"xml":"<D:resourcetype xmlns:D=\"DAV:\"><D:collection/></D:resourcetype>"},` +
		`"getetag":"\"1\"","{}none":"","{urn:\"{}}odd":{"text":"v","lang":"\""},` +
		`"{u:}text":"<&\rA\"']]>\n\n\t` + "\u00e9\uFFFD" + `&unknown;&#xD800;&",` +
		`"{u:}spoken":{"xml":"<ns:spoken xmlns:ns=\"u:\" xml:lang=\"de\"><b>\"</b></ns:spoken>","lang":"de"},` +
		`"{u:}attr":{"xml":"<ns:attr xmlns:ns=\"u:\" a=\"&#xA;\"/>"},` +
		`"{u:}in":{"xml":"<ns:in xmlns:ns=\"u:\" xmlns:D=\"DAV:\"><D:href>\\</D:href></ns:in>"}}},` +
		`{"status":507,"properties":{"big":""},"error":{"condition":"quota-not-exceeded"},"description":"full"}]}
]}
`
	if got := rec.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	checkSchema(t, rec.Body.Bytes())
	h := rec.Header()
	if rec.Code != 207 || h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != fmt.Sprint(len(want)) ||
		h.Get("Vary") != "Origin, Accept" || h.Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, header %v", rec.Code, h)
	}
}

func checkSchema(t *testing.T, body []byte) {
	t.Helper()
	s, err := schematest.Read("multistatus.schema.json", "#")
	if err == nil {
		err = s.Check(body)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, body)
	}
}

// The schema refuses what no answer may be.
func TestSchema(t *testing.T) {
	s, err := schematest.Read("multistatus.schema.json", "#")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{}`, `[]`, `{"responses":[{"href":"/"}]}`, `{"responses":[{"status":200}]}`, `{"responses":[{"href":"","status":200}]}`,
		`{"responses":[{"href":"/","status":200,"propstats":[{"status":200,"properties":{}}]}]}`, `{"responses":[{"href":"/","status":"200"}]}`,
		`{"responses":[{"href":"/","status":20}]}`, `{"responses":[{"href":"/","propstats":[]}]}`, `{"responses":[{"href":"/","status":200,"x":1}]}`,
		`{"responses":[{"href":"/","propstats":[{"status":200}]}]}`, `{"responses":[{"href":"/","propstats":[{"status":200,"properties":{"a":1}}]}]}`,
		`{"responses":[{"href":"/","propstats":[{"status":200,"properties":{"{a":""}}]}]}`,
		`{"responses":[{"href":"/","propstats":[{"status":200,"properties":{"a":{"text":""}}}]}]}`,
		`{"responses":[{"href":"/","status":423,"error":{"hrefs":["/"]}}]}`} {
		if s.Check([]byte(body)) == nil {
			t.Errorf("the schema accepts %s", body)
		}
	}
}

// Vary is merged with that of other handlers (RFC 9110 §12.5.5), and Cache-Control is theirs.
func TestHeadersOfOthers(t *testing.T) {
	for _, tt := range []struct {
		vary []string
		want string
	}{{nil, "Accept"}, {[]string{"Origin"}, "Origin, Accept"}, {[]string{"Origin", "Cookie"}, "Origin, Cookie, Accept"},
		{[]string{"accept , Origin"}, "accept , Origin"}, {[]string{"*"}, "*"}, {[]string{"Accept-Encoding"}, "Accept-Encoding, Accept"}} {
		rec := httptest.NewRecorder()
		rec.Header()["Vary"] = tt.vary
		rec.Header().Set("Cache-Control", "private, max-age=60")
		w := NewWriter(rec, request)
		w.Begin()
		if err := w.Close(); err != nil || strings.Join(rec.Header()["Vary"], "|") != tt.want || rec.Header().Get("Cache-Control") != "private, max-age=60" {
			t.Errorf("%v, header %v, want Vary %s", err, rec.Header(), tt.want)
		}
	}
}

// A document stays JSON whatever is sent between the responses, and one that is cut is none.
func TestWriterJSONKeepAlive(t *testing.T) {
	for responses := range 4 {
		rec := httptest.NewRecorder()
		w := NewWriter(rec, inJSON)
		w.Begin()
		for range responses {
			w.KeepAlive()
			w.KeepAlive()
			w.Write(&Response{Href: "/", Status: 404})
			w.KeepAlive()
			if json.Valid(rec.Body.Bytes()) {
				t.Errorf("looks whole: %s", rec.Body)
			}
		}
		if err := w.Close(); err != nil || !json.Valid(rec.Body.Bytes()) || strings.Count(rec.Body.String(), "404") != responses {
			t.Errorf("%v: %s", err, rec.Body)
		}
		checkSchema(t, rec.Body.Bytes())
	}
}

// The counts include what was sent last, through any number of wrappers.
func TestCountMembers(t *testing.T) {
	outer := &counter{ResponseWriter: httptest.NewRecorder()}
	inner := &counter{ResponseWriter: wrapper{outer}}
	w := NewWriter(inner, request)
	w.Write(&Response{Href: "/dropped", Status: 500})
	w.Discard()
	if inner.calls != 0 {
		t.Error("counted before anything was sent")
	}
	for _, status := range []int{200, 404, 507, 302, 404} {
		w.Write(&Response{Href: "/", Status: status})
	}
	w.WriteFunc(func(b []byte) []byte { return append(b, '/') }, func(b []byte) ([]byte, int, error) {
		return XML.AppendPropstatEnd(XML.AppendPropstatStart(b, 403), 403, nil, ""), 403, nil
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*counter{outer, inner} {
		if c.members.Total != 6 || c.members.Failed != 4 {
			t.Errorf("members, failed = %d, %d, want 6, 4", c.members.Total, c.members.Failed)
		}
		if got, want := maps.Collect(c.members.Statuses()), map[int]int{200: 1, 302: 1, 403: 1, 404: 2, 507: 1}; !maps.Equal(got, want) {
			t.Errorf("statuses = %v, want %v", got, want)
		}
	}
}

// The counts that a counter has got do not change while more is written.
func TestCountMembersLater(t *testing.T) {
	c := &counter{ResponseWriter: httptest.NewRecorder()}
	w := NewWriter(c, request)
	w.Write(&Response{Href: "/", Status: 200})
	w.KeepAlive()
	w.Write(&Response{Href: "/", Status: 200})
	if got := maps.Collect(c.members.Statuses()); c.members.Total != 1 || got[200] != 1 {
		t.Errorf("after the first send: %d, %v, want 1 of 200", c.members.Total, got)
	}
}

func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		rule      string
		status    int
		propstats []int
		want      int
	}{
		{"RFC 4918 §14.24 a status", 423, nil, 423},
		{"§9.1 a property that is missing is no failure", 0, []int{200, 404}, 200},
		{"§9.1 not even if there is no other", 0, []int{404}, 200},
		{"§9.1 the first that failed", 0, []int{200, 403, 404, 507}, 403},
		{"§9.2 a failed dependency is not the cause", 0, []int{424, 409}, 409},
		{"§9.2 unless it is all that failed", 0, []int{200, 424}, 424},
		{"nothing", 0, nil, 200},
	} {
		r := &Response{Status: tt.status}
		for _, s := range tt.propstats {
			r.Propstat = append(r.Propstat, Propstat{Status: s})
		}
		if got := r.Outcome(); got != tt.want {
			t.Errorf("%s: outcome = %d, want %d", tt.rule, got, tt.want)
		}
	}
}

type counter struct {
	http.ResponseWriter
	members Members
	calls   int
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
func (c *counter) CountMembers(m Members)      { c.members, c.calls = m, c.calls+1 }

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// RFC 9457: type and title are those of the condition and of the status.
func TestRespondError(t *testing.T) {
	for _, tt := range []struct {
		err  *Error
		want string
	}{
		{&Error{Status: 404}, `{"type":"about:blank","title":"Not Found","status":404}`},
		{&Error{Status: 599, Description: "no \"name\""}, `{"type":"about:blank","status":599,"detail":"no \"name\""}`},
		{&Error{Status: 423, Condition: Precondition(LockTokenSubmitted, "/c/3")},
			`{"type":"DAV:lock-token-submitted","title":"Locked","status":423,"condition":"lock-token-submitted","hrefs":["/c/3"]}`},
		{&Error{Status: 403, Condition: &Condition{Name: xml.Name{Space: "u:", Local: "c"}}},
			`{"type":"about:blank","title":"Forbidden","status":403,"condition":"{u:}c"}`},
	} {
		rec := httptest.NewRecorder()
		tt.err.Header = http.Header{"Retry-After": {"3"}}
		RespondError(rec, inJSON, tt.err)
		if got := rec.Body.String(); got != tt.want+"\n" || rec.Code != tt.err.Status || rec.Header().Get("Retry-After") != "3" {
			t.Errorf("%d %s, want %d %s\n%v", rec.Code, got, tt.err.Status, tt.want, rec.Header())
		}
	}
}

func TestDecodeJSONInvalid(t *testing.T) {
	in := func(response string) string { return `{"responses":[{` + response + `}]}` }
	propstat := func(s string) string { return in(`"href":"/a","propstats":[{` + s + `}]`) }
	property := func(s string) string { return propstat(`"status":200,"properties":{` + s + `}`) }
	for _, tt := range []struct{ rule, body string }{
		{"no document", ``},
		{"another document", `[]`},
		{"no responses", `{}`},
		{"no array", `{"responses":{}}`},
		{"null", `{"responses":null}`},
		{"a document cut off", `{"responses":[{"href":"/a","status":404}`},
		{"something after it", in(`"href":"/a","status":404`) + `x`},
		{"another document after it", in(`"href":"/a","status":404`) + `{}`},
		{"14.24 no href", in(`"status":404`)},
		{"14.24 an empty href", in(`"href":" ","status":404`)},
		{"14.24 an href that is none", in(`"href":null,"status":404`)},
		{"14.24 no outcome", in(`"href":"/a"`)},
		{"14.24 no propstat", in(`"href":"/a","propstats":[]`)},
		{"14.24 status and propstats", in(`"href":"/a","status":200,"propstats":[{"status":200,"properties":{}}]`)},
		{"14.24 two statuses", in(`"href":"/a","status":200,"status":200`)},
		{"14.28 a status as text", in(`"href":"/a","status":"200"`)},
		{"14.28 a status of two digits", in(`"href":"/a","status":20`)},
		{"14.28 a status with a fraction", in(`"href":"/a","status":200.5`)},
		{"14.22 no status", propstat(`"properties":{}`)},
		{"14.22 no properties", propstat(`"status":200`)},
		{"9.1 a property twice", property(`"a":"","a":""`)},
		{"9.1 a property with two outcomes", in(`"href":"/a","propstats":[{"status":200,"properties":{"a":""}},{"status":404,"properties":{"a":""}}]`)},
		{"a name that is none", property(`"{a":""`)},
		{"an empty name", property(`"":""`)},
		{"a number", property(`"a":1`)},
		{"null for a property", property(`"a":null`)},
		{"an object without content", property(`"a":{"lang":"de"}`)},
		{"text and XML", property(`"a":{"text":"","xml":"<a/>"}`)},
		{"malformed XML", property(`"a":{"xml":"<a>"}`)},
		{"another element", property(`"a":{"xml":"<b xmlns='DAV:'/>"}`)},
		{"14.5 an empty error", in(`"href":"/a","status":404,"error":{}`)},
		{"14.5 an empty href", in(`"href":"/a","status":404,"error":{"condition":"x","hrefs":[""]}`)},
	} {
		if got, err := DecodeJSON(strings.NewReader(tt.body)); !errors.Is(err, ErrInvalid) || got != nil {
			t.Errorf("%s: DecodeJSON(%s) = %+v, %v, want ErrInvalid", tt.rule, tt.body, got, err)
		}
	}
	broken := io.MultiReader(strings.NewReader(`{"responses":[`), resetReader{})
	if _, err := DecodeJSON(broken); !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, ErrInvalid) {
		t.Errorf("error of the reader = %v", err)
	}
	for _, body := range []string{`{"status":"x"}`, `{"condition":"{a"}`, `[]`, ``, `{"status":404`} {
		if got, err := DecodeProblem(strings.NewReader(body)); !errors.Is(err, ErrInvalid) {
			t.Errorf("DecodeProblem(%s) = %+v, %v, want ErrInvalid", body, got, err)
		}
	}
	unknown := in(`"x":{"y":[1]},"href":"/a","status":404`)
	if got, err := DecodeJSON(strings.NewReader(unknown)); err != nil || len(got) != 1 {
		t.Errorf("DecodeJSON(%s) = %+v, %v", unknown, got, err)
	}
}

type resetReader struct{}

func (resetReader) Read([]byte) (int, error) { return 0, syscall.ECONNRESET }

// FuzzDecodeJSON decodes arbitrary bodies. What was decoded is written so that it is decoded to the
// same.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"responses":[{"href":"/a","status":423,"error":{"condition":"{u:}x","hrefs":["/b"]},"description":"\u0001"}]}`))
	f.Add([]byte(`{"responses":[{"href":"/a","propstats":[{"status":200,"properties":{"a":"<","{}b":{"text":"x","lang":"de"},` +
		`"c":{"xml":"<c xmlns='DAV:' a='1'><b/></c>"}}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := DecodeJSON(bytes.NewReader(body))
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error of an unknown kind: %v", err)
			}
			return
		}
		write := func(responses []Response) []byte {
			rec := httptest.NewRecorder()
			w := NewWriter(rec, inJSON)
			w.Begin()
			for i := range responses {
				if err := w.Write(&responses[i]); err != nil {
					t.Fatalf("%v: %+v", err, responses[i])
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return rec.Body.Bytes()
		}
		written := write(first)
		if !utf8.Valid(written) {
			t.Errorf("no UTF-8: %q", written)
		}
		checkSchema(t, written)
		again, err := DecodeJSON(bytes.NewReader(written))
		if err != nil || !bytes.Equal(write(again), written) {
			t.Errorf("%v\nfrom %s\nto   %s", err, written, write(again))
		}
	})
}

func BenchmarkWriterJSON(b *testing.B) { benchmarkWriter(b, inJSON) }
