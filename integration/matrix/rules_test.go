package matrix

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
	"dav207/server/davtest"
)

// THE MATRIX OF RULES: what each method answers, and which tree it leaves, if one rule refuses one
// privilege on one resource, or hides that resource, for a user, a group, guests or everybody. The
// resource is the one of the Request-URI, its collection, a member, the destination or a member of
// the destination, be it there or not. The expectation comes from the model below, which knows no
// code of package rules.

// switchPolicy is a policy that begins after the tree is made. It adds the group of a user.
type switchPolicy struct{ list atomic.Pointer[rules.List] }

func (s *switchPolicy) in(ctx context.Context) (*rules.List, context.Context) {
	if name := access.Principal(ctx); name == "jane" {
		ctx = access.WithPrincipal(ctx, name, "editors", "staff")
	}
	return s.list.Load(), ctx
}

func (s *switchPolicy) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	l, ctx := s.in(ctx)
	if l == nil {
		return nil
	}
	return l.Check(ctx, p, path)
}

func (s *switchPolicy) CheckProperty(ctx context.Context, p access.Privilege, path davpath.Path, name xml.Name) error {
	l, ctx := s.in(ctx)
	if l == nil {
		return nil
	}
	return l.CheckProperty(ctx, p, path, name)
}

func (s *switchPolicy) AllowsAll(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	l, ctx := s.in(ctx)
	return l == nil || l.AllowsAll(ctx, p, path)
}

func (s *switchPolicy) AllowsSome(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	l, ctx := s.in(ctx)
	return l == nil || l.AllowsSome(ctx, p, path)
}

// ruleCell is a rule and the user who sends the request.
type ruleCell struct {
	what string // a privilege, or "hide"
	who  string
	user string // jane, joe, or "" for a guest
	name string // of the resource, with a slash at the end of that of a collection
}

// affected reports whether the rule is for the user.
func (c ruleCell) affected() bool {
	return c.who == "everybody" || c.who == c.user && c.user != "" || c.who == "guests" && c.user == "" || c.who == "@staff" && c.user == "jane"
}

func (c ruleCell) String() string {
	return fmt.Sprintf("%s from %s on %s for %q", c.what, c.who, c.name, c.user)
}

