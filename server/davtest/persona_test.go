package davtest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const personaTree = `-- /c/1 --
one
-- /c/d/ --
-- properties /c/1 --
<a xmlns="x:" xmlns:D="DAV:" D:z="1">Ann <D:b/></a>
-- times --
2024-02-29T12:00:00Z /c/1
`

const (
	listing   = `<propfind xmlns="DAV:"><prop><displayname/><getcontentlength/><getcontenttype/><getetag/><getlastmodified/><resourcetype/></prop></propfind>`
	creations = `<propfind xmlns="DAV:"><prop><creationdate/><displayname/><lockdiscovery/></prop></propfind>`
	unknown   = `<propfind xmlns="DAV:"><prop><nothing/></prop></propfind>`
	patch     = `<propertyupdate xmlns="DAV:"><set><prop><b xmlns="x:">1</b></prop></set></propertyupdate>`
	protected = `<propertyupdate xmlns="DAV:"><set><prop><b xmlns="x:">1</b><getetag>"1"</getetag></prop></set></propertyupdate>`
)

// personaCase is a request that shows a difference of personas. The answer has want and lacks not.
type personaCase struct {
	personas, about    string
	prepare            func(*Server)
	method, name, body string
	headers            []string
	want, not          string
}

func fails(method, path string, status int) func(*Server) {
	return func(s *Server) { s.Fail(method, path, status) }
}

func holdsLock(s *Server) { s.Lock("/c/1") }

// unlocks takes a lock and gives it back, all in the dialect of the persona.
func unlocks(s *Server) {
	r := s.Send("LOCK", "/c/1", lockInfo)
	token := r.Header.Get("Lock-Token")
	if put := s.Send("PUT", "/c/1", "two", "If: ("+token+")"); put.StatusCode/100 != 2 {
		s.t.Errorf("PUT with the token %s = %v", token, put)
	}
	if unlock := s.Do("UNLOCK", "/c/1", "Lock-Token: "+token); unlock.StatusCode != http.StatusNoContent {
		s.t.Errorf("UNLOCK %s = %v", token, unlock)
	}
	s.Lock("/c/1")
}

