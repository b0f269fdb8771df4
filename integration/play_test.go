package integration

import (
	"strings"
	"testing"
	"time"

	"dav207/server"
	"dav207/server/davtest"
)

// scene is a rule, and requests in their order that show whether it holds.
type scene struct {
	rule  string // RFC 4918 section, if no other is named, and what it says
	tree  string // names of what is there before, separated by spaces
	steps []step
}

// step is a request with the answer that it must get, as davtest.Response.String tells it. A request is written in one line,
// parts separated by bars: method and name, headers, and
//
//	jane, joe               who asks; nobody where neither is said
//	exclusive, shared       the body of a LOCK
//	body: TEXT              another body. PUT and PROPPATCH have one of their own
//	as x                    {x} is the token of the lock that is granted, or the entity tag
//
// "later 10s" is no request: so much time passes.
type step struct{ request, want string }

// playScenes plays each scene on a server of its own.
func playScenes(t *testing.T, opts *server.Options, scenes []scene) {
	for _, sc := range scenes {
		t.Run(sc.rule, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, opts)
			p.srv.Put(strings.Fields(sc.tree)...)
			for _, st := range sc.steps {
				p.step(st)
			}
		})
	}
}

// play is a scene under way.
type play struct {
	t     *testing.T
	srv   *davtest.Server
	known []string // {name}, value, ...
}

func newPlay(t *testing.T, opts *server.Options) *play {
	return &play{t: t, srv: davtest.NewServer(t, opts)}
}

const (
	sharedLock = `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`
	setColour  = `<propertyupdate xmlns="DAV:"><set><prop><colour xmlns="urn:x">red</colour></prop></set></propertyupdate>`
)

// users are the credentials of those who play.
var users = map[string]string{"jane": "Authorization: Basic amFuZTo=", "joe": "Authorization: Basic am9lOg=="}

func (p *play) step(st step) {
	p.t.Helper()
	if d, ok := strings.CutPrefix(st.request, "later "); ok {
		wait, err := time.ParseDuration(d)
		if err != nil {
			p.t.Fatal(err)
		}
		p.srv.Advance(wait)
		return
	}
	got := p.do(st.request)
	if g, w := p.hide(sorted(got.String())), st.want; g != w {
		p.t.Errorf("%s\n got %s\nwant %s", st.request, g, w)
	}
}

// do sends a request.
func (p *play) do(request string) *davtest.Response {
	p.t.Helper()
	parts := strings.Split(p.fill(request), " | ")
	method, name, _ := strings.Cut(parts[0], " ")
	body := map[string]string{"PUT": "x", "PROPPATCH": setColour}[method]
	as := ""
	var headers []string
	for _, part := range parts[1:] {
		switch {
		case users[part] != "":
			headers = append(headers, users[part])
		case part == "exclusive":
			body = exclusive
		case part == "shared":
			body = sharedLock
		case strings.HasPrefix(part, "body: "):
			body = strings.TrimPrefix(part, "body: ")
		case strings.HasPrefix(part, "as "):
			as = part[3:]
		default:
			headers = append(headers, part)
		}
	}
	r := p.srv.Send(method, name, body, headers...)
	if as != "" {
		value := strings.Trim(r.Header.Get("Lock-Token"), "<>")
		if value == "" {
			value = r.Header.Get("ETag")
		}
		if value == "" {
			p.t.Errorf("%s = %v without a lock token and an entity tag", request, r)
		}
		p.known = append([]string{"{" + as + "}", value}, p.known...)
	}
	return r
}

// fill puts values where their names stand.
func (p *play) fill(s string) string { return strings.NewReplacer(p.known...).Replace(s) }

// hide makes of an answer what a step wants: properties of no interest go.
func (p *play) hide(answer string) string {
	return strings.ReplaceAll(answer, "=200[colour]", "=200")
}

// lockdiscovery asks for the locks on a resource; who is a user, or "" for nobody.
func (p *play) lockdiscovery(name, who string) []activeLock {
	p.t.Helper()
	request := "PROPFIND " + name + ` | Depth: 0 | body: <propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	if who != "" {
		request += " | " + who
	}
	r := p.do(request)
	if r.StatusCode != 207 || len(r.Responses) != 1 {
		p.t.Fatalf("lockdiscovery of %s = %v", name, r)
	}
	return activeLocks(p.t, r.Body)
}