// start starts a server with the tree w and the rule. Before the rule is in force, the user, or
// another one, takes the lock of a name if there is one, whose token it returns.
func (c ruleCell) start(t *testing.T, w harness.Tree, locked, depth, owner string) (srv *davtest.Server, token string) {
	t.Helper()
	policy := &switchPolicy{}
	srv = harness.NewServer(t, &server.Options{Policy: policy})
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if name != "/" {
			srv.Put(name)
		}
	}
	if locked != "" {
		headers := []string{"Depth: " + depth}
		if owner != "" {
			headers = append(headers, harness.Credentials[owner])
		}
		token = srv.Lock(locked, headers...)
	}
	rule := rules.Rule{Who: []string{c.who}, Path: strings.TrimSuffix(c.name, "/")}
	if c.what == "hide" {
		rule.Hide = true
	} else {
		rule.Deny = []string{c.what}
	}
	// The rule after it is for somebody else.
	list, err := rules.Compile([]rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}, rule,
		{Who: []string{"root"}, Allow: []string{"all"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	policy.list.Store(list)
	return srv, token
}

// ruleModel computes the answer and the tree.
type ruleModel struct {
	*model
	cell ruleCell
}

func (m ruleModel) hidden(name string) bool {
	c := m.cell
	return c.affected() && c.what == "hide" && (name == c.name || strings.HasPrefix(name, strings.TrimSuffix(c.name, "/")+"/"))
}

func (m ruleModel) may(p, name string) bool {
	return !m.hidden(name) && !(m.cell.affected() && m.cell.what == p && strings.TrimSuffix(name, "/") == strings.TrimSuffix(m.cell.name, "/"))
}

// unseen returns the answer to creating something at a hidden URL, or in a hidden collection.
func (m ruleModel) unseen(name string) string {
	switch {
	case m.hidden(harness.Parent(name)):
		return "409"
	case m.hidden(name):
		return "403"
	}
	return ""
}

// first returns 403 if one of the privileges is refused, otherwise success.
func (m ruleModel) first(success, name string, privileges ...string) string {
	for _, p := range privileges {
		if !m.may(p, name) {
			return "403"
		}
	}
	return success
}

// expect returns the answer to a request, and applies it to the tree.
func (m ruleModel) expect(method, name, dst string) string {
	if m.hidden(name) {
		switch method {
		case "PUT", "MKCOL", "LOCK":
			return m.unseen(name)
		case "UNLOCK", "UNLOCK other":
			return "409 lock-token-matches-request-uri"
		}
		return "404"
	}
	there := m.Has(name)
	switch method {
	case "GET", "HEAD":
		if !there {
			return "404"
		}
		return m.first("200", name, "read")
	case "PROPFIND":
		return m.propfind(name)
	case "PROPPATCH":
		return m.first("207 "+name+"=200[p]", name, "read", "write-properties")
	case "PUT", "MKCOL":
		if method == "MKCOL" && there {
			return "405"
		}
		if there {
			return m.first("204", name, "write-content")
		}
		answer := m.first("201", name, "bind")
		if answer == "201" {
			m.Tree[name] = map[bool]string{true: name}[method == "PUT"]
		}
		return answer
	case "LOCK":
		return m.lock(name)
	case "UNLOCK":
		return "204" // RFC 3744 §3.5: who created the lock may always
	case "UNLOCK other":
		return m.first("204", name, "unlock")
	case "DELETE":
		if !there {
			return "404"
		}
		m.delete(name)
		return m.answer("204", name)
	case "COPY":
		if a := m.first("", name, "read"); a != "" {
			return a
		}
		if a := m.unseen(dst); a != "" {
			return a
		}
		success := map[bool]string{true: "204", false: "201"}[m.Has(dst)]
		m.copy(name, dst)
		return m.answer(success, name, dst)
	}
	return m.move(name, dst) // MOVE
}

func (m ruleModel) propfind(name string) string {
	if a := m.first("", name, "read"); a != "" {
		return a
	}
	var parts []string
	var list func(string)
	list = func(name string) {
		switch {
		case m.hidden(name):
		case !m.may("read", name):
			parts = append(parts, name+"=403[resourcetype]")
		default:
			parts = append(parts, name+"=200[resourcetype]")
			for _, member := range m.Members(name) {
				list(member)
			}
		}
	}
	list(name)
	slices.Sort(parts)
	return "207 " + strings.Join(parts, " ")
}

// lock is a LOCK with depth infinity (RFC 4918 §9.10.3). A hidden member does not prevent it.
func (m ruleModel) lock(name string) string {
	if !m.Has(name) {
		answer := m.first("201", name, "bind", "lock")
		if answer == "201" {
			m.Tree[name] = ""
		}
		return answer
	}
	if a := m.first("", name, "write-content", "lock"); a != "" {
		return a
	}
	answer := ""
	for _, member := range slices.Sorted(maps.Keys(m.Tree)) {
		if member != name && strings.HasPrefix(member, name) && strings.HasSuffix(name, "/") && !m.hidden(member) {
			if m.first("", member, "read", "write-content", "lock") != "" {
				answer += " " + member + "=403"
			}
		}
	}
	if answer == "" {
		return "200"
	}
	return "207 " + name + "=424" + answer
}

// delete applies DELETE (§9.6.1). A hidden member stays, and so its collection must, which then is
// what is reported, unless another member is.
func (m ruleModel) delete(name string) (gone bool) {
	if !m.may("unbind", name) {
		m.report(name)
		return false
	}
	stays, reported := false, false
	for _, member := range m.Members(name) {
		if m.hidden(member) {
			stays = true
		} else if !m.delete(member) {
			reported = true
		}
	}
	switch {
	case reported:
		return false
	case stays:
		m.report(name)
		return false
	}
	m.remove(name)
	return true
}

// replaceable reports why a copy must not be made at dst, where something of the same kind may be
// (RFC 3744 Appendix B).
func (m ruleModel) replaceable(src, dst string) bool {
	ok := m.may("bind", dst)
	if m.Has(dst) {
		ok = m.may("write-content", dst) && m.may("write-properties", dst)
	}
	if !ok {
		m.report(dst)
	}
	return ok
}

// copy applies a COPY of a resource that is not hidden.
func (m ruleModel) copy(src, dst string) {
	if !m.may("read", src) {
		m.report(src)
		return
	}
	if !m.replaceable(src, dst) {
		return
	}
	before := m.Members(dst)
	m.changed = true
	m.Tree[dst] = m.Tree[src]
	for _, member := range m.Members(src) {
		to := dst + strings.TrimPrefix(member, src)
		if m.hidden(member) {
			continue // it is not there: neither is a counterpart afterwards
		}
		before = slices.DeleteFunc(before, func(n string) bool { return n == to })
		m.copy(member, to)
	}
	for _, member := range before { // §9.8.4
		if !m.hidden(member) {
			m.delete(member)
		}
	}
}

// move applies a MOVE. If it replaces something, no member may stay on either side (§7.5, §9.9.3),
// else it goes as far as it can (§9.9.2).
func (m ruleModel) move(src, dst string) string {
	if !m.may("unbind", src) {
		return "403"
	}
	if a := m.unseen(dst); a != "" {
		return a
	}
	there := m.Has(dst)
	if there && !m.may("unbind", dst) || !m.may("bind", dst) {
		return "403"
	}
	if !there {
		m.transfer(src, dst)
		return m.answer("201", src)
	}
	below := func(collection string, prevents func(string)) {
		for _, name := range slices.Sorted(maps.Keys(m.Tree)) {
			if name != collection && strings.HasPrefix(name, collection) && !m.hidden(harness.Parent(name)) && len(m.reports) == 0 {
				prevents(name)
			}
		}
	}
	below(dst, func(name string) { m.stays(name) })
	below(src, func(name string) { m.cannotMove(name, dst+strings.TrimPrefix(name, src)) })
	if len(m.reports) > 0 {
		m.changed = true // a 207, for it is no failure of the Request-URI
		return m.answer("", src)
	}
	m.Tree.Remove(dst)
	m.transfer(src, dst)
	return "204"
}

// stays reports a member that must not be removed. If it is hidden its collection is what is
// reported.
func (m ruleModel) stays(name string) bool {
	switch {
	case m.hidden(name):
		m.report(harness.Parent(name))
	case !m.may("unbind", name):
		m.report(name)
	default:
		return false
	}
	return true
}

// cannotMove reports a member that must not be moved.
func (m ruleModel) cannotMove(src, dst string) bool {
	if m.stays(src) {
		return true
	}
	if !m.may("bind", dst) {
		m.report(dst)
		return true
	}
	return false
}

// transfer moves what may be moved, and reports whether that is all.
func (m ruleModel) transfer(src, dst string) bool {
	m.Tree[dst] = m.Tree[src]
	m.changed = true
	all := true
	for _, member := range m.Members(src) {
		to := dst + strings.TrimPrefix(member, src)
		all = !m.cannotMove(member, to) && m.transfer(member, to) && all
	}
	if all {
		delete(m.Tree, src)
	}
	return all
}

// propertyP is the body of a PROPPATCH.
const propertyP = `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="x:">v</p></prop></set></propertyupdate>`

// send sends the request of a cell.
func (c ruleCell) send(srv *davtest.Server, method, name, dst, token string) *davtest.Response {
	headers, body := []string{}, ""
	if c.user != "" {
		headers = append(headers, harness.Credentials[c.user])
	}
	switch method {
	case "PROPFIND":
		headers, body = append(headers, "Depth: infinity"), `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`
	case "PROPPATCH":
		body = propertyP
	case "PUT":
		body = name
	case "LOCK":
		headers, body = append(headers, "Depth: infinity"), harness.ExclusiveLock
	case "UNLOCK", "UNLOCK other":
		method, headers = "UNLOCK", append(headers, "Lock-Token: <"+token+">")
	case "COPY", "MOVE":
		headers = append(headers, "Destination: "+dst)
	}
	return srv.Send(method, name, body, headers...)
}

var ruleRequests = []struct{ method, name, dst string }{
	{"GET", "/c/m", ""}, {"HEAD", "/c/m", ""}, {"GET", "/c/none", ""}, {"PROPFIND", "/c/", ""}, {"PROPFIND", "/", ""},
	{"PROPPATCH", "/c/m", ""}, {"PROPPATCH", "/c/", ""}, {"PUT", "/c/m", ""}, {"PUT", "/c/none", ""}, {"MKCOL", "/c/new/", ""}, {"MKCOL", "/c/d/", ""},
	{"LOCK", "/c/m", ""}, {"LOCK", "/c/", ""}, {"LOCK", "/c/none", ""}, {"UNLOCK", "/c/m", ""}, {"UNLOCK other", "/c/m", ""},
	{"DELETE", "/c/m", ""}, {"DELETE", "/c/", ""},
	{"COPY", "/c/m", "/new"}, {"COPY", "/c/m", "/t/m"}, {"COPY", "/c/", "/new/"}, {"COPY", "/c/", "/t/"},
	{"MOVE", "/c/m", "/new"}, {"MOVE", "/c/m", "/t/m"}, {"MOVE", "/c/", "/new/"}, {"MOVE", "/c/", "/t/"},
}

func TestMatrixRules(t *testing.T) {
	w := newTree(append(slices.Clone(tree), destination...)...)
	names := []string{"/c/", "/c/m", "/c/none", "/c/new/", "/c/d/", "/c/d/x", "/t/", "/t/m", "/t/d/", "/t/d/x", "/t/d/old", "/t/s", "/t/z", "/new", "/new/", "/new/m", "/new/d/", "/new/d/x"}
	few := []ruleCell{{who: "@staff", user: "jane"}, {who: "guests"}, {who: "jane", user: "joe"}}
	all := append(few, ruleCell{who: "jane", user: "jane"}, ruleCell{who: "@staff", user: "joe"}, ruleCell{who: "guests", user: "joe"}, ruleCell{who: "everybody", user: "joe"})
	for _, r := range ruleRequests {
		t.Run(harness.NoSlash(r.method+" "+r.name+" "+r.dst), func(t *testing.T) {
			t.Parallel()
			for _, name := range names {
				if strings.HasSuffix(name, "/") != strings.HasSuffix(r.dst, "/") && strings.HasPrefix(name+"/", "/new/") {
					continue // /new is either a file or a collection
				}
				for _, what := range []string{"read", "write-content", "write-properties", "bind", "unbind", "lock", "unlock", "hide"} {
					users := few
					if what == "hide" {
						users = all
					}
					for _, c := range users {
						c.what, c.name = what, name
						locked, owner := "", c.user
						switch r.method {
						case "UNLOCK":
							locked = r.name
						case "UNLOCK other":
							locked, owner = r.name, "jane"
							if c.user == "jane" {
								owner = "joe"
							}
						}
						srv, token := c.start(t, w, locked, "0", owner)
						m := ruleModel{newModel(w, fault{}), c}
						want := m.expect(r.method, r.name, r.dst)
						got := c.send(srv, r.method, r.name, r.dst, token)
						if g := harness.SortResponses(got.String()); g != want {
							t.Errorf("%s\n got %s\nwant %s", c, g, want)
						}
						if g := harness.TreeOf(srv).String(); g != m.Tree.String() {
							t.Errorf("%s: tree left\n got %s\nwant %s", c, g, m.Tree)
						}
						srv.Close()
					}
				}
			}
		})
	}
}

// differs matches what differs in two equal answers: tokens, and the seconds that a lock has left.
var differs = regexp.MustCompile(`urn:uuid:[-0-9a-f]+|Second-\d+`)

// TestHiddenIsAbsent sends each request to a server where a hidden resource is, as a file or as a
// collection, and to one where nothing is: the answers have to be the same to the byte. Not among
// them is the removal of a collection with a hidden member, which has to stay (§9.6.1): see
// TestMatrixRules.
func TestHiddenIsAbsent(t *testing.T) {
	const secret = "/c/h"
	worlds := [][]string{nil, {secret}, {secret + "/", secret + "/x", secret + "/y/z"}}
	type request struct {
		method, name, body string
		headers            []string
	}
	var requests []request
	for _, name := range []string{secret, secret + "/", secret + "/x", secret + "/y/z", secret + "/new"} {
		for _, method := range []string{"OPTIONS", "GET", "HEAD", "DELETE", "PROPFIND", "POST", "BREW"} {
			requests = append(requests, request{method, name, "", nil})
		}
		for _, h := range []string{"If-None-Match: *", "If-Match: *", "Expect: 100-continue", "Content-Range: bytes 0-1/2", "X-OC-Mtime: 1000000000", "Overwrite: F"} {
			requests = append(requests, request{"PUT", name, "content", []string{h}}, request{"MKCOL", name, "", []string{h}},
				request{"LOCK", name, harness.ExclusiveLock, []string{h}}, request{"PROPPATCH", name, propertyP, []string{h}},
				request{"COPY", "/free", "", []string{"Destination: " + name, h}}, request{"MOVE", "/free", "", []string{"Destination: " + name, h}},
				request{"COPY", "/t/", "", []string{"Destination: " + name, h}}, request{"MOVE", "/t/", "", []string{"Destination: " + name, h}},
				request{"COPY", name, "", []string{"Destination: /new", h}}, request{"MOVE", name, "", []string{"Destination: /new", h}})
		}
		for _, list := range []string{`(["x"])`, `(Not ["x"])`, `(Not <urn:x>)`, `(<urn:x>)`, `(Not <DAV:no-lock>)`, `(Not {token})`, `({token})`} {
			requests = append(requests, request{"PUT", "/free", "content", []string{"If: </c/h> " + list}},
				request{"PUT", "/free", "content", []string{"If: <" + name + "> " + list + " (<DAV:no-lock>)"}},
				request{"PROPPATCH", name, propertyP, []string{"If: " + list}})
		}
		requests = append(requests, request{"PUT", name, strings.Repeat("large", 20_000), nil}, request{"PUT", name, "", nil}, request{"MKCOL", name, "a body", nil},
			request{"LOCK", name, "", []string{"If: ({token})"}}, request{"UNLOCK", name, "", []string{"Lock-Token: {token}"}},
			request{"PROPFIND", name, "<bad", nil}, request{"GET", name, "", []string{"Range: bytes=0-0"}}, request{"GET", name, "", []string{"If-None-Match: *"}})
	}
	for _, name := range []string{"/c/", "/"} {
		for _, depth := range []string{"0", "1", "infinity"} {
			requests = append(requests, request{"PROPFIND", name, "<propfind xmlns='DAV:'><prop><resourcetype/><lockdiscovery/></prop></propfind>", []string{"Depth: " + depth}})
		}
		requests = append(requests, request{"GET", name, "", nil}, request{"OPTIONS", name, "", nil}, request{"LOCK", name, harness.ExclusiveLock, []string{"Depth: infinity"}})
	}
	requests = append(requests, request{"COPY", "/c/", "", []string{"Destination: /new/"}}, request{"COPY", "/t/", "", []string{"Destination: /c/"}})
	cell := ruleCell{"hide", "everybody", "joe", secret}
	for _, r := range requests {
		var first string
		for i, extra := range worlds {
			srv, token := cell.start(t, newTree(append([]string{"/c/a", "/t/h", "/t/z", "/free"}, extra...)...), "/c/", "infinity", "joe")
			headers := []string{harness.Credentials["joe"]}
			for _, h := range r.headers {
				headers = append(headers, strings.ReplaceAll(h, "{token}", "<"+token+">"))
			}
			if (r.method == "COPY" || r.method == "MOVE") && !strings.HasPrefix(strings.Join(r.headers, " "), "If: ") {
				headers = append(headers, "If: (<"+token+">) (Not <DAV:no-lock>)")
			}
			if r.method == "LOCK" && r.body != "" {
				srv.Send("UNLOCK", "/c/", "", harness.Credentials["joe"], "Lock-Token: <"+token+">")
			}
			got := srv.Send(r.method, r.name, r.body, headers...)
			header := http.Header(got.Header).Clone()
			for _, volatile := range []string{"Date", "Lock-Token", "Etag", "Last-Modified", "Content-Location"} {
				header.Del(volatile)
			}
			answer := differs.ReplaceAllString(fmt.Sprint(got.StatusCode, header, string(got.Body)), "-")
			if i == 0 {
				first = answer
			} else if answer != first {
				t.Errorf("%s %s %q with %q there\n got %s\nwant %s", r.method, r.name, r.headers, extra, answer, first)
			}
			for _, name := range extra {
				if !strings.Contains(" "+srv.Names()+" ", " "+name+" ") {
					t.Errorf("%s %s %q: %s is gone", r.method, r.name, r.headers, name)
				}
			}
			srv.Close()
		}
	}
}

// TestHiddenAround has what is hidden around a resource, or in its way: the answers do not name it.
func TestHiddenAround(t *testing.T) {
	const discovery = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	for _, tt := range []struct {
		rule, hide, allow string // joe sees all but hide, of which he may do everything in allow
		locked            string // by jane, with depth infinity
		request, body     string
		want              string
	}{
		{"RFC 4918 §9.10.3 a lock on a hidden member prevents one on its collection", "/c/h", "", "/c/h", "LOCK /c/", harness.ExclusiveLock, "423 no-conflicting-lock(/c/)"},
		{"§9.10.3 a hidden member does not", "/c/h", "", "", "LOCK /c/", harness.ExclusiveLock, "200"},
		{"§16 no-conflicting-lock does not name a hidden root", "/c", "/**/pub/**", "/c/", "LOCK /c/pub/f", harness.ExclusiveLock, "423 no-conflicting-lock(/c/pub/f)"},
		{"§16 lock-token-submitted does not name a hidden root", "/c", "/**/pub/**", "/c/", "PUT /c/pub/f", "", "423 lock-token-submitted(/c/pub/f)"},
		{"§7.4 nor does it for a new member", "/c", "/**/pub/**", "/c/", "PUT /c/pub/new", "", "423 lock-token-submitted(/c/pub/new)"},
		{"§15.8 nor does lockdiscovery", "/c", "/**/pub/**", "/c/", "PROPFIND /c/pub/f", discovery, "lockroot /c/pub/f"},
		{"§15.8 nor does it in a listing", "/c", "/**/pub/**", "/c/", "PROPFIND /c/pub/", discovery, "lockroot /c/pub/ lockroot /c/pub/"},
		{"§9.7.1 nothing is created in a hidden collection", "/c", "/**/pub/**", "", "PUT /c/new/pub", "", "409"},
		{"§9.7.1 be it there or not", "/c", "/**/pub/**", "", "PUT /c/d/pub", "", "409"},
		{"§9.3.1 MKCOL", "/c", "/**/pub/**", "", "MKCOL /c/d/pub/", "", "409"},
		{"§9.8.5 COPY", "/c", "/**/pub/**", "", "COPY /free > /c/d/pub", "", "409"},
		{"§9.9.4 MOVE", "/c", "/**/pub/**", "", "MOVE /free > /c/d/pub", "", "409"},
		{"§9.10.6 LOCK", "/c", "/**/pub/**", "", "LOCK /c/d/pub", harness.ExclusiveLock, "409"},
		{"what is there may be replaced", "/c", "/**/pub/**", "", "PUT /c/pub/f", "", "204"},
		{"and copied over", "/c", "/**/pub/**", "", "COPY /free > /c/pub/f", "", "204"},
	} {
		policy := &switchPolicy{}
		srv := harness.NewServer(t, &server.Options{Policy: policy})
		srv.Put("/free", "/c/a", "/c/h", "/c/d/x", "/c/pub/f")
		if tt.locked != "" {
			srv.Lock(tt.locked, harness.Credentials["jane"])
		}
		all := []rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}, {Who: []string{"joe"}, Hide: true, Path: tt.hide}}
		if tt.allow != "" {
			all = append(all, rules.Rule{Who: []string{"joe", "ann"}, Allow: []string{"all"}, Path: tt.allow})
		}
		list, err := rules.Compile(all, nil)
		if err != nil {
			t.Fatal(err)
		}
		policy.list.Store(list)
		request, dst, ok := strings.Cut(tt.request, " > ")
		method, name, _ := strings.Cut(request, " ")
		headers := []string{harness.Credentials["joe"]}
		if ok {
			headers = append(headers, "Destination: "+dst)
		}
		res := srv.Send(method, name, tt.body, headers...)
		got := harness.SortResponses(res.String())
		if method == "PROPFIND" {
			var roots []string
			for _, m := range regexp.MustCompile(`<D:lockroot><D:href>([^<]*)`).FindAllStringSubmatch(string(res.Body), -1) {
				roots = append(roots, "lockroot "+m[1])
			}
			got = strings.Join(roots, " ")
		}
		if got != tt.want {
			t.Errorf("%s\n%s: %s, want %s", tt.rule, tt.request, got, tt.want)
		}
	}
}
