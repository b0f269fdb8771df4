package clients

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/props"
	"dav207/server"
	"dav207/server/multistatus"
)

// Requirement 1.
func testOptionsEverywhere(t *testing.T) {
	files, _ := harness.Backends[0].Open(t)
	s := harness.Serve(t, files, &server.Options{Prefix: "/dav/team"})
	s.Want(201, "PUT", "/f", "x")
	for _, target := range []string{"*", "/", "/dav", "/dav/", "/dav/team", "/dav/team/", "/dav/team/f", "/dav/team/none/x", "/elsewhere", "/dav/teams"} {
		conn := s.Dial()
		fmt.Fprintf(conn, "OPTIONS %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target)
		a := readAnswer(t, conn)
		methods := strings.Split(a.Header.Get("Allow"), ", ")
		slices.Sort(methods)
		want := strings.Fields("COPY DELETE GET HEAD LOCK MKCOL MOVE OPTIONS PROPFIND PROPPATCH PUT UNLOCK")
		if a.Status != 200 || a.Body != "" || a.Header.Get("DAV") != "1, 2, 3" || a.Header.Get("MS-Author-Via") != "DAV" || !slices.Equal(methods, want) {
			t.Errorf("OPTIONS %s = %+v", target, a)
		}
	}
}

// Requirement 13.
func testListing(t *testing.T) {
	const n = 5000
	srv := harness.NewServer(t, &server.Options{Prefix: "/my dav"})
	srv.Put("/c/ä b&c#.png", "/c/sub/deeper")
	for i := range n {
		srv.Put(fmt.Sprintf("/c/%05d.txt", i))
	}
	opened := srv.Files.Fail(faultfs.Open, "/c/*", syscall.EIO)
	looked := srv.Files.Fail(faultfs.Stat, "/c/*", nil).Do(nil)
	r := srv.Send("PROPFIND", "/c", `<propfind xmlns="DAV:"><allprop/></propfind>`, "Depth: 1")
	if r.StatusCode != 207 || len(r.Responses) != n+3 {
		t.Fatalf("PROPFIND = %d with %d responses, want 207 with %d", r.StatusCode, len(r.Responses), n+3)
	}
	if got := opened.Calls(); got != 0 {
		t.Errorf("the server opened %d files, want none", got)
	}
	if got := looked.Calls(); got > n+2 {
		t.Errorf("the server called stat for members %d times, want once each", got)
	}
	if got := r.Responses[0].Href; got != "/my%20dav/c/" {
		t.Errorf("the first response is for %s, want the collection", got)
	}
	if r.Header.Get("Content-Length") != "" {
		t.Errorf("a long listing has a Content-Length, so it was not streamed")
	}
	hrefs := map[string]int{}
	for _, m := range r.Responses {
		hrefs[m.Href]++
	}
	for _, want := range []string{"/my%20dav/c/", "/my%20dav/c/sub/", "/my%20dav/c/%C3%A4%20b%26c%23.png", "/my%20dav/c/00000.txt"} {
		if hrefs[want] != 1 {
			t.Errorf("%s occurs %d times, want once", want, hrefs[want])
		}
	}
	for _, m := range r.Responses {
		if got, _ := valueOf(m, "getcontenttype"); m.Href == "/my%20dav/c/%C3%A4%20b%26c%23.png" && got != "image/png" {
			t.Errorf("the type of %s is %q, want that of the suffix", m.Href, got)
		}
	}
	if got := srv.Do("PROPFIND", "/c/sub/", "Depth: 0").Responses; len(got) != 1 {
		t.Errorf("Depth: 0 has %d responses", len(got))
	}
}

// valueOf returns the content of a DAV: property with status 200.
func valueOf(m multistatus.Response, local string) (value string, ok bool) {
	for _, ps := range m.Propstat {
		for _, p := range ps.Prop {
			if ps.Status == http.StatusOK && p.XMLName == props.DAV(local) {
				return string(p.InnerXML), true
			}
		}
	}
	return "", false
}

// Requirement 14.
func testPropstats(t *testing.T) {
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		s.Want(201, "MKCOL", "/c", "")
		s.Want(201, "PUT", "/c/f", "x")
		a := s.Want(207, "PROPFIND", "/c", `<propfind xmlns="DAV:"><prop><displayname/><getcontentlength/><unknown xmlns="urn:x"/><resourcetype/></prop></propfind>`, "Depth", "1")
		for _, r := range harness.DecodeMultistatus(s, a.Body) {
			if r.Status != "" || len(r.Propstat) != 2 || r.Propstat[0].Status != "HTTP/1.1 200 OK" || r.Propstat[1].Status != "HTTP/1.1 404 Not Found" {
				t.Errorf("%s has %+v", r.Href, r)
			}
		}
	}
}