var personaCases = []personaCase{
	{personas: "apache", about: "Server", method: "GET", name: "/c/1", want: "Server: [Apache]\n"},
	{personas: "apache", about: "DAV and Allow, without spaces", method: "OPTIONS", name: "/c/1",
		want: "Allow: [OPTIONS,GET,HEAD,POST,DELETE,TRACE,PROPFIND,PROPPATCH,COPY,MOVE,PUT,LOCK,UNLOCK]\nContent-Length: [0]\nDate: [Thu, 01 Jan 2026 00:00:00 GMT]\nDav: [1,2 <http://apache.org/dav/propset/fs/1>]\n"},
	{personas: "apache", about: "a listing of Depth: infinity is refused", method: "PROPFIND", name: "/c/", want: "403\n"},
	{personas: "apache", about: "lock tokens are of the scheme opaquelocktoken", prepare: unlocks, method: "PROPFIND", name: "/c/1", body: creations, headers: []string{"Depth: 0"},
		want: "<D:href>opaquelocktoken:"},
	{personas: "apache", about: "no displayname", method: "PROPFIND", name: "/c/1", body: listing, want: "<D:displayname/></D:prop><D:status>HTTP/1.1 404 "},
	{personas: "apache", about: "a member that cannot be read: all properties are 404, and for allprop a status of the response, 200", prepare: fails("PROPFIND", "/c/1", 403),
		method: "PROPFIND", name: "/c/", headers: []string{"Depth: 1"}, want: "<D:href>/c/1</D:href><D:status>HTTP/1.1 200 OK</D:status></D:response>"},
	{personas: "apache", about: "a member that cannot be read: all properties are 404, and for allprop a status of the response, 200", prepare: fails("PROPFIND", "/c/1", 403),
		method: "PROPFIND", name: "/c/", body: listing, headers: []string{"Depth: 1"}, want: "<lp1:resourcetype/></D:prop><D:status>HTTP/1.1 404 Not Found", not: "403"},
	{personas: "apache", about: "the entity tag is weak in the first second", prepare: func(s *Server) { s.Write("/c/1", "new") }, method: "PROPFIND", name: "/c/1", body: listing, want: `>W/"`},
	{personas: "apache", about: "the entity tag is weak in the first second", prepare: func(s *Server) { s.Write("/c/1", "new") }, method: "GET", name: "/c/1", want: `Etag: [W/"`},
	{personas: "apache,nginx", about: "no entity tag after PUT", method: "PUT", name: "/new", want: "201\n", not: "Etag"},
	{personas: "apache", about: "201 has an absolute Location", method: "PUT", name: "/n w", want: "Location: [http://HOST/n%20w]"},
	{personas: "apache", about: "members that are locked: a DELETE is 424, with a multistatus in the body", prepare: fails("DELETE", "/c/1", 423), method: "DELETE", name: "/c/",
		want: "424\n"},
	{personas: "apache", about: "the prefix of live properties is lp1", method: "PROPFIND", name: "/c/", body: listing, headers: []string{"Depth: 0"},
		want: "<lp1:resourcetype><D:collection/></lp1:resourcetype>"},
	{personas: "apache", about: "the status line of a property that failed ends in (status)", method: "PROPPATCH", name: "/c/1", body: protected, want: "HTTP/1.1 424 (status)"},
	{personas: "apache", about: "the media type of XML is text/xml", method: "LOCK", name: "/c/1", body: lockInfo, want: `Content-Type: [text/xml; charset="utf-8"]`},
	{personas: "apache", about: "errors are pages, without a condition", prepare: holdsLock, method: "DELETE", name: "/c/1", want: "<h1>Locked</h1>", not: "D:error"},

	{personas: "nginx", about: "Server", method: "GET", name: "/c/1", want: "Server: [nginx]\n"},
	{personas: "nginx", about: "DAV is 2 without 1; one Allow for all", method: "OPTIONS", name: "/c/", want: "Dav: [2]\n", not: "Author"},
	{personas: "nginx", about: "no PROPPATCH", method: "PROPPATCH", name: "/c/1", body: patch, want: "405\n"},
	{personas: "nginx", about: "a listing of Depth: infinity is refused, without the condition", method: "PROPFIND", name: "/c/", headers: []string{"Depth: infinity"}, want: "403\n", not: "D:"},
	{personas: "nginx", about: "PROPFIND without Depth is Depth: 0", method: "PROPFIND", name: "/c/", want: "<D:href>/c/</D:href>", not: "<D:href>/c/1"},
	{personas: "nginx", about: "MKCOL without a slash at the end is 409", method: "MKCOL", name: "/new", want: "409\n"},
	{personas: "nginx", about: "DELETE of a collection without a slash at the end is 409", method: "DELETE", name: "/c", want: "409\n"},
	{personas: "nginx", about: "a DELETE of which a part failed is 500", prepare: fails("DELETE", "/c/1", 403), method: "DELETE", name: "/c/", want: "500\n"},
	{personas: "nginx", about: "a COPY of which a part failed is 201", prepare: fails("COPY", "/c/1", 403), method: "COPY", name: "/c/", headers: []string{"Destination: /new/"}, want: "201\n", not: "<"},
	{personas: "nginx", about: "COPY and MOVE of a file are 204, new or not", method: "COPY", name: "/c/1", headers: []string{"Destination: /new"}, want: "204\n"},
	{personas: "nginx", about: "a PROPFIND has six properties, and no 404 for others", method: "PROPFIND", name: "/c/1", body: listing, want: "<D:displayname>1<", not: "getetag"},
	{personas: "nginx", about: "the Request-URI's own href has no slash if the Request-URI has none", method: "PROPFIND", name: "/c", headers: []string{"Depth: 1"}, want: "<D:href>/c</D:href>"},
	{personas: "nginx", about: "the media type of XML is text/xml", method: "PROPFIND", name: "/c/1", want: "Content-Type: [text/xml; charset=utf-8]"},
	{personas: "nginx", about: "errors are pages, those with a status that nginx does not know are empty", method: "GET", name: "/none", want: "<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx"},
	{personas: "nginx", about: "errors are pages, those with a status that nginx does not know are empty", prepare: holdsLock, method: "DELETE", name: "/c/1", want: "423\nContent-Length: [0]\n", not: "<"},

	{personas: "iis", about: "Server", method: "GET", name: "/c/1", want: "Server: [Microsoft-IIS/10.0]\n"},
	{personas: "iis", about: "Allow of a collection lacks PUT and DELETE, and comes once more as Public", method: "OPTIONS", name: "/", want: "Public: [OPTIONS, TRACE", not: "PUT"},
	{personas: "iis", about: "hrefs are absolute", method: "PROPFIND", name: "/c/", headers: []string{"Depth: 1"}, want: "<D:href>http://HOST/c/1</D:href>"},
	{personas: "iis", about: "the status stands first in a propstat", method: "PROPFIND", name: "/c/1", want: "<D:propstat><D:status>HTTP/1.1 200 OK</D:status><D:prop>"},
	{personas: "iis", about: "collections have a length of 0, an empty type and an empty entity tag", method: "PROPFIND", name: "/c/", body: listing, headers: []string{"Depth: 0"},
		want: "<D:getcontentlength>0</D:getcontentlength><D:getcontenttype/><D:getetag/></D:prop>", not: "404"},
	{personas: "iis", about: "allprop has ishidden and iscollection", method: "PROPFIND", name: "/c/", headers: []string{"Depth: 0"}, want: "<D:ishidden>0</D:ishidden><D:iscollection>1<"},
	{personas: "iis", about: "creationdate has milliseconds", method: "PROPFIND", name: "/c/1", body: creations, want: ".000Z</D:creationdate>"},
	{personas: "iis", about: "entity tags end in :0", prepare: func(s *Server) {
		tag := s.Do("GET", "/c/1").Header.Get("ETag")
		if r := s.Send("PUT", "/c/1", "two", "If-Match: "+tag); r.StatusCode != 204 {
			s.t.Errorf("PUT with If-Match: %s = %v", tag, r)
		}
	}, method: "PROPFIND", name: "/c/1", body: listing, want: `:0"</D:getetag>`},

	{personas: "sabre", about: "the version", method: "GET", name: "/c/1", want: "X-Sabre-Version: [4.7.1]"},
	{personas: "sabre", about: "DAV, and Allow without MKCOL for what exists", method: "OPTIONS", name: "/none", want: "REPORT, MKCOL, LOCK, UNLOCK]"},
	{personas: "sabre", about: "the root declares the prefix s", method: "PROPFIND", name: "/c/1", want: `<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"`},
	{personas: "sabre,nextcloud", about: "the prefix of DAV: is d", method: "PROPFIND", name: "/c/1", want: `<ns:a xmlns:ns="x:" D:z="1">Ann <d:b/></ns:a>`},
	{personas: "sabre,nextcloud", about: "the prefix of DAV: is d", method: "LOCK", name: "/c/1", body: lockInfo, want: `<d:prop xmlns:d="DAV:"`},
	{personas: "sabre,nextcloud", about: "the XML declaration has no encoding", method: "PROPFIND", name: "/c/1", want: `<?xml version="1.0"?>` + "\n<d:m"},
	{personas: "sabre,nextcloud", about: "PROPFIND of Depth: infinity, or without Depth, is Depth: 1", prepare: func(s *Server) { s.Put("/c/d/deep") },
		method: "PROPFIND", name: "/c/", want: "<d:href>/c/d/</d:href>", not: "deep"},
	{personas: "sabre,nextcloud", about: "lock tokens are of the scheme opaquelocktoken", prepare: unlocks, method: "PROPFIND", name: "/c/1", body: creations, want: "<d:href>opaquelocktoken:"},
	{personas: "sabre,nextcloud", about: "no displayname and no creationdate", method: "PROPFIND", name: "/c/1", want: "getetag", not: "displayname"},
	{personas: "sabre,nextcloud", about: "Prefer: return=minimal: no 404 in a PROPFIND", method: "PROPFIND", name: "/c/1", body: unknown, headers: []string{"Prefer: return=minimal"},
		want: "<d:propstat><d:prop></d:prop><d:status>HTTP/1.1 418 I'm a teapot", not: "404"},
	{personas: "sabre,nextcloud", about: "Prefer: return=minimal: a PROPPATCH that succeeded is 204", method: "PROPPATCH", name: "/c/1", body: patch, headers: []string{"Brief: t"}, want: "204\n", not: "<"},
	{personas: "sabre,nextcloud", about: "a DELETE ends at the first member that fails, with its status", prepare: fails("DELETE", "/c/1", 423), method: "DELETE", name: "/c/", want: "423\n"},
	{personas: "sabre,nextcloud", about: "GET of a collection is 501, HEAD is 200", method: "GET", name: "/c/", want: "501\n", not: "<html"},
	{personas: "sabre,nextcloud", about: "errors are XML with an exception", prepare: holdsLock, method: "DELETE", name: "/c/1",
		want: `<s:exception>Sabre\DAV\Exception\Locked</s:exception><s:message>Locked</s:message><d:lock-token-submitted><d:href>/c/1</d:href></d:lock-token-submitted></d:error>`},
	{personas: "nextcloud", about: "DAV without class 2, and Allow without MKCOL", method: "OPTIONS", name: "/c/", want: "REPORT]\nContent-Length: [0]\nDate: [Thu, 01 Jan 2026 00:00:00 GMT]\nDav: [1, 3, "},
	{personas: "nextcloud", about: "the root declares the prefixes s, oc and nc", method: "PROPFIND", name: "/c/1", want: ` xmlns:nc="http://nextcloud.org/ns"`},
	{personas: "nextcloud", about: "OC-ETag is the entity tag once more", method: "PUT", name: "/c/1", want: "Oc-Etag: [\""},
	{personas: "nextcloud", about: "a file is an attachment", method: "GET", name: "/c/1", want: `Content-Disposition: [attachment; filename*=UTF-8''1; filename="1"]`},

	{personas: "xnet", about: "DAV and Allow: a collection lacks GET, MKCOL and PUT", method: "OPTIONS", name: "/c/", want: "COPY, MOVE, UNLOCK, PROPFIND]"},
	{personas: "xnet", about: "MOVE without Overwrite does not overwrite", prepare: func(s *Server) { s.Put("/to") }, method: "MOVE", name: "/c/1", headers: []string{"Destination: /to"}, want: "412\n"},
	{personas: "xnet", about: "lock tokens are no URIs", prepare: unlocks, method: "LOCK", name: "/c/d/", body: lockInfo, want: "Lock-Token: [<", not: "urn:"},
	{personas: "xnet", about: "GET of a collection is 405", method: "GET", name: "/c/", want: "405\n", not: "<"},
	{personas: "xnet", about: "a PUT that replaces is 201", method: "PUT", name: "/c/1", want: "201\n"},
	{personas: "xnet", about: "no Last-Modified after PUT", method: "PUT", name: "/c/1", want: "Etag", not: "Last-Modified"},
	{personas: "xnet", about: "a DELETE of which a part failed is 405", prepare: fails("DELETE", "/c/1", 423), method: "DELETE", name: "/c/", want: "405\n"},
	{personas: "xnet", about: "a COPY or MOVE of which a part failed is 403", prepare: fails("COPY", "/c/1", 507), method: "COPY", name: "/c/", headers: []string{"Destination: /new/"}, want: "403\n"},
	{personas: "xnet", about: "no creationdate and no lockdiscovery", method: "PROPFIND", name: "/c/1", body: creations, want: "<D:creationdate/><D:lockdiscovery/></D:prop><D:status>HTTP/1.1 404"},
	{personas: "xnet", about: "a member that cannot be read is left out", prepare: fails("PROPFIND", "/c/1", 403), method: "PROPFIND", name: "/c/", headers: []string{"Depth: 1"}, want: "207\n", not: "/c/1"},
	{personas: "xnet", about: "the media type of a multistatus is text/xml", method: "PROPFIND", name: "/c/1", want: "Content-Type: [text/xml; charset=utf-8]"},
	{personas: "xnet", about: "the XML declaration of a multistatus", method: "PROPFIND", name: "/c/1", want: `<?xml version="1.0" encoding="UTF-8"?><D:m`},
	{personas: "xnet", about: "a status has its text as body, without a condition", prepare: holdsLock, method: "PUT", name: "/c/1", want: "\n\nLocked", not: "D:error"},
}

