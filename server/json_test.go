package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"dav207/server/davtest"
	"dav207/server/multistatus"
	"dav207/server/multistatus/schematest"
)

// Every method's 207 and errors are the same in JSON as in XML, and conform to the schema.
func TestJSON(t *testing.T) {
	schemas := map[string]*schematest.Schema{}
	for contentType, ref := range map[string]string{multistatus.ContentTypeJSON: "#", multistatus.ContentTypeProblem: "#/$defs/problem"} {
		s, err := schematest.Read("multistatus/multistatus.schema.json", ref)
		if err != nil {
			t.Fatal(err)
		}
		schemas[contentType] = s
	}
	const patch = `<D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z"><D:set><D:prop>` +
		`<z:text>1 &lt; "2" \ &#x1F600;</z:text><z:spoken xml:lang="de">Ä</z:spoken><z:element a="b"><D:href>/x</D:href>` +
		"</z:element><z:empty/><z:lines>a\n&#13;\tb</z:lines></D:prop></D:set></D:propertyupdate>"
	const refused = `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x:">1</a><getetag>x</getetag></prop></set></propertyupdate>`
	const named = `<propfind xmlns="DAV:"><prop><getetag/><resourcetype/><getcontentlength/><x xmlns="urn:}z{"/><text xmlns="urn:z"/><y xmlns=""/></prop></propfind>`
	const lockinfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner><href>"me"</href></owner></lockinfo>`
	for _, tt := range []struct {
		method, name, body, headers string
		want                        string // what the answer is in both formats; "" for any 207
	}{
		{"PROPFIND", "/", "", "Depth: infinity", ""},
		{"PROPFIND", "/c", named, "Depth: 1", ""},
		{"PROPFIND", "/c", `<propfind xmlns="DAV:"><propname/></propfind>`, "Depth: 1", ""},
		{"PROPFIND", "/c", `<propfind xmlns="DAV:"><prop><lockdiscovery/><supportedlock/></prop></propfind>`, "Depth: 1", ""},
		{"PROPFIND", "/empty/", "", "Depth: 1,noroot", "207"},
		{"PROPFIND", "/unreadable/", `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth: 1",
			"207 /unreadable/=404[getetag] /unreadable/x=403[getetag] /unreadable/y=200[getetag]"},
		{"PROPFIND", "/missing", "", "", "404"},
		{"PROPFIND", "/c", "<propfind", "", "400"},
		{"PROPFIND", "/c", "", "Depth: 2", "400"},
		{"PROPPATCH", "/c/1", refused, "", "207 /c/1=424[a]403[getetag] cannot-modify-protected-property"},
		{"PROPPATCH", "/locked", patch, "", "423 lock-token-submitted(/locked)"},
		{"DELETE", "/c/", "", "", "207 /c/2=403"},
		{"DELETE", "/full/", "", "", "207 /full/x=507 sufficient-disk-space"},
		{"COPY", "/unreadable/", "", "Destination: /copy", "207 /unreadable/x=403"},
		{"MOVE", "/c/", "", "Destination: /d/", "207 /c/2=403"},
		{"MOVE", "/c/", "", "Destination: http://elsewhere.example/", "502"},
		{"COPY", "/c/1", "", "Destination: /no/where", "409"},
		{"LOCK", "/", lockinfo, "Depth: infinity", "207 /locked=423 no-conflicting-lock(/locked) /=424"},
		{"LOCK", "/locked", lockinfo, "", "423 no-conflicting-lock(/locked)"},
		{"LOCK", "/c/1", "", "", "400"},
		{"UNLOCK", "/locked", "", "Lock-Token: <urn:x>", "409 lock-token-matches-request-uri"},
		{"PUT", "/locked", "x", "", "423 lock-token-submitted(/locked)"},
		{"PUT", "/c/1", "x", "If-Match: \"no\"", "412"},
		{"MKCOL", "/c", "", "", "405"},
		{"GET", "/missing", "", "", "404"},
		{"HEAD", "/missing", "", "", "404"},
		{"GET", "/c/1", "", "Range: bytes=9-", "416"},
		{"POST", "/c/1", "x", "", "405"},
		{"SEARCH", "/c/1", "", "", "501"},
	} {
		t.Run(tt.method+" "+tt.name+" "+tt.want, func(t *testing.T) {
			srv := davtest.New(t, &davtest.Options{Lenient: true, Tree: "-- /c/1 --\n1\n-- /c/2 --\n-- /d/old --\n-- /empty/ --\n" +
				"-- /full/x --\n-- /locked --\n-- /unreadable/x --\n-- /unreadable/y --\n"})
			prepare := func() {
				srv.Send("PROPPATCH", "/c/1", patch)
				srv.Lock("/locked")
				srv.Fail("DELETE,MOVE", "/c/2", 403)
				srv.Fail("DELETE", "/full/x", 507).Condition(multistatus.SufficientDiskSpace)
				srv.Fail("PROPFIND,COPY", "/unreadable/x", 403)
			}
			prepare()
			headers := strings.Fields(strings.ReplaceAll(tt.headers, ": ", ":"))
			for i, h := range headers {
				headers[i] = strings.Replace(h, "Destination:/", "Destination:"+srv.URL+"/", 1)
			}
			inXML := srv.Send(tt.method, tt.name, tt.body, headers...)
			if inXML.StatusCode < 400 && tt.method != "PROPFIND" {
				srv.Reset()
				prepare()
			}
			inJSON := srv.Send(tt.method, tt.name, tt.body, append(headers, "Accept: application/json, */*;q=0.1")...)
			if got, want := inJSON.String(), inXML.String(); got != want || tt.want != "" && got != tt.want {
				t.Errorf("in JSON %s\nin XML  %s\nwant    %s\n%s", got, want, tt.want, inJSON.Body)
			}
			checkHeaders(t, inXML.Header, "")
			contentType := multistatus.ContentTypeProblem
			if inXML.StatusCode == http.StatusMultiStatus {
				contentType = multistatus.ContentTypeJSON
				sameProperties(t, inXML, inJSON)
			}
			checkHeaders(t, inJSON.Header, contentType)
			if tt.method == "HEAD" {
				return
			}
			if !utf8.Valid(inJSON.Body) || !json.Valid(inJSON.Body) {
				t.Errorf("not JSON: %q", inJSON.Body)
			}
			if err := schemas[contentType].Check(inJSON.Body); err != nil {
				t.Errorf("%v\n%s", err, inJSON.Body)
			}
		})
	}
}