// Requirement 15.
func testDates(t *testing.T) {
	rfc1123 := regexp.MustCompile(`<D:getlastmodified>(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (19[789]\d|[2-9]\d\d\d) \d\d:\d\d:\d\d GMT<`)
	rfc3339 := regexp.MustCompile(`<D:creationdate>(19[789]\d|[2-9]\d\d\d)-\d\d-\d\dT\d\d:\d\d:\d\dZ<`)
	const both = `<propfind xmlns="DAV:"><prop><getlastmodified/><creationdate/></prop></propfind>`
	for _, b := range harness.Backends {
		files, dir := b.Open(t)
		s := harness.Serve(t, files, nil)
		s.Want(201, "MKCOL", "/c", "")
		s.Want(201, "PUT", "/c/f", "x")
		for _, name := range []string{"/", "/c/", "/c/f"} {
			a := s.Want(207, "PROPFIND", name, both, "Depth", "0")
			if !rfc1123.MatchString(a.Body) {
				t.Errorf("%s: getlastmodified of %s is not a date in\n%s", b.Name, name, a.Body)
			}
			if strings.Contains(a.Body, "<D:creationdate>") && !rfc3339.MatchString(a.Body) {
				t.Errorf("%s: creationdate of %s is not a date in\n%s", b.Name, name, a.Body)
			}
		}
		if dir == "" {
			continue
		}
		for _, when := range []time.Time{time.Date(1960, 12, 31, 0, 0, 0, 0, time.UTC), time.Unix(-1, 0), time.Unix(0, 0)} {
			if err := os.Chtimes(filepath.Join(dir, "c", "f"), when, when); err != nil {
				t.Fatal(err)
			}
			date := when.UTC().Format(http.TimeFormat)
			a := s.Want(207, "PROPFIND", "/c/f", both, "Depth", "0")
			if !strings.Contains(a.Body, "<D:getlastmodified>"+date) {
				t.Errorf("%s is missing in\n%s", date, a.Body)
			}
			if got := s.Want(200, "GET", "/c/f", "").Header.Get("Last-Modified"); got != date {
				t.Errorf("Last-Modified is %q, want %q", got, date)
			}
		}
	}
}

