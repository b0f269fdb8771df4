package davtest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/server/davtest"
	"dav207/server/multistatus"
)

// exchange is a request and the outcome as Response.String has it.
type exchange struct{ method, name, headers, body, want string }

func (x exchange) run(t *testing.T, srv *davtest.Server) {
	t.Helper()
	var headers []string
	if x.headers != "" {
		headers = strings.Split(x.headers, "|")
	}
	if got := srv.Send(x.method, x.name, x.body, headers...).String(); got != x.want {
		t.Errorf("%s %s %s\n got %s\nwant %s", x.method, x.name, x.headers, got, x.want)
	}
}

const (
	named   = `<propfind xmlns="DAV:"><prop><getcontentlength/><resourcetype/></prop></propfind>`
	update  = `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x:">1</a><b xmlns="x:">1</b></prop></set></propertyupdate>`
	tokenIf = "If: (<urn:uuid:1>)"
)

// TestFaults has one fault each: what it does to the requests that it is for, and to others.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*davtest.Server) *davtest.Fault
		then []exchange
	}{
		{"member of a DELETE (RFC 4918 §9.6.1)", func(s *davtest.Server) *davtest.Fault { return s.Fail("DELETE", "/c/3", 423) }, []exchange{
			{"DELETE", "/c/", "", "", "207 /c/3=423 lock-token-submitted(/c/3)"},
			{"DELETE", "/c/3", "", "", "423 lock-token-submitted(/c/3)"},
			{"PUT", "/c/3", "", "x", "204"},
		}},
		{"nested member keeps its ancestors", func(s *davtest.Server) *davtest.Fault { return s.Fail("DELETE", "/c/d/e", 403) }, []exchange{
			{"DELETE", "/c/", "", "", "207 /c/d/e=403"}, {"PROPFIND", "/c/d/", "Depth: 1", named, "207 /c/d/=200[resourcetype]404[getcontentlength] /c/d/e=200[getcontentlength resourcetype]"},
		}},
		{"any status", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("*", "/c/1", 418).Description("short and stout").SetHeader("X-Pot", "tea")
		}, []exchange{
			{"GET", "/c/1", "", "", "418"}, {"COPY", "/c/1", "Destination: /z", "", "418"}, {"DELETE", "/c/", "", "", "207 /c/1=418"},
		}},
		{"source and destination of a COPY (§9.8.3)", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("COPY", "/{c,new}/2", 507).Condition("quota-not-exceeded")
		}, []exchange{
			{"COPY", "/c/", "Destination: /new/", "", "207 /c/2=507 quota-not-exceeded"},
			{"COPY", "/c/1", "Destination: /new/2", "", "507 quota-not-exceeded"},
		}},
		{"a member of a MOVE stays (§9.9.2)", func(s *davtest.Server) *davtest.Fault { return s.Fail("MOVE", "/c/2", 403) }, []exchange{
			{"MOVE", "/c/", "Destination: /new/", "", "207 /c/2=403"},
			{"GET", "/c/2", "", "", "200"}, {"GET", "/new/1", "", "", "200"}, {"GET", "/c/1", "", "", "404"},
		}},
		{"members of a listing", func(s *davtest.Server) *davtest.Fault { return s.Fail("PROPFIND", "/c/*", 403).Times(1) }, []exchange{
			{"PROPFIND", "/c/", "Depth: 1", named, "207 /c/=200[resourcetype]404[getcontentlength] /c/1=403[getcontentlength resourcetype] /c/2=403[getcontentlength resourcetype] /c/3=403[getcontentlength resourcetype] /c/d/=403[getcontentlength resourcetype]"},
			{"PROPFIND", "/c/1", "Depth: 0", named, "207 /c/1=200[getcontentlength resourcetype]"},
		}},
		{"a property of a member (§9.1)", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PROPFIND", "/c/2", 507).Property("getcontentlength")
		}, []exchange{
			{"PROPFIND", "/c/2", "Depth: 0", named, "207 /c/2=200[resourcetype]507[getcontentlength]"},
			{"PROPFIND", "/c/1", "Depth: 0", named, "207 /c/1=200[getcontentlength resourcetype]"},
		}},
		{"a property of a PROPPATCH, and its 424 (§9.2.1)", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PROPPATCH", "/c/1", 423).Property("{x:}b")
		}, []exchange{
			{"PROPPATCH", "/c/1", "", update, "207 /c/1=424[a]423[b] lock-token-submitted(/c/1)"},
			{"PROPPATCH", "/c/2", "", update, "207 /c/2=200[a b]"},
		}},
		{"a member of a LOCK (§9.10.9)", func(s *davtest.Server) *davtest.Fault { return s.Fail("LOCK", "/c/3", 423) }, []exchange{
			{"LOCK", "/c/", "", lockBody, "207 /c/3=423 no-conflicting-lock(/c/3) /c/=424"},
		}},
		{"fails twice, then works", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PUT", "/new", 503).Times(2).SetHeader("Retry-After", "1")
		}, []exchange{
			{"PUT", "/new", "", "x", "503"}, {"PUT", "/other", "", "x", "201"}, {"PUT", "/new", "", "x", "503"}, {"PUT", "/new", "", "x", "201"},
		}},
		{"after the first", func(s *davtest.Server) *davtest.Fault { return s.Fail("GET", "/c/**", 404).After(1) }, []exchange{
			{"GET", "/c/1", "", "", "200"}, {"GET", "/c/2", "", "", "404"}, {"GET", "/c/d/e", "", "", "404"},
		}},
		{"only the second", func(s *davtest.Server) *davtest.Fault { return s.Fail("DELETE", "/c/{1,2}", 423).Nth(2) }, []exchange{
			{"DELETE", "/c/1", "", "", "204"}, {"DELETE", "/c/", "", "", "207 /c/2=423 lock-token-submitted(/c/2)"}, {"DELETE", "/c/2", "", "", "204"},
		}},
		{"depth", func(s *davtest.Server) *davtest.Fault { return s.Fail("PROPFIND", "/c", 403).Depth("infinity") }, []exchange{
			{"PROPFIND", "/c/", "", named, "403"}, {"PROPFIND", "/c/d/e", "Depth: 1", named, "207 /c/d/e=200[getcontentlength resourcetype]"},
		}},
		{"user", func(s *davtest.Server) *davtest.Fault { return s.Fail("GET", "/c/1", 403).User("jane") }, []exchange{
			{"GET", "/c/1", jane, "", "403"}, {"GET", "/c/1", "", "", "200"},
		}},
		{"header", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PUT", "/c/1", 412).Header("X-Try", "").Header("X-User", "jane")
		}, []exchange{
			{"PUT", "/c/1", "X-Try: 1|X-User: jane", "x", "412"}, {"PUT", "/c/1", "X-Try: 1|X-User: joe", "x", "204"}, {"PUT", "/c/1", "X-User: jane", "x", "204"},
		}},
		{"somebody holds a lock during the request (§7.5)", func(s *davtest.Server) *davtest.Fault { return s.On("DELETE,MOVE", "/c/2").Locked().Times(1) }, []exchange{
			{"DELETE", "/c/", "", "", "207 /c/2=423 lock-token-submitted(/c/2)"}, {"DELETE", "/c/", "", "", "204"},
		}},
		{"somebody takes a lock and keeps it", func(s *davtest.Server) *davtest.Fault { return s.On("PUT", "/c/2").LockTaken() }, []exchange{
			{"DELETE", "/c/1", "", "", "204"}, {"PUT", "/c/2", "", "x", "423 lock-token-submitted(/c/2)"}, {"DELETE", "/c/2", "", "", "423 lock-token-submitted(/c/2)"},
		}},
		{"a lock expires (§6.6)", func(s *davtest.Server) *davtest.Fault {
			s.AddTree("-- locks --\nexclusive 0 - 60 urn:uuid:1 /c/2\n")
			return s.On("PUT", "/c/2").LockExpires().Nth(2)
		}, []exchange{
			{"PUT", "/c/2", tokenIf, "x", "204"}, {"PUT", "/c/2", tokenIf, "x", "412"}, {"PUT", "/c/2", "", "x", "204"},
		}},
		{"a refresh of a lock (§9.10.2)", func(s *davtest.Server) *davtest.Fault {
			s.AddTree("-- locks --\nexclusive infinity - 60 urn:uuid:1 /c\n")
			return s.Fail("LOCK", "/c/2", 503).Times(1)
		}, []exchange{
			{"LOCK", "/c/1", tokenIf, "", "200"}, {"LOCK", "/c/2", tokenIf, "", "503"}, {"LOCK", "/c/2", tokenIf, "", "200"},
		}},
		{"a lock expires before its refresh (§9.10.2)", func(s *davtest.Server) *davtest.Fault {
			s.AddTree("-- locks --\nexclusive 0 - 60 urn:uuid:1 /c/2\n")
			return s.On("LOCK", "/c/2").LockExpires()
		}, []exchange{
			{"LOCK", "/c/2", tokenIf, "", "412 lock-token-matches-request-uri"}, {"PUT", "/c/2", "", "x", "204"},
		}},
		{"UNLOCK by its creator (§9.11)", func(s *davtest.Server) *davtest.Fault {
			s.AddTree("-- locks --\nexclusive 0 - 60 urn:uuid:1 /c/2\n")
			return s.Fail("UNLOCK", "/c/2", 503).Times(1)
		}, []exchange{
			{"UNLOCK", "/c/2", "Lock-Token: <urn:uuid:1>", "", "503"}, {"PUT", "/c/2", "", "x", "423 lock-token-submitted(/c/2)"},
			{"UNLOCK", "/c/2", "Lock-Token: <urn:uuid:1>", "", "204"},
		}},
		{"a lock expires before its UNLOCK (§9.11.1)", func(s *davtest.Server) *davtest.Fault {
			s.AddTree("-- locks --\nexclusive infinity - 60 urn:uuid:1 /c\n")
			return s.On("UNLOCK", "/c/2").LockExpires()
		}, []exchange{
			{"UNLOCK", "/c/2", "Lock-Token: <urn:uuid:1>", "", "409 lock-token-matches-request-uri"}, {"PUT", "/c/2", "", "x", "204"},
		}},
		{"a property that is named and does not exist (§9.1)", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PROPFIND", "/c/2", 507).Property("{x:}b")
		}, []exchange{
			{"PROPFIND", "/c/2", "Depth: 0", `<propfind xmlns="DAV:"><prop><b xmlns="x:"/><a xmlns="x:"/></prop></propfind>`, "207 /c/2=404[a]507[b]"},
			{"PROPFIND", "/c/1", "Depth: 0", `<propfind xmlns="DAV:"><prop><b xmlns="x:"/></prop></propfind>`, "207 /c/1=404[b]"},
		}},
		{"a live property that this server never has (RFC 4331)", func(s *davtest.Server) *davtest.Fault {
			return s.Fail("PROPFIND", "/c/*", 403).Property("quota-used-bytes")
		}, []exchange{
			{"PROPFIND", "/c/2", "Depth: 0", `<propfind xmlns="DAV:"><prop><quota-used-bytes/></prop></propfind>`, "207 /c/2=403[quota-used-bytes]"},
			{"PROPFIND", "/c/2", "Depth: 0", `<propfind xmlns="DAV:"><allprop/><include><quota-used-bytes/></include></propfind>`,
				"207 /c/2=200[creationdate displayname getcontentlength getcontenttype getetag getlastmodified resourcetype lockdiscovery supportedlock]403[quota-used-bytes]"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := davtest.New(t, nil)
			srv.Put("/c/1", "/c/2", "/c/3", "/c/d/e")
			fault := tt.make(srv)
			for _, x := range tt.then {
				x.run(t, srv)
			}
			if fault.Fired() == 0 {
				t.Error("the fault says that it never fired")
			}
		})
	}
}