// shows reports whether a server with these differences shows that of the case.
func (c *personaCase) shows(t *testing.T, p *persona, log tester) (bool, string) {
	s := New(t, &Options{Tree: personaTree, Lenient: true})
	defer s.Close()
	s.t = log
	s.persona.Store(p)
	if c.prepare != nil {
		c.prepare(s)
	}
	r := s.Send(c.method, c.name, c.body, c.headers...)
	var b strings.Builder
	fmt.Fprintln(&b, r.StatusCode)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintln(&b, name+":", r.Header[name])
	}
	got := strings.ReplaceAll(b.String()+"\n"+string(r.Body), strings.TrimPrefix(s.URL, "http://"), "HOST")
	return strings.Contains(got, c.want) && (c.not == "" || !strings.Contains(got, c.not)), got
}

// quiet is the tester of a server whose failures are expected.
type quiet struct{ tester }

func (quiet) Errorf(string, ...any) {}

// TestPersonas shows each difference of each persona, and that it does not show without it.
func TestPersonas(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range personaCases {
		for _, name := range strings.Split(c.personas, ",") {
			t.Run(name+"/"+c.about+" "+c.method, func(t *testing.T) {
				differences := personas[name]
				i := slices.IndexFunc(differences, func(d difference) bool { return d.about == c.about })
				if i < 0 {
					t.Fatalf("%s has no such difference", name)
				}
				shown[name+c.about] = true
				if ok, got := c.shows(t, &persona{name, differences}, t); !ok {
					t.Errorf("%s %s, want %q, not %q:\n%s", c.method, c.name, c.want, c.not, got)
				}
				without := slices.Delete(slices.Clone(differences), i, i+1)
				if ok, got := c.shows(t, &persona{name, without}, quiet{t}); ok {
					t.Errorf("%s %s shows the same without the difference:\n%s", c.method, c.name, got)
				}
			})
		}
	}
	for name, differences := range personas {
		for _, d := range differences {
			if !shown[name+d.about] {
				t.Errorf("%s: no case shows %q", name, d.about)
			}
			if d.source == "" || (d.asked == nil && d.answered == nil) {
				t.Errorf("%s: %q lacks its source or its effect", name, d.about)
			}
		}
	}
}

