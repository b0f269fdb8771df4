package multistatus_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"dav207/server/davxml"
	"dav207/server/multistatus"
)

// summary returns a report in few words.
func summary(r *multistatus.Report) string {
	var b strings.Builder
	b.WriteString(string(r.Kind))
	for i := range r.Members {
		m := &r.Members[i]
		fmt.Fprintf(&b, " %s=%d", m.Name(), m.Status)
		for _, ps := range m.Propstat {
			fmt.Fprintf(&b, "/%d", ps.Status)
			for j := range ps.Prop {
				fmt.Fprintf(&b, " %s(%s)", multistatus.NameString(ps.Prop[j].XMLName), ps.Prop[j].Text())
			}
		}
		if m.Error != nil {
			fmt.Fprintf(&b, " %s%v", multistatus.NameString(m.Error.Name), m.Error.Hrefs)
		}
		if m.Description != "" {
			fmt.Fprintf(&b, " %q", m.Description)
		}
	}
	if r.Condition != nil {
		fmt.Fprintf(&b, " %s%v", multistatus.NameString(r.Condition.Name), r.Condition.Hrefs)
	}
	if r.Description != "" {
		fmt.Fprintf(&b, " %q", r.Description)
	}
	for _, f := range r.Findings {
		b.WriteString(" !" + f.Name)
	}
	return b.String()
}

// TestInspect: what is wrong does not keep the rest from being read.
func TestInspect(t *testing.T) {
	in := func(s string) string {
		return `<multistatus xmlns="DAV:">` + s + `<response><href>/z</href><status>HTTP/1.1 403 Forbidden</status></response></multistatus>`
	}
	const ok = `<status>HTTP/1.1 200 OK</status>`
	for _, tt := range []struct{ what, body, want string }{
		{"nothing", " \r\n", "empty"},
		{"HTML", "<html><body>It works!</body></html>", "other"},
		{"text", "403 Forbidden", "other"},
		{"an XML file", `<feed xmlns="http://www.w3.org/2005/Atom"/>`, "other"},
		{"the answer to LOCK", `<prop xmlns="DAV:"><lockdiscovery/></prop>`, "other"},
		{"14.16 empty", `<multistatus xmlns="DAV:"/>`, "multistatus"},
		{"14.16 a description", `<multistatus xmlns="DAV:"><responsedescription>x</responsedescription></multistatus>`, `multistatus "x"`},
		{"14.28 the status that is meant", in(`<response><href>/a</href><status>HTTP/2 423</status></response><response><href>/b</href>` +
			`<status>404 Not Found</status></response><response><href>/c</href><status>Locked</status></response>`),
			"multistatus /a=423 /b=404 /c=0 /z=403 !status-line !status-line !status-line"},
		{"14.24 several hrefs", in(`<response><href>/a</href><href>/b</href><status>HTTP/1.1 423 Locked</status></response>`), "multistatus /a=423 /b=423 /z=403"},
		{"14.24 no href", in(`<response>` + ok + `</response>`), "multistatus =200 /z=403 !no-href"},
		{"14.24 both", in(`<response><href>/a</href>` + ok + `<propstat><prop><x/></prop>` + ok + `</propstat></response>`), "multistatus /a=200/200 x() /z=403 !outcome"},
		{"14.5 conditions", in(`<response><href>/a</href><status>HTTP/1.1 423 Locked</status><error><lock-token-submitted><href>/</href></lock-token-submitted></error></response>`),
			"multistatus /a=423 lock-token-submitted[/] /z=403"},
		{"8.2 cut in the second response", `<multistatus xmlns="DAV:"><response><href>/a</href>` + ok + `</response><response><href>/b`, "multistatus /a=200 !well-formed"},
		{"8.2 a & in the first response", in(`<response><href>/a?x&y</href>` + ok + `</response>`), "multistatus /a?x&y=200 /z=403 !well-formed"},
		{"8.2 a prefix that is not declared", in(`<response><href>/a</href>` + ok + `<x:y/></response>`), "multistatus /a=200 /z=403 !well-formed"},
		{"8.2 the prefixes of lighttpd 1.4.69", `<D:multistatus xmlns:D="DAV:"><D:response><D:href>/a</D:href><D:propstat><D:prop><x/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>` +
			`<D:error><DAV:cannot-modify-protected-property/></D:error></D:propstat></D:response></D:multistatus>`, "multistatus /a=0/403 {}x() !well-formed"},
		{"8.2 an error of lighttpd 1.4.69", `<D:error><DAV:propfind-finite-depth/></D:error>`, "error propfind-finite-depth[] !well-formed"},
		{"14.16 another namespace", `<multistatus xmlns="DAV"><response><href>/a</href>` + ok + `</response></multistatus>`, "multistatus /a=200 !document"},
		{"14.5 an error", `<D:error xmlns:D="DAV:"><D:need-privileges/></D:error>`, "error need-privileges[]"},
		{"a list", `{"responses":[{"href":"/a","status":423,"error":{"condition":"{urn:x}y","hrefs":["/b"]},"description":"d"}]}`, `multistatus /a=423 {urn:x}y[/b] "d"`},
		{"properties", `{"responses":[{"href":"/","propstats":[{"status":200,"properties":{"z":"1 < 2","{a}b":{"text":"t","lang":"en"},"n":5,
			"resourcetype":{"xml":"<D:resourcetype xmlns:D=\"DAV:\"><D:collection/></D:resourcetype>"}}}]}]}`,
			"multistatus /=0/200 z(1 < 2) {a}b(t) n(5) resourcetype(<D:collection/>) !json-value"},
		{"a property that is not what it says", `{"responses":[{"href":"/","propstats":[{"status":200,"properties":{"a":{"xml":"<b/>"}}}]}]}`,
			"multistatus /=0/200 a(<b/>) !well-formed"},
		{"JSON that is cut", `{"responses":[{"href":"/a","status":200},{"href":"/b","sta`, "multistatus /a=200 !json"},
		{"a problem", `{"type":"about:blank","title":"Locked","status":423,"detail":"d","condition":"lock-token-submitted","hrefs":["/c"]}`, `error lock-token-submitted[/c] "d"`},
		{"an error of OData", `{"error":{"code":"itemNotFound","message":"It is not there."}}`, `error "itemNotFound: It is not there."`},
		{"another object", `{"status":"ok","items":[]}`, "other"},
		{"another array", `[{"id":1}]`, "other"},
		{"a batch of Microsoft Graph", `{"responses":[{"id":"2","status":404,"headers":{},"body":{"error":{"code":"notFound","message":"m"}}},{"id":"1","status":200,"body":{"x":1}}]}`,
			`batch 2=404 "notFound: m" 1=200`},
		{"a 207 in a batch", `{"responses":[{"id":"1","status":207,"body":{"responses":[{"href":"/a","status":200},{"href":"/b","status":423}]}}]}`, "batch 1 /a=200 1 /b=423"},
		{"results", `{"results":[{"index":0,"status":201,"data":{}},{"index":1,"status":423,"error":{"title":"Locked","status":423,"condition":"lock-token-submitted"}}]}`,
			`batch 0=201 1=423 lock-token-submitted[] "Locked"`},
		{"no object where one should be", `{"responses":[1,{"id":"1","status":"200 OK"}],"responses":[]}`, "batch 1=200 !json !json-shape !batch-status"},
		{"nesting", strings.Repeat("[", 5000), "other !json"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if got := summary(multistatus.Inspect([]byte(tt.body))); got != tt.want {
				t.Errorf("Inspect = %s\nwant      %s", got, tt.want)
			}
		})
	}
}