// TestPropertyReasons: the propstat of a property that fails has the condition and the description of
// the fault, in PROPFIND and PROPPATCH, and shares it with those that failed for the same reason
// (RFC 4918 §14.5, §14.22, §14.25).
func TestPropertyReasons(t *testing.T) {
	const (
		find = `<propfind xmlns="DAV:"><prop><getetag/><getcontentlength/><b xmlns="x:"/><a xmlns="x:"/><none xmlns="x:"/><resourcetype/></prop></propfind>`
		all  = `<propfind xmlns="DAV:"><allprop/></propfind>`
		set  = `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x:">1</a><b xmlns="x:">1</b><c xmlns="x:">1</c></prop></set></propertyupdate>`
	)
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n1\n-- properties /c/1 --\n<a xmlns=\"x:\">1</a>\n<b xmlns=\"x:\">1</b>\n-- /c/2 --\n22\n"})
	srv.Fail("PROPFIND", "/c/*", 507).Property("getcontentlength").Condition("quota-not-exceeded").Description("No <room>.")
	srv.Fail("PROPFIND", "/c/*", 507).Property("{x:}b").Condition("quota-not-exceeded").Description("No <room>.").Optional()
	srv.Fail("PROPFIND", "/c/*", 507).Property("getetag")
	srv.Fail("PROPFIND", "/c/*", 423).Property("{x:}a").Optional() // its condition names the resource
	srv.Fail("PROPPATCH", "/c/*", 507).Property("{x:}a").Condition("quota-not-exceeded").Description("Full.")
	srv.Fail("PROPPATCH", "/c/*", 507).Property("{x:}b").Condition("sufficient-disk-space")
	const (
		quota  = `507 [getcontentlength b] quota-not-exceeded "No <room>."`
		tag    = `507 [getetag] ""`
		locked = `423 [a] lock-token-submitted(/c/1) ""`
	)
	for _, tt := range []struct {
		method, name, body string
		want               []string // of the propstats
	}{
		{"PROPFIND", "/c/1", find, []string{`200 [resourcetype] ""`, `404 [none] ""`, locked, tag, quota}},
		{"PROPFIND", "/c/2", find, []string{`200 [resourcetype] ""`, `404 [none] ""`, `423 [a] lock-token-submitted(/c/2) ""`, tag, quota}},
		{"PROPFIND", "/c/1", all, []string{`423 [a] lock-token-submitted(/c/1) ""`, tag, quota}},
		{"PROPPATCH", "/c/1", set, []string{`507 [a] quota-not-exceeded "Full."`, `507 [b] sufficient-disk-space ""`, `424 [c] ""`}},
	} {
		r := srv.Send(tt.method, tt.name, tt.body, "Depth: 0")
		if len(r.Responses) != 1 {
			t.Fatalf("%s %s = %s", tt.method, tt.name, r)
		}
		if got := reasons(r.Responses[0].Propstat, tt.body == all); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s\n got %q\nwant %q", tt.method, tt.name, got, tt.want)
		}
	}
	// A member has no propstat of the one before.
	list := srv.Send("PROPFIND", "/c/", find, "Depth: 1").Responses
	for i, want := range []int{2, 5, 5} { // of /c/, /c/1, /c/2
		if got := reasons(list[i].Propstat, false); len(got) != want {
			t.Errorf("%s in a listing has %q, want %d", list[i].Href, got, want)
		}
	}
}