func TestSetPersona(t *testing.T) {
	const names = "apache, iis, nextcloud, nginx, sabre, xnet"
	if got := strings.Join(Personas(), ", "); got != names {
		t.Errorf("Personas() = %s, want %s", got, names)
	}
	want := `there is no persona "lighttpd": they are ` + names
	if _, err := Start(&Options{Persona: "lighttpd"}); err == nil || err.Error() != want {
		t.Errorf("Start = %v, want %s", err, want)
	}
	s := New(t, &Options{Persona: "nginx"})
	server := func(name string) {
		t.Helper()
		if got := s.Do("GET", "/").Header.Get("Server"); got != name {
			t.Errorf("Server: %q, want %q", got, name)
		}
	}
	server("nginx")
	for _, name := range []string{"apache", "", "iis"} {
		if err := s.SetPersona(name); err != nil || s.Persona() != name {
			t.Errorf("SetPersona(%q) = %v, Persona() = %q", name, err, s.Persona())
		}
	}
	if err := s.SetPersona("none"); err == nil || s.Persona() != "iis" {
		t.Errorf("SetPersona(none) = %v, Persona() = %q", err, s.Persona())
	}
	server("Microsoft-IIS/10.0")
	s.Reset()
	server("nginx")
}

// TestPersonaOrder holds the order of journal, faults on the wire, persona and users: the answer of
// a fault is its own, that of a missing password is the persona's, also where the persona refuses.
func TestPersonaOrder(t *testing.T) {
	s := New(t, &Options{Persona: "nginx", Users: map[string]string{"jane": "secret"}})
	for _, method := range []string{"GET", "PROPPATCH"} {
		if r := s.Do(method, "/"); r.StatusCode != 401 || !strings.Contains(string(r.Body), "401 Authorization Required") || r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s = %d %v %s", method, r.StatusCode, r.Header, r.Body)
		}
	}
	s.Wire("GET", "/a").Answer(404, "none")
	if r := s.Do("GET", "/a"); string(r.Body) != "none" || r.Header.Get("Server") != "" {
		t.Errorf("the answer of a fault is %v %s", r.Header, r.Body)
	}
	if got := s.Journal()[0].ResponseHeader.Get("Server"); got != "nginx" {
		t.Errorf("the journal has Server: %q", got)
	}
	malformed := New(t, &Options{Persona: "sabre", Tree: "-- /a --\n"})
	malformed.Wire("PROPFIND", "/a").Malformed()
	req, _ := http.NewRequest("PROPFIND", malformed.URL+"/a", nil)
	res, err := malformed.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); !strings.HasSuffix(string(b), "</d:response>") {
		t.Errorf("a malformed answer of sabre is %s", b)
	}
}