// Requirement 16.
func testXMLForm(t *testing.T) {
	srv := harness.NewServer(t, nil)
	srv.Put("/c/f")
	for _, prop := range []string{`<p xmlns="urn:p"><q a="1"/></p>`, `<D:r xmlns:D="urn:not-dav"><D:s/></D:r>`, `<none xmlns=""><x xmlns="urn:x"/></none>`, `<x:y xmlns:x="DAV:"/>`} {
		if r := srv.Send("PROPPATCH", "/c/f", `<d:propertyupdate xmlns:d="DAV:"><d:set><d:prop>`+prop+`</d:prop></d:set></d:propertyupdate>`); len(r.Responses) != 1 {
			t.Fatalf("PROPPATCH %s = %v", prop, r)
		}
	}
	srv.Lock("/c/f")
	for _, request := range []struct{ method, name, body string }{
		{"PROPFIND", "/c", ""},
		{"PROPFIND", "/c", `<propfind xmlns="DAV:"><propname/></propfind>`},
		{"PROPFIND", "/c", `<propfind xmlns="DAV:"><prop><D:r xmlns:D="urn:not-dav"/><p xmlns="urn:p"/><none xmlns=""/><z xmlns="urn:z"/></prop></propfind>`},
		{"PROPPATCH", "/c", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x:getetag xmlns:x="DAV:"/><y xmlns="urn:y"/></D:prop></D:set></D:propertyupdate>`},
		{"DELETE", "/c", ""},
		{"LOCK", "/c", harness.ExclusiveLock},
		{"PUT", "/c/f", "x"},
	} {
		r := srv.Send(request.method, request.name, request.body, "Depth: infinity")
		body := string(r.Body)
		root := regexp.MustCompile(`^<\?xml version="1\.0" encoding="utf-8"\?>\s*<D:(multistatus|error|prop) xmlns:D="DAV:">`)
		if !root.MatchString(body) {
			t.Errorf("%s begins with %.100s", request.method, body)
		}
		if strings.Count(body, "xmlns:D=") != 1 {
			t.Errorf("%s: the prefix D is bound again in\n%s", request.method, body)
		}
		if strings.Contains(body, `xmlns="DAV:"`) || strings.Count(body, `="DAV:"`) != 1 {
			t.Errorf("%s: DAV: is bound to something else in\n%s", request.method, body)
		}
		if strings.Contains(body, "<D:location") {
			t.Errorf("%s: unexpected location in\n%s", request.method, body)
		}
		if request.method == "PROPFIND" && request.body == "" {
			for _, m := range r.Responses {
				kind, _ := valueOf(m, "resourcetype")
				_, length := valueOf(m, "getcontentlength")
				if collection := strings.HasSuffix(m.Href, "/"); collection == length || collection != (kind == "<D:collection/>") {
					t.Errorf("%s has the type %q, and a length: %v", m.Href, kind, length)
				}
			}
			if !strings.Contains(body, "<D:resourcetype><D:collection/></D:resourcetype>") || !strings.Contains(body, "<D:resourcetype/>") {
				t.Errorf("resourcetype has another form in\n%s", body)
			}
			// Clients that ignore namespaces must not find two of these for one resource.
			for _, local := range []string{"quota", "getlastmodified", "href"} {
				names := regexp.MustCompile(`<(\w+:)?`+local+`[ >/]`).FindAllString(withoutLocks.ReplaceAllString(body, ""), -1)
				if len(names) > len(r.Responses) {
					t.Errorf("%s occurs %d times for %d resources", local, len(names), len(r.Responses))
				}
			}
		}
	}
}

var withoutLocks = regexp.MustCompile(`(?s)<D:lockdiscovery>.*?</D:lockdiscovery>`)

// Requirement 17.
func testDestinationForms(t *testing.T) {
	public, err := url.Parse("https://files.example.org/team")
	if err != nil {
		t.Fatal(err)
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, tt := range []struct {
		what, destination string
		opts              server.Options
		headers           []string
		status            int
	}{
		{"a URL", "http://{host}/dav/new", server.Options{}, nil, 201},
		{"a path", "/dav/new", server.Options{}, nil, 201},
		{"the scheme of a proxy", "https://{host}/dav/new", server.Options{}, nil, 201},
		{"the scheme of KIO", "webdav://{host}/dav/new", server.Options{}, nil, 201},
		{"the scheme of KIO with TLS", "webdavs://{host}/dav/new", server.Options{}, nil, 201},
		{"the host in another case", "http://LOCALHOST/dav/new", server.Options{}, []string{"Host: localhost"}, 201},
		{"the port of its scheme", "https://www.example.org:443/dav/new", server.Options{}, []string{"Host: www.example.org"}, 201},
		{"another host", "http://elsewhere.example/dav/new", server.Options{}, nil, 502},
		{"another path", "http://{host}/elsewhere", server.Options{}, nil, 502},
		{"a name that begins like the prefix", "/davnew", server.Options{}, nil, 502},
		{"a proxy that nobody trusts", "https://files.example.org/dav/new", server.Options{}, []string{"X-Forwarded-Host: files.example.org"}, 502},
		{"a trusted proxy", "https://files.example.org/dav/new", server.Options{TrustedProxies: loopback}, []string{"X-Forwarded-Host: files.example.org"}, 201},
		{"a trusted proxy with Forwarded", "https://files.example.org/dav/new", server.Options{TrustedProxies: loopback}, []string{"Forwarded: for=1.2.3.4;host=files.example.org;proto=https"}, 201},
		{"a public URL", "https://files.example.org/team/new", server.Options{PublicURLs: []*url.URL{public}}, nil, 201},
		{"none", "", server.Options{}, nil, 400},
		{"no URL", "new", server.Options{}, nil, 400},
	} {
		t.Run(tt.what, func(t *testing.T) {
			tt.opts.Prefix = "/dav"
			srv := harness.NewServer(t, &tt.opts)
			srv.Put("/f")
			headers := append(tt.headers, "Destination: "+strings.Replace(tt.destination, "{host}", srv.Listener.Addr().String(), 1))
			for _, method := range []string{"COPY", "MOVE"} {
				if got := srv.Do(method, "/f", headers...).StatusCode; got != tt.status {
					t.Errorf("%s to %s = %d, want %d", method, tt.destination, got, tt.status)
				}
				srv.Remove("/new")
			}
		})
	}
}

// Requirement 22.
func testGet(t *testing.T) {
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		s.Want(201, "PUT", "/f.txt", "0123456789", "X-OC-Mtime", "784111777")
		const date = "Sun, 06 Nov 1994 08:49:37 GMT"
		for _, method := range []string{"GET", "HEAD"} {
			a := s.Want(200, method, "/f.txt", "", "Accept-Encoding", "gzip, deflate")
			if h := a.Header; h.Get("Accept-Ranges") != "bytes" || h.Get("Content-Length") != "10" || h.Get("Content-Encoding") != "" || h.Get("Last-Modified") != date {
				t.Errorf("%s = %v", method, h)
			}
			s.Want(304, method, "/f.txt", "", "If-Modified-Since", date)
		}
		s.Want(200, "HEAD", "/f.txt", "", "Range", "bytes=2-4") // RFC 9110 §14.2: ranges are for GET only
		if a := s.Want(206, "GET", "/f.txt", "", "Range", "bytes=2-4"); a.Header.Get("Content-Range") != "bytes 2-4/10" || a.Header.Get("Content-Length") != "3" {
			t.Errorf("a range = %v", a.Header)
		}
		if got := s.Want(200, "GET", "/f.txt", "", "Range", "bytes=4-", "If-Range", date).Body; got != "0123456789" { // a time set by a client is no strong validator
			t.Errorf("the range after a time set by the client = %q, want the whole", got)
		}
		now := s.Want(201, "PUT", "/now.txt", "0123456789").Header.Get("Last-Modified")
		harness.NextSecond() // until then the date is no strong validator (RFC 9110 §8.8.2.2)
		if got := s.Want(206, "GET", "/now.txt", "", "Range", "bytes=4-", "If-Range", now).Body; got != "456789" {
			t.Errorf("the range = %q", got)
		}
		if got := s.Want(200, "GET", "/f.txt", "", "Range", "bytes=4-", "If-Range", "Sun, 06 Nov 1994 08:49:36 GMT").Body; got != "0123456789" {
			t.Errorf("the range of another version = %q", got)
		}
		a := s.Want(206, "GET", "/f.txt", "", "Range", "bytes=0-1,8-")
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges") || a.Header.Get("Content-Length") != strconv.Itoa(len(a.Body)) {
			t.Errorf("two ranges = %v", a.Header)
		}
	}
}

// Requirement 23.
func testGetCollection(t *testing.T) {
	// For a URL without the slash the client follows the redirect.
	runSteps(t, "/c/f", harness.Step{"HEAD /c/", "200"}, harness.Step{"GET /c/", "200"}, harness.Step{"HEAD /c", "200"}, harness.Step{"GET /c", "200"}, harness.Step{"HEAD /", "200"}, harness.Step{"GET /", "200"})
}

// Requirement 24. davfs2 and rclone treat a redirect as "not found". Only GET and HEAD of a
// collection redirect to the URL with the slash, which those two do not send; lftp would treat a
// collection as a file without it.
func testSlashes(t *testing.T) {
	files, _ := harness.Backends[0].Open(t)
	s := harness.Serve(t, files, &server.Options{Prefix: "/dav"})
	s.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, slash := range []string{"", "/"} {
		c, d := fmt.Sprint("/c", i, slash), fmt.Sprint("/d", i, slash)
		s.Want(201, "MKCOL", c, "")
		s.Want(200, "OPTIONS", c, "")
		s.Want(207, "PROPFIND", c, "", "Depth", "0")
		s.Want(207, "PROPFIND", strings.TrimSuffix(c, "/"), "", "Depth", "1")
		s.Want(207, "PROPFIND", strings.TrimSuffix(c, "/")+"/", "", "Depth", "1")
		s.Want(207, "PROPPATCH", c, harness.SetColour)
		s.Want(201, "COPY", c, "", "Destination", "dest:"+d)
		s.Want(204, "DELETE", d, "")
		s.Want(201, "MOVE", c, "", "Destination", "dest:"+d)
		s.Want(200, "LOCK", d, harness.LockBody)
	}
	root := *s
	root.Prefix = ""
	for _, name := range []string{"/dav", "/dav/"} {
		root.Want(207, "PROPFIND", name, "", "Depth", "1")
	}
	root.Want(200, "GET", "/dav/", "")
	if got := root.Want(301, "GET", "/dav", "").Header.Get("Location"); got != "/dav/" {
		t.Errorf("GET /dav redirects to %q", got)
	}
}

// Requirement 25.
func testQuota(t *testing.T) {
	const byName = `<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/><quota/><quotaused/></prop></propfind>`
	for _, room := range []uint64{0, 1000, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		s := harness.Serve(t, newSmallDisk(room), nil)
		s.Want(201, "PUT", "/f", "")
		if a := s.Want(207, "PROPFIND", "/", "", "Depth", "1"); strings.Contains(a.Body, "quota") {
			t.Errorf("allprop has quota:\n%s", a.Body)
		}
		a := s.Want(207, "PROPFIND", "/", byName, "Depth", "0")
		values := regexp.MustCompile(`<D:quota-available-bytes>([^<]*)<`).FindStringSubmatch(a.Body)
		if len(values) != 2 {
			t.Fatalf("no quota in\n%s", a.Body)
		}
		if n, err := strconv.ParseInt(values[1], 10, 64); err != nil || n < 0 || uint64(n) != min(room, 1<<63-1) {
			t.Errorf("quota-available-bytes = %[2]s with space for %[1]d bytes", room, values[1])
		}
		for _, p := range harness.DecodeMultistatus(s, a.Body)[0].Propstat {
			for _, prop := range p.Prop.List {
				if old := prop.XMLName.Local == "quota" || prop.XMLName.Local == "quotaused"; old != (harness.StatusCode(p.Status) == 404) {
					t.Errorf("%s is %s", prop.XMLName.Local, p.Status)
				}
			}
		}
		if a := s.Want(207, "PROPFIND", "/f", byName, "Depth", "0"); strings.Contains(a.Body, "200 OK") {
			t.Errorf("a file has quota:\n%s", a.Body)
		}
	}
}

// Clients show DAV:displayname as the name. The root has the last segment of its URL, if there is
// one, and never an empty displayname.
func TestRootDisplayName(t *testing.T) {
	const ask = `<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>`
	for prefix, want := range map[string]string{"/": "", "/dav": "dav", "/a/my files &c": "my files &amp;c"} {
		srv := harness.NewServer(t, &server.Options{Prefix: prefix})
		srv.Put("/c/")
		for name, want := range map[string]string{"/": want, "/c/": "c"} {
			r := srv.Send("PROPFIND", name, ask, "Depth: 0")
			if got, ok := valueOf(r.Responses[0], "displayname"); got != want || ok != (want != "") {
				t.Errorf("with prefix %s the displayname of %s is %q, %v, want %q", prefix, name, got, ok, want)
			}
			if got, ok := valueOf(srv.Do("PROPFIND", name, "Depth: 0").Responses[0], "displayname"); got != want || ok != (want != "") {
				t.Errorf("with prefix %s the displayname of %s in allprop is %q, %v, want %q", prefix, name, got, ok, want)
			}
		}
		srv.Send("PROPPATCH", "/", `<propertyupdate xmlns="DAV:"><set><prop><displayname>Ours</displayname></prop></set></propertyupdate>`)
		if got, _ := valueOf(srv.Send("PROPFIND", "/", ask, "Depth: 0").Responses[0], "displayname"); got != "Ours" {
			t.Errorf("with prefix %s a displayname that was set is %q", prefix, got)
		}
	}
}