// reasons describes propstats, perhaps only those of failures.
func reasons(propstats []multistatus.Propstat, failures bool) (all []string) {
	for _, ps := range propstats {
		if failures && ps.Status == 200 {
			continue
		}
		var names []string
		for _, p := range ps.Prop {
			names = append(names, p.XMLName.Local)
		}
		reason := ""
		if ps.Error != nil {
			if reason = ps.Error.Name.Local; len(ps.Error.Hrefs) > 0 {
				reason += fmt.Sprintf("(%s)", strings.Join(ps.Error.Hrefs, " "))
			}
			reason += " "
		}
		all = append(all, fmt.Sprintf("%d %s %s%q", ps.Status, names, reason, ps.Description))
	}
	return all
}

const (
	lockBody = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	jane     = "Authorization: Basic amFuZTo="
)

func TestFaultHeaders(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Put("/f")
	srv.Fail("GET", "/f", 429).SetHeader("Retry-After", "7").Description("slower")
	r := srv.Do("GET", "/f")
	if r.StatusCode != 429 || r.Header.Get("Retry-After") != "7" || string(r.Body) != "slower\n" {
		t.Errorf("GET = %d, Retry-After %q, %q", r.StatusCode, r.Header.Get("Retry-After"), r.Body)
	}
}

// TestFaultMistakes has faults that can never fit anything.
func TestFaultMistakes(t *testing.T) {
	for _, tt := range []struct{ faults, want string }{
		{`{"faults": [{"path": "c", "status": 403}]}`, `line 1: the path "c" does not begin with a slash`},
		{"{\"faults\": [\n {\"path\": \"/ok\", \"status\": 403},\n\n {\"path\": \"/a//b\", \"status\": 403}]}", `line 4: no resource has the path "/a//b"`},
		{`{"faults": [{"path": "/a/../b", "status": 403}]}`, `line 1: no resource has the path "/a/../b"`},
		{`{"faults": [{"path": "/a**", "status": 403}]}`, `stands for whole segments`},
		{`{"faults": [{"path": "/a{b", "status": 403}]}`, `is no pattern`},
		{`{"faults": [{"path": "/.dav207/x", "status": 403}]}`, `the name is reserved`},
		{`{"faults": [{"method": "DELEET", "path": "/a", "status": 403}]}`, `no method "DELEET": it has GET, HEAD`},
		{`{"faults": [{"method": "OPTIONS", "path": "/a", "status": 403}]}`, `OPTIONS touches no resource`},
		{`{"faults": [{"path": "/a", "status": 207}]}`, `400 to 599, not 207`},
		{`{"faults": [{"path": "/a"}]}`, `it does nothing`},
		{`{"faults": [{"path": "/a", "stat": 403}]}`, `a fault has no "stat": it has method, path`},
		{"{\"faults\": [{\"path\": \"/a\",\n \"status\": \"403\"}]}", `line 2: status is a whole number, not a string`},
		{`{"faults": [{"path": "/a", "status": 403.5}]}`, `status is a whole number, not a number 403.5`},
		{`{"faults": [{"path": "/a", "wire": {"delay": 5}}]}`, `wire.delay is a duration such as "1.5s", not a number`},
		{`{"faults": [{"path": "/a", "wire": {"malformed": 1}}]}`, `wire.malformed is true or false, not a number`},
		{`{"faults": [{"path": "/a", "wire": "cut"}]}`, `wire is an object, not a string`},
		{`{"faults": ["/a"]}`, `a fault is an object, not a string`},
		{"{\"faults\": [{\"path\": \"/a\", \"status\": 403,\n \"status\": 404}]}", `line 2: "status" is there twice`},
		{"{\"faults\": [{\"path\": \"/a\",\n \"wire\" : {\"cut\": 1,\n \"cut\": 2}}]}", `line 3: "cut" is there twice`},
		{"{\"faults\": [{\"path\": \"/a\", \"header\": {\"A\": \"b\",\n \"A\": \"c\"}, \"status\": 403}]}", `line 2: "A" is there twice`},
		{"{\"faults\": [{\"path\": \"/a\",\n \"Status\": 403}]}", `line 2: a fault has no "Status": it has method`},
		{"{\"faults\": [\n{\"path\": \"/\xff\", \"status\": 403}]}", `line 2: it is no UTF-8 text`},
		{`{"faults": [{"method": "UNLOCK", "path": "/a", "lock": "held"}]}`, `only expires is for it`},
		{`{"faults": [{"path": "/a", "property": "getetag"}]}`, `go with a status`},
		{`{"faults": [{"method": "GET", "path": "/a", "status": 403, "property": "getetag"}]}`, `only PROPFIND and PROPPATCH have properties`},
		{`{"faults": [{"path": "/a", "status": 403, "property": "getetags"}]}`, `no property "getetags"`},
		{`{"faults": [{"path": "/a", "status": 403, "property": "{x:"}]}`, `{namespace}name`},
		{`{"faults": [{"path": "/a", "lock": "stolen"}]}`, `held, taken or expires`},
		{`{"faults": [{"method": "GET", "path": "/a", "lock": "held"}]}`, `GET needs no lock`},
		{`{"faults": [{"path": "/a", "depth": "2", "status": 403}]}`, `0, 1 or infinity`},
		{`{"faults": [{"method": "COPY", "path": "/a", "depth": "1", "status": 403}]}`, `COPY has no Depth 1`},
		{`{"faults": [{"path": "/a", "nth": 1, "times": 2, "status": 403}]}`, `do not go with it`},
		{`{"faults": [{"path": "**x", "status": 403}]}`, `does not begin with a slash`},
		{`{"faults": [{"path": "/**x/y", "status": 403}]}`, `stands for whole segments`},
		{`{"faults": [{"path": "/a/{b,c**}", "status": 403}]}`, `stands for whole segments`},
		{`{"faults": [{"path": "/a/{}", "status": 403}]}`, `no resource has the path "/a/{}"`},
		{`{"faults": [{"path": "/{a,}/b", "status": 403}]}`, `no resource has the path "/{a,}/b"`},
		{`{"faults": [{"path": "/{a,..}/b", "status": 403}]}`, `no resource has the path "/{a,..}/b"`},
		{`{"faults": [{"path": "/{a,.dav207}/b", "status": 403}]}`, `the name is reserved`},
		{`{"faults": [{"path": "/a[^ -􏿿]", "status": 403}]}`, `no letter is in [^ -`},
		{`{"faults": [{"path": "/a[", "status": 403}]}`, `is no pattern`},
		{`{"faults": [{"path": "/a\u0000", "status": 403}]}`, `no resource has the path`},
		{`{"faults": [{"path": "", "status": 403}]}`, `does not begin with a slash`},
		{`{"faults": [{"method": "delete", "path": "/a", "status": 403}]}`, `no method "delete"`},
		{`{"faults": [{"method": "GET,", "path": "/a", "status": 403}]}`, `no method ""`},
		{`{"faults": [{"method": "GET,*", "path": "/a", "status": 403}]}`, `no method "*"`},
		{`{"faults": [{"method": "PROPFIND,GET", "path": "/a", "status": 403, "property": "getetag"}]}`, `GET has none`},
		{`{"faults": [{"method": "PROPFIND", "path": "/a", "status": 403, "property": "{x:}a b"}]}`, `{namespace}name`},
		{`{"faults": [{"method": "PROPFIND", "path": "/a", "status": 403, "property": "{x:}1a"}]}`, `{namespace}name`},
		{`{"faults": [{"path": "/a", "status": 403, "property": "getetag", "setHeader": {"A": "b"}}]}`, `does not go with property`},
		{`{"faults": [{"method": "GET", "path": "/a", "depth": "0", "status": 403}]}`, `GET has no Depth 0`},
		{`{"faults": [{"method": "PROPFIND,PUT", "path": "/a", "depth": "0", "status": 403}]}`, `PUT has no Depth 0`},
		{`{"faults": [{"method": "MOVE", "path": "/a", "depth": "0", "status": 403}]}`, `MOVE has no Depth 0`},
		{`{"faults": [{"path": "/a", "depth": "Infinity", "status": 403}]}`, `0, 1 or infinity`},
		{`{"faults": [{"path": "/a", "status": 600}]}`, `400 to 599, not 600`},
		{`{"faults": [{"path": "/a", "status": -1}]}`, `400 to 599, not -1`},
		{`{"faults": [{"path": "/a", "status": 399}]}`, `400 to 599, not 399`},
		{`{"faults": [{"path": "/a", "status": 403, "condition": "no name"}]}`, `"no name" is no name of an XML element`},
		{`{"faults": [{"path": "/a", "status": 403, "condition": "<x/>"}]}`, `no name of an XML element`},
		{`{"faults": [{"path": "/a", "status": 403, "header": {"no token": ""}}]}`, `"no token" is no name of a header field`},
		{`{"faults": [{"path": "/a", "status": 403, "header": {"": "x"}}]}`, `"" is no name of a header field`},
		{`{"faults": [{"path": "/a", "status": 403, "header": {"A:": "x"}}]}`, `"A:" is no name`},
		{`{"faults": [{"path": "/a", "status": 403, "header": {"A": "x\r\nB: y"}}]}`, `is no value of a header field`},
		{`{"faults": [{"path": "/a", "status": 403, "setHeader": {"no token": "x"}}]}`, `"no token" is no name of a header field`},
		{`{"faults": [{"path": "/a", "status": 403, "setHeader": {"A": "x\ny"}}]}`, `is no value of a header field`},
		{`{"faults": [{"path": "/a", "status": 403, "setHeader": {"content-length": "3"}}]}`, `wire has contentLength`},
		{`{"faults": [{"path": "/a", "user": "jane:secret", "status": 403}]}`, `no colon`},
		{`{"faults": [{"path": "/a", "nth": -1, "status": 403}]}`, `count from 1`},
		{`{"faults": [{"path": "/a", "nth": 0, "status": 403}]}`, `count from 1`},
		{`{"faults": [{"path": "/a", "times": 0, "status": 403}]}`, `count from 1`},
		{`{"faults": [{"path": "/a", "times": -2, "status": 403}]}`, `count from 1`},
		{`{"faults": [{"path": "/a", "after": -2, "status": 403}]}`, `after is a number of requests`},
		{`{"faults": [{"path": "/a", "wire": {}}]}`, `it does nothing`},
		{`{"faults": [{"path": "/a", "wire": {"answer": {"status": 204, "body": "x"}}}]}`, `no answer with the status 204 has a body`},
		{`{"faults": [{"path": "/a", "wire": {"trickle": 0}}]}`, `at least 1 byte`},
		{`{"faults": [{"path": "/a", "wire": {"stall": -1}}]}`, `count bytes`},
		{`{"faults": [{"path": "/a", "wire": {"stall": 1, "cut": 1}}]}`, `ends in one way`},
		{`{"faults": [{"path": "/a", "wire": {"reset": "before", "contentType": "x/y"}}]}`, `only delay goes with it`},
		{`{"faults": [{"path": "/a", "wire": {"challenge": true, "redirect": "/b"}}]}`, `one answer`},
		{`{"faults": [{"path": "/a", "status": 403, "wire": {"redirect": "/b"}}]}`, `take a request that is executed`},
		{`{"faults": [{"method": "PUT", "path": "/a", "lock": "held", "wire": {"reset": "before"}}]}`, `take a request that is executed`},
		{`{"faults": [{"path": "/a", "wire": {"redirect": "/b\r\nX: y"}}]}`, `is no value of a header field`},
		{`{"faults": [{"path": "/a", "wire": {"contentType": "a\u0000"}}]}`, `is no value of a header field`},
		{`{"faults": [{"path": "/a", "wire": {"contentLength": -1}}]}`, `no Content-Length is negative`},
		{`{"faults": [{"path": "/a", "wire": {"unavailable": "-1s"}}]}`, `no duration`},
		{`{"faults": [{"path": "/a", "wire": {"answer": {"status": 99}}}]}`, `200 to 599, not 99`},
		{`{"faults": [{"path": "/a", "wire": {"answer": {"status": 200, "header": {"a b": "c"}}}}]}`, `"a b" is no name of a header field`},
		{"{\"faults\": [{\"path\": \"/ok\", \"status\": 403},\n\n{\"method\": \"GTE\", \"path\": \"/a\", \"status\": 403}]}", `line 3: the server has no method "GTE"`},
		{`{"faults": [{"path": "/a", "wire": {"reset": "during"}}]}`, `before, in or after`},
		{`{"faults": [{"path": "/a", "wire": {"delay": "1"}}]}`, `no duration such as "1.5s"`},
		{`{"faults": [{"path": "/a", "wire": {"slow": true}}]}`, `a fault has no "slow"`},
		{`{"faults": [{"path": "/a", "status": 403}`, `ends with ]}`},
		{`{"faults": [{"path": "/a", "status": 403}]} x`, `line 1: `},
		{`[]`, `begins with {"faults": [`},
	} {
		_, err := davtest.Start(&davtest.Options{Faults: tt.faults})
		line := (*davtest.LineError)(nil)
		if err == nil || !errors.As(err, &line) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n got %v\nwant a LineError with %s", tt.faults, err, tt.want)
		}
	}
}

