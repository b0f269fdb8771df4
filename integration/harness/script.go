package harness

import (
	"strings"
	"testing"
	"time"

	"dav207/server"
	"dav207/server/davtest"
)

// Step is a request with the answer that it must get, as davtest.Response.String tells it. A
// request is written in one line, parts separated by bars: method and name, headers, and
//
//	jane, joe               who asks; nobody where neither is said
//	exclusive, shared       the body of a LOCK
//	body: TEXT              another body. PUT and PROPPATCH have one of their own
//	as x                    {x} is the token of the lock that is granted, or the entity tag
//
// "later 10s" is no request: so much time passes.
type Step = struct{ Request, Want string }

// ScriptRun is a server and what the steps sent to it have given names to.
type ScriptRun struct {
	T      *testing.T
	Server *davtest.Server
	Known  []string // {name}, value, ...
}

// StartScript starts a server on an empty tree for the steps of a script.
func StartScript(t *testing.T, opts *server.Options) *ScriptRun {
	return &ScriptRun{T: t, Server: davtest.NewServer(t, opts)}
}

// Credentials are the headers of the two users that a Step can name.
var Credentials = map[string]string{"jane": "Authorization: Basic amFuZTo=", "joe": "Authorization: Basic am9lOg=="}

// Step makes the request of st and compares the answer, or lets time pass.
func (p *ScriptRun) Step(st Step) {
	p.T.Helper()
	if d, ok := strings.CutPrefix(st.Request, "later "); ok {
		wait, err := time.ParseDuration(d)
		if err != nil {
			p.T.Fatal(err)
		}
		p.Server.Advance(wait)
		return
	}
	got := p.Do(st.Request)
	if g, w := p.hide(SortResponses(got.String())), st.Want; g != w {
		p.T.Errorf("%s\n got %s\nwant %s", st.Request, g, w)
	}
}

// Do sends a request.
func (p *ScriptRun) Do(request string) *davtest.Response {
	p.T.Helper()
	parts := strings.Split(p.Fill(request), " | ")
	method, name, _ := strings.Cut(parts[0], " ")
	body := map[string]string{"PUT": "x", "PROPPATCH": SetColour}[method]
	as := ""
	var headers []string
	for _, part := range parts[1:] {
		switch {
		case Credentials[part] != "":
			headers = append(headers, Credentials[part])
		case part == "exclusive":
			body = ExclusiveLock
		case part == "shared":
			body = SharedLock
		case strings.HasPrefix(part, "body: "):
			body = strings.TrimPrefix(part, "body: ")
		case strings.HasPrefix(part, "as "):
			as = part[3:]
		default:
			headers = append(headers, part)
		}
	}
	r := p.Server.Send(method, name, body, headers...)
	if as != "" {
		value := strings.Trim(r.Header.Get("Lock-Token"), "<>")
		if value == "" {
			value = r.Header.Get("ETag")
		}
		if value == "" {
			p.T.Errorf("%s = %v without a lock token and an entity tag", request, r)
		}
		p.Known = append([]string{"{" + as + "}", value}, p.Known...)
	}
	return r
}

// Fill replaces each {name} by its value.
func (p *ScriptRun) Fill(s string) string { return strings.NewReplacer(p.Known...).Replace(s) }

// hide makes of an answer what a step wants: properties of no interest go.
func (p *ScriptRun) hide(answer string) string {
	return strings.ReplaceAll(answer, "=200[colour]", "=200")
}

// LockDiscovery asks for the locks on a resource; who is a user, or "" for nobody.
func (p *ScriptRun) LockDiscovery(name, who string) []ActiveLock {
	p.T.Helper()
	request := "PROPFIND " + name + ` | Depth: 0 | body: <propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	if who != "" {
		request += " | " + who
	}
	r := p.Do(request)
	if r.StatusCode != 207 || len(r.Responses) != 1 {
		p.T.Fatalf("lockdiscovery of %s = %v", name, r)
	}
	return ActiveLocks(p.T, r.Body)
}
