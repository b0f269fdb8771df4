package davtest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"dav207/server/davtest"
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
		{"{\"faults\": [{\"path\": \"/a\",\n \"status\": \"403\"}]}", `line 2: status is a int, not a string`},
		{`{"faults": [{"path": "/a", "property": "getetag"}]}`, `go with a status`},
		{`{"faults": [{"method": "GET", "path": "/a", "status": 403, "property": "getetag"}]}`, `only PROPFIND and PROPPATCH have properties`},
		{`{"faults": [{"path": "/a", "status": 403, "property": "getetags"}]}`, `no property "getetags"`},
		{`{"faults": [{"path": "/a", "status": 403, "property": "{x:"}]}`, `{namespace}name`},
		{`{"faults": [{"path": "/a", "lock": "stolen"}]}`, `held, taken or expires`},
		{`{"faults": [{"method": "GET", "path": "/a", "lock": "held"}]}`, `GET needs no lock`},
		{`{"faults": [{"path": "/a", "depth": "2", "status": 403}]}`, `0, 1 or infinity`},
		{`{"faults": [{"method": "COPY", "path": "/a", "depth": "1", "status": 403}]}`, `only PROPFIND has Depth 1`},
		{`{"faults": [{"path": "/a", "nth": 1, "times": 2, "status": 403}]}`, `do not go with it`},
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
			if res, err := srv.Client().Do(req); err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
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