// TestFaultMistakesInGo makes the same mistakes by method calls: the test fails at once, with the
// fault and what would be right.
func TestFaultMistakesInGo(t *testing.T) {
	for _, tt := range []struct {
		make func(*davtest.Server)
		want string
	}{
		{func(s *davtest.Server) { s.Fail("DELEET", "/a", 403) }, `no method "DELEET"`},
		{func(s *davtest.Server) { s.Fail("PUT", "a", 403) }, `does not begin with a slash`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a/**x", 403) }, `stands for whole segments`},
		{func(s *davtest.Server) { s.Fail("PUT", "/{}", 403) }, `no resource has the path "/{}"`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 200) }, `400 to 599, not 200`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Property("getetag") }, `PUT has none`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Depth("0") }, `PUT has no Depth 0`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Condition("a b") }, `no name of an XML element`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Header("a b", "") }, `no name of a header field`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).SetHeader("a b", "") }, `no name of a header field`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Times(0) }, `count from 1`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Nth(-1) }, `count from 1`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Nth(1).After(2) }, `do not go with it`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).After(-1) }, `after is a number`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Redirect("/b") }, `take a request that is executed`},
		{func(s *davtest.Server) { s.Fail("PUT", "/a", 403).Locked() }, `two things`},
		{func(s *davtest.Server) { s.On("GET", "/a").Locked() }, `GET needs no lock`},
		{func(s *davtest.Server) { s.On("PUT", "/a").Condition("x") }, `go with a status`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Delay(-1) }, `no time is negative`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Unavailable(-1) }, `no time is negative`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Trickle(0) }, `at least 1 byte`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Stall(-1) }, `count bytes`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Reset("").Cut(-1) }, `count bytes`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Reset("now") }, `before, in or after`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Answer(200, "", "no colon") }, `no colon`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Answer(200, "", "a b: c") }, `no name of a header field`},
		{func(s *davtest.Server) { s.Wire("GET", "/a").Answer(99, "") }, `200 to 599`},
	} {
		var ft fatalText
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv := davtest.New(&ft, &davtest.Options{Lenient: true})
			defer srv.Close()
			tt.make(srv)
		}()
		<-done
		if !strings.Contains(ft.text, tt.want) {
			t.Errorf("got %q, want %q", ft.text, tt.want)
		}
	}
}

// fatalText keeps the text of Fatalf and ends the goroutine, as testing.T does.
type fatalText struct {
	fakeTB
	text string
}

func (f *fatalText) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// TestPatterns has patterns that fit something, however odd they look.
func TestPatterns(t *testing.T) {
	for pattern, name := range map[string]string{
		"/{a,b}/x": "/b/x", "/a{,b}": "/ab", "/{{a,b},c}": "/b", "/{a/b,c}": "/a/b", "/[!a]": "/b", "/[^a-y]": "/z", "/\\{a\\}": "/{a}",
		"/a[{]b": "/a{b", "/**/x": "/c/d/x", "/c/": "/c", "/?": "/a", "/.*": "/.b", "/{**,a}/b": "/c/b", "/a b": "/a b", "/ä*": "/äb", "/[一-龥]": "/中", "/[^ -~]ä": "/öä",
	} {
		srv := davtest.New(t, &davtest.Options{Tree: "-- " + name + " --\n"})
		srv.Fail("GET", pattern, 418)
		if got := srv.Do("GET", name).StatusCode; got != 418 {
			t.Errorf("%s does not fit %s: %d", pattern, name, got)
		}
	}
}

// TestHeaderOfNetHTTP fits header fields that net/http keeps elsewhere, and Depth only where it is.
func TestHeaderOfNetHTTP(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /f --\n"})
	srv.Fail("GET", "/f", 418).Header("host", "other.example").Times(1)
	srv.Fail("*", "/f", 429).Depth("infinity").Optional()
	for _, x := range []exchange{
		{"GET", "/f", "Host: other.example", "", "418"},
		{"GET", "/f", "", "", "200"},
		{"PROPFIND", "/f", "", "", "429"},
	} {
		x.run(t, srv)
	}
}

// TestFaultText reads what String writes.
func TestFaultText(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Lenient: true})
	fault := srv.Fail("DELETE,MOVE", "/c/*", 423).Depth("infinity").User("jane").Header("If", "").After(1).Times(2).Optional().
		Condition("lock-token-submitted").Description("<no>").SetHeader("Retry-After", "5").Delay(time.Second).Cut(0)
	again, err := davtest.Start(&davtest.Options{Faults: fmt.Sprintf(`{"faults": [%s]}`, fault), Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := again.Faults(); len(got) != 1 || got[0].String() != fault.String() {
		t.Errorf("faults = %v, want %v", got, fault)
	}
}

func TestUnfiredFaults(t *testing.T) {
	ft := &errorRecorder{fakeTB: fakeTB{}}
	srv := davtest.New(ft, nil)
	srv.Put("/f")
	srv.Fail("GET", "/never", 403)
	srv.Fail("GET", "/perhaps", 403).Optional()
	srv.Lock("/f")
	srv.Send("LOCK", "/left", lockBody)
	srv.Close()
	want := []string{`the fault {"method":"GET","path":"/never","status":403} never fired`, "/left is still locked"}
	if len(ft.errors) != len(want) || !strings.Contains(ft.errors[0], want[0]) || !strings.Contains(ft.errors[1], want[1]) {
		t.Errorf("errors = %q, want %q", ft.errors, want)
	}
}

type errorRecorder struct {
	fakeTB
	errors []string
}

func (r *errorRecorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }

// TestFaultsWhileServing changes faults while requests are served, for the race detector.
func TestFaultsWhileServing(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Put("/c/1", "/c/2")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			req, _ := http.NewRequest("PROPFIND", srv.URL+"/c/", nil)
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != 207 {
				t.Errorf("PROPFIND = %d, want 207", res.StatusCode)
			}
		}
	}()
	for range 50 {
		srv.Fail("PROPFIND", "/c/*", 403).Times(1).After(1).Optional()
		srv.RemoveFaults()
	}
	<-done
}

