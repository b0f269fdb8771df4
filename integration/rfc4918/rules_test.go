package rfc4918

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access/rules"
	"dav207/server/davtest"
)

// withRules starts a server with a few resources and rules: allow, deny or hide, the privileges, the
// user, the path and perhaps a property, or no policy if there are none.
func withRules(t *testing.T, opts server.Options, lines ...string) *davtest.Server {
	t.Helper()
	if len(lines) > 0 {
		opts.Policy = compiled(t, lines...)
	}
	srv := harness.NewServer(t, &opts)
	srv.Put("/c/f", "/c/d/x", "/jane/f", "/free")
	return srv
}

// current is a policy that can be replaced.
type current struct{ *rules.List }

func compiled(t *testing.T, lines ...string) *rules.List {
	t.Helper()
	var list []rules.Rule
	for _, line := range lines {
		f := strings.Fields(line)
		r := rules.Rule{Who: []string{f[2]}, Path: f[3]}
		switch what := strings.Split(f[1], ","); f[0] {
		case "allow":
			r.Allow = what
		case "deny":
			r.Deny = what
		default:
			r.Hide = true
		}
		if len(f) > 4 {
			r.Property = f[4]
		}
		list = append(list, r)
	}
	l, err := rules.Compile(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// credentials returns the header of a user, none for a guest.
func credentials(user string) []string {
	if user == "" {
		return nil
	}
	return []string{harness.Credentials[user]}
}

// TestAllowHeader has the methods that the user can use here or below (RFC 9110 §10.2.1), whatever
// is there.
func TestAllowHeader(t *testing.T) {
	const everything = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK"
	family := []string{"allow read everybody /**", "allow all jane /jane/**", "deny write jane /jane/kept/**", "allow bind joe /inbox/*", "hide - joe /jane"}
	for _, tt := range []struct {
		rules            []string
		readOnly         bool
		user, name, want string
	}{
		{nil, false, "", "/", everything},
		{nil, true, "", "/c/f", "OPTIONS, GET, HEAD, PROPFIND"},
		{family, false, "", "/", "OPTIONS, GET, HEAD, PROPFIND"},
		{family, false, "", "/jane/f", "OPTIONS, GET, HEAD, PROPFIND"},
		{family, false, "jane", "/", everything}, // below it she can
		{family, false, "jane", "/jane/f", everything},
		{family, false, "jane", "/jane/none", everything},
		{family, false, "jane", "/c/f", "OPTIONS, GET, HEAD, COPY, PROPFIND"},
		{family, false, "jane", "/jane/kept/x", "OPTIONS, GET, HEAD, COPY, PROPFIND, UNLOCK"},
		{family, true, "jane", "/jane/f", "OPTIONS, GET, HEAD, PROPFIND"},
		{family, false, "joe", "/inbox", "OPTIONS, GET, HEAD, PUT, MKCOL, COPY, PROPFIND"},
		{family, false, "joe", "/jane/f", "OPTIONS"},
		{family, false, "joe", "/jane/none", "OPTIONS"},
		{family, false, "", "/.dav207/x", "OPTIONS, GET, HEAD, PROPFIND"},
	} {
		srv := withRules(t, server.Options{ReadOnly: tt.readOnly}, tt.rules...)
		if got := srv.Do("OPTIONS", tt.name, credentials(tt.user)...).Header.Get("Allow"); got != tt.want {
			t.Errorf("%v, read-only %v: OPTIONS %s by %q: Allow: %s, want %s", tt.rules, tt.readOnly, tt.name, tt.user, got, tt.want)
		}
		want := strings.Split(tt.want, ", ")
		if res := srv.Do("POST", tt.name, credentials(tt.user)...); res.StatusCode != 405 || res.Header.Get("Allow") != strings.Join(want, ", ") {
			t.Errorf("POST %s by %q = %d, Allow: %s", tt.name, tt.user, res.StatusCode, res.Header.Get("Allow"))
		}
	}
}

// property returns the content of a property of name, or its status where it has none.
func property(t *testing.T, srv *davtest.Server, user, name, property string) string {
	t.Helper()
	res := srv.Send("PROPFIND", name, `<D:propfind xmlns:D="DAV:"><D:prop><D:`+property+`/></D:prop></D:propfind>`, append(credentials(user), "Depth: 0")...)
	m := regexp.MustCompile(`(?s)<D:` + property + `>(.*)</D:` + property + `>`).FindSubmatch(res.Body)
	if m == nil {
		return res.String()
	}
	return string(m[1])
}

// TestCurrentUserPrivilegeSet is RFC 3744 §5.4: "the exact set of privileges (as computed by the
// server) granted to the currently authenticated HTTP user".
func TestCurrentUserPrivilegeSet(t *testing.T) {
	some := []string{"allow read everybody /**", "allow all jane /jane/**", "allow write joe /c/**", "deny bind joe /c/d/*", "deny lock joe /c/f"}
	for _, tt := range []struct {
		rules            []string
		readOnly         bool
		user, name, want string
	}{
		{nil, false, "", "/c/", "write-content write-properties bind unbind write read"}, // without a policy nobody removes another's lock
		{nil, true, "jane", "/c/", "read"},
		{some, false, "", "/c/f", "read"},
		{some, false, "jane", "/jane/", "write-content write-properties bind unbind write read unlock all"},
		{some, false, "jane", "/jane/f", "write-content write-properties write read unlock all"},
		{some, false, "joe", "/c/", "write-content write-properties bind unbind write read"},
		{some, false, "joe", "/c/d/", "write-content write-properties unbind read"}, // §3.12: DAV:write contains DAV:bind
		{some, false, "joe", "/c/f", "write-content write-properties read"},         // and what controls LOCK
	} {
		srv := withRules(t, server.Options{ReadOnly: tt.readOnly}, tt.rules...)
		var got []string
		for _, m := range regexp.MustCompile(`<D:privilege><D:([^/]*)/></D:privilege>`).FindAllStringSubmatch(property(t, srv, tt.user, tt.name, "current-user-privilege-set"), -1) {
			got = append(got, m[1])
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%v: %s for %q: %s, want %s", tt.rules, tt.name, tt.user, g, tt.want)
		}
		if res := srv.Do("PROPFIND", tt.name, append(credentials(tt.user), "Depth: 0")...); strings.Contains(string(res.Body), "current-user") {
			t.Errorf("allprop has it: %s", res.Body)
		}
	}
}

// TestCurrentUserPrincipal follows RFC 5397 §3: the URL "MUST be one of the URLs in the
// DAV:principal-URL or DAV:alternate-URI-set properties defined on the principal resource".
func TestCurrentUserPrincipal(t *testing.T) {
	srv := withRules(t, server.Options{Prefix: "/d av"}, "allow read everybody /**")
	const name = "/.dav207/~jane"
	if got := property(t, srv, "", "/c/f", "current-user-principal"); got != "<D:unauthenticated/>" {
		t.Errorf("a guest is %s", got)
	}
	got := property(t, srv, "jane", "/c/f", "current-user-principal")
	if got != "<D:href>/d%20av"+name+"</D:href>" {
		t.Fatalf("jane is %s", got)
	}
	for p, want := range map[string]string{"principal-URL": got, "current-user-principal": got, "displayname": "jane", "resourcetype": "<D:principal/>"} {
		if got := property(t, srv, "jane", name, p); got != want {
			t.Errorf("%s is %s, want %s", p, got, want)
		}
	}
	if got := property(t, srv, "jane", name, "alternate-URI-set"); got != "207 /d%20av"+name+"=200[alternate-URI-set]" {
		t.Errorf("alternate-URI-set is %s", got)
	}
	for _, user := range []string{"", "joe"} {
		if res := srv.Do("PROPFIND", name, append(credentials(user), "Depth: 0")...); res.StatusCode != 404 {
			t.Errorf("PROPFIND of jane by %q = %d", user, res.StatusCode)
		}
	}
	for method, want := range map[string]int{"GET": 404, "DELETE": 404, "PUT": 403, "MKCOL": 403, "PROPPATCH": 404, "COPY": 404} {
		if res := srv.Do(method, name, credentials("jane")...); res.StatusCode != want {
			t.Errorf("%s of it = %d, want %d", method, res.StatusCode, want)
		}
	}
}

// TestRulesForLocks is access.Lock: RFC 3744 §3.2 has the right to lock in DAV:write.
func TestRulesForLocks(t *testing.T) {
	srv := withRules(t, server.Options{}, "allow all everybody /**", "deny lock joe /c/**")
	for _, tt := range []struct{ user, name, want string }{
		{"joe", "/c/f", "403"}, {"joe", "/c/new", "403"}, {"joe", "/", "207 /=424 /c/=403 /c/d/=403 /c/d/x=403 /c/f=403"},
		{"joe", "/free", "200"}, {"jane", "/c/f", "200"},
	} {
		if got := harness.SortResponses(srv.Send("LOCK", tt.name, harness.ExclusiveLock, credentials(tt.user)...).String()); got != tt.want {
			t.Errorf("LOCK %s by %s = %s, want %s", tt.name, tt.user, got, tt.want)
		}
	}
	if strings.Contains(srv.Names(), "/c/new") {
		t.Error("a refused LOCK left a file")
	}
	for user, want := range map[string]bool{"joe": false, "jane": true} {
		for _, depth := range []string{"0", "1"} {
			res := srv.Send("PROPFIND", "/c/d/", `<propfind xmlns="DAV:"><prop><supportedlock/></prop></propfind>`, append(credentials(user), "Depth: "+depth)...)
			if got := strings.Contains(string(res.Body), "lockentry"); got != want {
				t.Errorf("supportedlock for %s: %s", user, res.Body)
			}
		}
	}
	// A right that was withdrawn does not keep a lock alive.
	policy := &current{compiled(t, "allow all everybody /**")}
	srv = withRules(t, server.Options{Policy: policy})
	token := srv.Lock("/c/d/x", harness.Credentials["joe"])
	policy.List = compiled(t, "allow all everybody /**", "deny lock joe /c/**")
	if res := srv.Do("LOCK", "/c/d/x", harness.Credentials["joe"], "If: (<"+token+">)"); res.StatusCode != 403 {
		t.Errorf("refresh = %d, want 403", res.StatusCode)
	}
	if res := srv.Do("UNLOCK", "/c/d/x", harness.Credentials["joe"], "Lock-Token: <"+token+">"); res.StatusCode != 204 {
		t.Errorf("UNLOCK = %d, want 204 (RFC 3744 §3.5)", res.StatusCode)
	}
}

// TestRulesForLockRoots: a request that names a member of a locked collection is about the lock of
// the whole collection (RFC 4918 §9.10.2, §9.11), so the rules for that decide, too.
func TestRulesForLockRoots(t *testing.T) {
	for _, root := range []string{"deny unlock,lock joe /c", "hide - joe /c/**"} {
		policy := &current{compiled(t, "allow all everybody /**")}
		srv := withRules(t, server.Options{Policy: policy})
		hers := srv.Lock("/c/", harness.Credentials["jane"])
		below := []string{"allow all everybody /**", root, "allow all joe /c/d/**"}
		policy.List = compiled(t, below...)
		if res := srv.Do("UNLOCK", "/c/d/x", harness.Credentials["joe"], "Lock-Token: <"+hers+">"); res.StatusCode != 403 {
			t.Errorf("%s: UNLOCK of a lock that begins above = %d, want 403", root, res.StatusCode)
		}
		policy.List = compiled(t, "allow all everybody /**")
		if res := srv.Do("UNLOCK", "/c/d/x", harness.Credentials["joe"], "Lock-Token: <"+hers+">"); res.StatusCode != 204 {
			t.Errorf("UNLOCK with the right at the root, too = %d, want 204", res.StatusCode)
		}
		his := srv.Lock("/c/", harness.Credentials["joe"])
		for rules, want := range map[string]int{strings.Join(below, "|"): 403, "allow all everybody /**": 200} {
			policy.List = compiled(t, strings.Split(rules, "|")...)
			if res := srv.Do("LOCK", "/c/d/x", harness.Credentials["joe"], "If: (<"+his+">)"); res.StatusCode != want {
				t.Errorf("%s: refresh by a member = %d, want %d", rules, res.StatusCode, want)
			}
		}
		policy.List = compiled(t, below...)
		if res := srv.Do("UNLOCK", "/c/d/x", harness.Credentials["joe"], "Lock-Token: <"+his+">"); res.StatusCode != 204 {
			t.Errorf("%s: UNLOCK of one's own = %d, want 204 (RFC 3744 §3.5)", root, res.StatusCode)
		}
	}
}

// TestRulesForContentLanguage: GET shows no property that PROPFIND would not (RFC 9110 §8.5).
func TestRulesForContentLanguage(t *testing.T) {
	srv := withRules(t, server.Options{}, "allow all everybody /**", "deny read joe /** {DAV:}getcontentlanguage", "hide - guests /** {DAV:}getcontentlanguage")
	srv.Send("PROPPATCH", "/c/f", `<propertyupdate xmlns="DAV:"><set><prop><getcontentlanguage>da</getcontentlanguage></prop></set></propertyupdate>`, credentials("jane")...)
	for user, want := range map[string]string{"jane": "da", "joe": "", "": ""} {
		if got := srv.Do("GET", "/c/f", credentials(user)...).Header.Get("Content-Language"); got != want {
			t.Errorf("Content-Language for %q: %q, want %q", user, got, want)
		}
	}
}

// TestRulesForPropertiesOverHTTP reads, lists, writes and copies properties of which some are denied
// and some hidden.
func TestRulesForPropertiesOverHTTP(t *testing.T) {
	srv := withRules(t, server.Options{}, "allow all everybody /**", "deny read,write-properties joe /c/** {x:}denied", "hide - joe /c/** {x:}hidden",
		"hide - joe /c/** {DAV:}getetag", "deny write-properties joe /** {DAV:}getlastmodified", "deny write-properties joe /free", "deny write-properties joe /** {DAV:}creationdate")
	set := func(user, name string, names ...string) string {
		body := ""
		for _, n := range names {
			body += "<x:" + n + ">v</x:" + n + ">"
		}
		return srv.Send("PROPPATCH", name, `<propertyupdate xmlns="DAV:" xmlns:x="x:"><set><prop>`+body+`</prop></set></propertyupdate>`, credentials(user)...).String()
	}
	if got, want := set("jane", "/c/f", "denied", "hidden", "open"), "207 /c/f=200[denied hidden open]"; got != want {
		t.Fatalf("PROPPATCH = %s, want %s", got, want)
	}
	if got, want := set("joe", "/c/f", "hidden"), "207 /c/f=403[hidden]"; got != want {
		t.Errorf("PROPPATCH = %s, want %s", got, want)
	}
	find := func(user, name, body string) string {
		return string(srv.Send("PROPFIND", name, `<D:propfind xmlns:D="DAV:" xmlns:x="x:">`+body+`</D:propfind>`, append(credentials(user), "Depth: 0")...).Body)
	}
	parts := regexp.MustCompile(`(?s)<D:propstat>.*?</D:propstat>`)
	for _, tt := range []struct {
		rule, body      string
		status          string // of hidden, or "" where it is not named
		denied          string
		withoutTheirOwn bool
	}{
		{"§9.1 prop", "<D:prop><x:denied/><x:hidden/><x:open/><D:getetag/></D:prop>", "404", "403", false},
		{"§9.1 allprop", "<D:allprop/>", "", "403", false},
		{"§14.8 include", "<D:allprop/><D:include><x:hidden/><D:getetag/></D:include>", "404", "403", false},
		{"§9.1.4 propname", "<D:propname/>", "", "200", false},
	} {
		body := find("joe", "/c/f", tt.body)
		for _, name := range []string{"hidden", "getetag", "denied", "open"} {
			status := ""
			for _, p := range parts.FindAllString(body, -1) {
				if regexp.MustCompile(`:` + name + `[ />]`).MatchString(p) {
					status += regexp.MustCompile(`HTTP/1.1 (\d+)`).FindStringSubmatch(p)[1]
				}
			}
			want := map[string]string{"hidden": tt.status, "getetag": tt.status, "denied": tt.denied, "open": "200"}[name]
			if status != want {
				t.Errorf("%s: %s is %q, want %q\n%s", tt.rule, name, status, want, body)
			}
		}
	}
	// §9.8.2: what may not be read does not come along to where it could be.
	for user, want := range map[string]string{"joe": "open", "jane": "denied hidden open"} {
		for _, dst := range []string{"/copy-" + user, "/tree-" + user + "/"} {
			src, at := "/c/f", dst
			if strings.HasSuffix(dst, "/") {
				src, at = "/c/", dst+"f"
			}
			if res := srv.Do("COPY", src, append(credentials(user), "Destination: "+dst)...); res.StatusCode != 201 {
				t.Fatalf("COPY = %s", res)
			}
			var got []string
			for _, m := range regexp.MustCompile(`<[^/:>]*:(denied|hidden|open)[ />]`).FindAllStringSubmatch(find("jane", at, "<D:propname/>"), -1) {
				got = append(got, m[1])
			}
			slices.Sort(got)
			if g := strings.Join(got, " "); g != want {
				t.Errorf("a copy by %s has %s, want %s", user, g, want)
			}
		}
	}
	// RFC 3744 Appendix B: COPY over a resource takes write-properties on it.
	if res := srv.Do("COPY", "/c/d/x", append(credentials("joe"), "Destination: /free")...); res.StatusCode != 403 {
		t.Errorf("COPY = %s, want 403", res)
	}
	// COPY over a resource changes no property that PROPPATCH could not.
	if res := srv.Do("COPY", "/c/d/x", append(credentials("jane"), "Destination: /from")...); res.StatusCode != 201 {
		t.Fatalf("COPY = %s", res)
	}
	set("jane", "/from", "denied", "new")
	for name, want := range map[string]string{"/c/f": "denied:old new:v", "/c/d/": "denied:old"} {
		src := "/from"
		if strings.HasSuffix(name, "/") {
			src = "/jane/"
		}
		srv.Send("PROPPATCH", name, `<propertyupdate xmlns="DAV:" xmlns:x="x:"><set><prop><x:denied>old</x:denied><x:open>old</x:open></prop></set></propertyupdate>`, credentials("jane")...)
		if res := srv.Do("COPY", src, append(credentials("joe"), "Destination: "+name)...); res.StatusCode != 204 {
			t.Fatalf("COPY = %s", res)
		}
		var got []string
		for _, m := range regexp.MustCompile(`<[^/:>]*:(denied|open|new)[^>]*>([^<]+)<`).FindAllStringSubmatch(find("jane", name, "<D:prop><x:denied/><x:open/><x:new/></D:prop>"), -1) {
			got = append(got, m[1]+":"+m[2])
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != want {
			t.Errorf("after COPY over %s: %s, want %s", name, g, want)
		}
	}
	// X-OC-Mtime and X-OC-CTime set properties.
	for user, want := range map[string]string{"jane": "accepted", "joe": ""} {
		res := srv.Send("PUT", "/new-"+user, "x", append(credentials(user), "X-OC-Mtime: 1000000000", "X-OC-CTime: 1000000000")...)
		if got := res.Header; res.StatusCode != 201 || got.Get("X-OC-Mtime") != want || got.Get("X-OC-CTime") != want {
			t.Errorf("PUT by %s = %d %v", user, res.StatusCode, got)
		}
	}
}
