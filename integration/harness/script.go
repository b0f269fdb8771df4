package harness

import (
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/server"
	"dav207/server/davtest"
)

// Step is a request with the expected answer, as davtest.Response.String returns it. The request is
// one line of parts separated by bars: method and name, headers, and
//
//	jane, joe               the user; without them the request has no credentials
//	exclusive, shared       the body of a LOCK
//	body: TEXT              another body; PUT and PROPPATCH have a default
//	as x                    {x} is the token of the new lock, or the entity tag, in later steps
//
// "later 10s" sends no request but advances the clock.
type Step = struct{ Request, Want string }

// ScriptRun is a server and the values that the steps have named.
type ScriptRun struct {
	T      *testing.T
	Server *davtest.Server
	Known  []string // {name}, value, ...
}

// StartScript starts a server on an empty tree for the steps of a script.
func StartScript(t *testing.T, opts *server.Options) *ScriptRun {
	return &ScriptRun{T: t, Server: NewServer(t, opts)}
}

// NewServer starts a server on an empty tree for the tests of the server itself, which leave locks
// on purpose and look at the times of the machine. opts may be nil.
func NewServer(t testing.TB, opts *server.Options) *davtest.Server {
	o := &davtest.Options{RealTime: true, Lenient: true, NoJournal: true}
	if opts != nil {
		o.Server = *opts
	}
	return davtest.New(t, o)
}

// Credentials are the headers of the two users that a Step can name.
var Credentials = map[string]string{"jane": "Authorization: Basic amFuZTo=", "joe": "Authorization: Basic am9lOg=="}

// Step sends the request of st and compares the answer, or advances the clock.
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
	if g, w := p.hideColour(SortResponses(got.String())), st.Want; g != w {
		p.T.Errorf("%s\n got %s\nwant %s", st.Request, g, w)
	}
}

// Do sends a request, written as in a Step.
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

// Fill replaces each {name} with its value.
func (p *ScriptRun) Fill(s string) string { return strings.NewReplacer(p.Known...).Replace(s) }

// hideColour removes the property of SetColour from an answer.
func (p *ScriptRun) hideColour(answer string) string {
	return strings.ReplaceAll(answer, "=200[colour]", "=200")
}

// LockDiscovery returns the locks on a resource, requested by user or, if that is "", without
// credentials.
func (p *ScriptRun) LockDiscovery(name, user string) []ActiveLock {
	p.T.Helper()
	request := "PROPFIND " + name + ` | Depth: 0 | body: <propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	if user != "" {
		request += " | " + user
	}
	r := p.Do(request)
	if r.StatusCode != 207 || len(r.Responses) != 1 {
		p.T.Fatalf("lockdiscovery of %s = %v", name, r)
	}
	return ActiveLocks(p.T, r.Body)
}

// SortResponses sorts the responses in a line of davtest.Response.String by href. The server may
// send them in any order.
func SortResponses(answer string) string {
	status, rest, _ := strings.Cut(answer, " /")
	if rest == "" {
		return answer
	}
	parts := strings.Split(rest, " /")
	slices.Sort(parts)
	return status + " /" + strings.Join(parts, " /")
}

// NoSlash replaces the slashes in the name of a subtest.
func NoSlash(s string) string { return strings.ReplaceAll(s, "/", "∕") }