// TestPersonaLocks holds that a lock of Server.Lock is known as such whatever its token looks like.
func TestPersonaLocks(t *testing.T) {
	for _, name := range Personas() {
		s := New(t, &Options{Persona: name, Tree: "-- /a --\n"})
		s.Lock("/a")
	}
}

// TestPersonaStreams holds that the content of a GET is not held back, and that a 207 that is no
// multistatus is sent as it is.
func TestPersonaStreams(t *testing.T) {
	more := make(chan struct{})
	s := New(t, &Options{Persona: "xnet"})
	h := s.asPersona(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMultiStatus)
			io.WriteString(w, "no multistatus")
			return
		}
		io.WriteString(w, "first")
		http.NewResponseController(w).Flush()
		<-more
		io.WriteString(w, " last")
	}))
	srv := New(t, &Options{Wrap: func(http.Handler) http.Handler { return h }})
	post, err := srv.Client().Post(srv.URL+"/f", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer post.Body.Close()
	if b, err := io.ReadAll(post.Body); err != nil || string(b) != "no multistatus" {
		t.Errorf("POST = %s, %v", b, err)
	}
	res, err := srv.Client().Get(srv.URL + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	timer := time.AfterFunc(10*time.Second, func() { close(more) })
	first := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, first); !timer.Stop() || err != nil || string(first) != "first" {
		t.Errorf("%q, %v before the end of the answer", first, err)
	}
	close(more)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != " last" {
		t.Errorf("%q, %v at the end", rest, err)
	}
}