// checkHeaders checks what caches read (RFC 9110 §12.5.5, RFC 9111 §5.2.2.4). contentType may be
// "".
func checkHeaders(t *testing.T, h http.Header, contentType string) {
	t.Helper()
	if vary := h.Values("Vary"); len(vary) != 1 || vary[0] != "Accept" || h.Get("Cache-Control") != "no-cache" {
		t.Errorf("Vary, Cache-Control = %q, %q, want Accept, no-cache", vary, h.Get("Cache-Control"))
	}
	if got := h.Get("Content-Type"); contentType != "" && got != contentType {
		t.Errorf("Content-Type = %s, want %s", got, contentType)
	}
}

// sameProperties checks that two answers have the same properties with the same values.
func sameProperties(t *testing.T, a, b *davtest.Response) {
	t.Helper()
	text := func(r *davtest.Response) string {
		var out []byte
		for _, response := range r.Responses {
			for _, ps := range response.Propstat {
				for i := range ps.Prop {
					p := &ps.Prop[i]
					if !bytes.Contains(p.InnerXML, []byte("<")) && len(p.Attr) > 0 && p.Attr[0].Name.Space == "xmlns" {
						p.Attr = nil
					}
					var err error
					if out, err = multistatus.AppendProperty(append(out, '\n'), p); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		return string(out)
	}
	if a, b := text(a), text(b); a != b {
		t.Errorf("in XML%s\nin JSON%s", a, b)
	}
}