// TestTooLarge: a body of which most is markup is not parsed.
func TestTooLarge(t *testing.T) {
	for _, body := range []string{"<multistatus xmlns='DAV:'>" + strings.Repeat("<a/>", 2_000_001), `{"responses":[` + strings.Repeat("1,", 2_000_001)} {
		if got := summary(multistatus.Inspect([]byte(body))); got != "other !too-large" {
			t.Errorf("Inspect = %s", got)
		}
	}
}

// FuzzInspect reads arbitrary bodies. Of a document that Decode accepts, Inspect reads the same and
// finds nothing that Decode would have refused.
func FuzzInspect(f *testing.F) {
	for _, s := range []string{
		`<multistatus xmlns="DAV:"><response><href>/a</href><status>HTTP/1.1 200 OK</status></response></multistatus>`,
		`<multistatus xmlns="DAV"><response><href>/a&b</href><status>HTTP/2 200</status><error/></response>`,
		`<D:error xmlns:D="DAV:"><D:need-privileges/></D:error>`,
		`{"responses":[{"href":"/a","propstats":[{"status":200,"properties":{"a":{"xml":"<D:a xmlns:D=\"DAV:\"/>"}}}]}]}`,
		`{"responses":[{"id":"1","status":207,"body":{"responses":[{"href":"/b","status":423,"error":{"condition":"x"}}]}}]}`,
		`{"results":[{"index":0,"status":"200 OK","data":[[{}]]}]}`,
		`[{"id":1,"status":2e2}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := multistatus.Inspect(body)
		for i := range r.Members {
			m := &r.Members[i]
			m.Failed(true)
			for _, ps := range m.Propstat {
				for j := range ps.Prop {
					ps.Prop[j].Text()
				}
			}
		}
		responses, err := multistatus.Decode(bytes.NewReader(body))
		if err != nil {
			// JSON is none of Decode's.
			if len(r.Findings) == 0 && r.Kind == multistatus.KindMultistatus && !r.JSON {
				t.Errorf("Decode returns %v, Inspect finds nothing", err)
			}
			if errors.Is(err, davxml.ErrMalformed) && !r.JSON && r.Kind == multistatus.KindMultistatus && !strings.Contains(summary(r), "!well-formed") {
				t.Errorf("Decode returns %v, Inspect finds %s", err, summary(r))
			}
			return
		}
		if r.Kind != multistatus.KindMultistatus || len(r.Members) != len(responses) {
			t.Fatalf("Decode returns %+v, Inspect %+v", responses, r)
		}
		for i := range responses {
			if !reflect.DeepEqual(responses[i], r.Members[i].Response) {
				t.Errorf("Decode returns %+v, Inspect %+v", responses[i], r.Members[i].Response)
			}
		}
	})
}

// TestManyFindings: of the findings of a rule the first ones are kept and all are counted, so that a
// hostile body takes no more memory than a large one.
func TestManyFindings(t *testing.T) {
	const n = 5000
	for _, body := range []string{
		`<multistatus xmlns="DAV:">` + strings.Repeat("<response/>", n) + "<response><href>/</href></response></multistatus>",
		`{"responses":[` + strings.Repeat(`{"href":null,"propstats":[1]},`, n) + `{"href":"/"}]}`,
	} {
		r := multistatus.Inspect([]byte(body))
		of := map[string]int{}
		count := map[string]int{}
		for _, f := range r.Findings {
			of[f.Name]++
			count[f.Name] = r.Count(f.Rule)
		}
		if of["no-href"] != 1000 || count["no-href"] != n || of["outcome"] == 0 || len(r.Members) != n+1 {
			t.Errorf("%.40s: kept %v, counted %v of %d members", body, of, count, len(r.Members))
		}
	}
}