func TestReset(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: tree, Faults: `{"faults": [{"method": "GET", "path": "/a.txt", "status": 403, "times": 1}]}`})
	before := srv.Tree()
	for range 2 {
		srv.Do("GET", "/a.txt")
		srv.Advance(time.Hour)
		srv.Remove("/c")
		srv.Put("/new/x")
		srv.Fail("GET", "/new", 403)
		srv.Send("LOCK", "/new/x", lockBody)
		srv.Reset()
		if got := srv.Tree(); got != before {
			t.Errorf("tree after Reset:\n%s\nwant:\n%s", got, before)
		}
		if got := srv.Faults(); len(got) != 1 || got[0].Fired() != 0 {
			t.Errorf("faults after Reset: %v", got)
		}
	}
	srv.Do("GET", "/a.txt")
}

// TestResetWhileALockIsHeld: the end of a request from before Reset does not end a lock from after it
// that has the same token.
func TestResetWhileALockIsHeld(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Lenient: true, Tree: "-- /a --\n-- /b --\n"})
	srv.On("PUT", "/a").Locked().Delay(time.Hour)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
	wait := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s never came", what)
			}
		}
	}
	wait("the lock", func() bool { return strings.Contains(srv.Tree(), "somebody else") })
	held := srv.Journal()
	srv.Reset()
	srv.Lock("/b")
	conn.Close()
	time.Sleep(20 * time.Millisecond) // the handler ends
	if got := srv.Tree(); !strings.Contains(got, " /b\n") || len(held) != 1 {
		t.Errorf("tree = %s, want the lock of /b", got)
	}
}

// TestManyLocks: a fault locks each member, however many there are.
func TestManyLocks(t *testing.T) {
	srv := davtest.New(t, nil)
	const members = 1500
	for i := range members {
		srv.Put(fmt.Sprintf("/c/%d", i))
	}
	fault := srv.On("DELETE", "/c/*").Locked()
	if got := srv.Do("DELETE", "/c/").Statuses(); len(got) != members || got["/c/1499"] != 423 || fault.Fired() != 1 {
		t.Errorf("%d members in the answer, want %d with 423", len(got), members)
	}
	if got := len(strings.Fields(srv.Names())); got != members+2 {
		t.Errorf("%d resources are left, want %d", got, members+2)
	}
}
