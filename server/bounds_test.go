package server

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// A body declares a namespace once, but each name repeats it in the response. The server bounds the
// sum.
func TestBodyBounds(t *testing.T) {
	body := func(root, inner string, namespace, n int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `<%s xmlns="DAV:" xmlns:x="urn:%s">`, root, strings.Repeat("n", namespace))
		in, out, _ := strings.Cut(inner, "|")
		b.WriteString(in)
		for i := range n {
			fmt.Fprintf(&b, "<x:p%d/>", i)
		}
		return b.String() + out + "</" + root + ">"
	}
	for _, tt := range []struct {
		rule, method, body string
		status             int
	}{
		{"PROPFIND", "PROPFIND", body("propfind", "<prop>|</prop>", 4_000, 100), 413},
		{"PROPFIND, include", "PROPFIND", body("propfind", "<allprop/><include>|</include>", 4_000, 100), 413},
		{"PROPFIND, many", "PROPFIND", body("propfind", "<prop>|</prop>", 10, 3000), 413},
		{"PROPFIND, what clients ask for", "PROPFIND", body("propfind", "<prop>|</prop>", 100, 100), 207},
		{"PROPFIND, a long namespace", "PROPFIND", body("propfind", "<prop>|</prop>", 4_000, 5), 207},
		{"PROPPATCH set", "PROPPATCH", body("propertyupdate", "<set><prop>|</prop></set>", 4_000, 2500), 413},
		{"PROPPATCH remove", "PROPPATCH", body("propertyupdate", "<remove><prop>|</prop></remove>", 4_000, 2500), 413},
		{"PROPPATCH, what clients set", "PROPPATCH", body("propertyupdate", "<set><prop>|</prop></set>", 100, 100), 207},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			h := New(memory.New(nil).Backend(), nil)
			do(h, "PUT", "/f", "x")
			if len(tt.body) > 1<<20 {
				t.Fatalf("the body has %d bytes, which exceeds the bound on bodies", len(tt.body))
			}
			r := do(h, tt.method, "/f", tt.body, "Depth", "0")
			if r.StatusCode != tt.status {
				t.Errorf("%s = %s, want %d", tt.method, r.Status, tt.status)
			}
		})
	}
}

// Threat 7: the names in a PROPFIND are repeated for each member, be it as 404 (RFC 4918 §9.1), so
// that 40 KB could ask for gigabytes. That is 507 before the answer begins, and not an answer that
// ends early. What clients ask for has no limit, and neither has one resource.
func TestAmplification(t *testing.T) {
	const members = 20_000
	files := memory.New(nil).Backend()
	for _, name := range []string{"/many", "/deep", "/few"} {
		if err := files.Mkdir(t.Context(), davpath.Must(name)); err != nil {
			t.Fatal(err)
		}
	}
	add := func(name string) {
		u, err := files.Create(t.Context(), davpath.Must(name))
		if err == nil {
			_, err = u.Commit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range members {
		add(fmt.Sprintf("/many/f%d", i))
		if i < 20 {
			add(fmt.Sprintf("/few/f%d", i))
		}
		if i%200 == 0 {
			if err := files.Mkdir(t.Context(), davpath.Must(fmt.Sprintf("/deep/c%d", i/200))); err != nil {
				t.Fatal(err)
			}
		}
		add(fmt.Sprintf("/deep/c%d/f%d", i/200, i))
	}
	absent := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<x:p%d/>", i)
		}
		return b.String()
	}
	ask := func(names string) string {
		return `<propfind xmlns="DAV:" xmlns:x="urn:x"><prop>` + names + `</prop></propfind>`
	}
	h := New(files, nil)
	for _, tt := range []struct {
		rule, name, depth, body string
		status, responses       int
	}{
		{"1,000 of many", "/many/", "1", ask(absent(1000)), 507, 0},
		{"1,000 of a tree", "/deep/", "infinity", ask(absent(1000)), 507, 0},
		{"1,000 more than all", "/many/", "1", `<propfind xmlns="DAV:" xmlns:x="urn:x"><allprop/><include>` + absent(1000) + `</include></propfind>`, 507, 0},
		{"1,000 of one", "/many/", "0", ask(absent(1000)), 207, 1},
		{"1,000 of few", "/few/", "1", ask(absent(1000)), 207, 21},
		{"1,000 of the collections in a tree", "/deep/", "1", ask(absent(1000)), 207, 101},
		{"one, 1,000 times, of many", "/many/", "1", ask(strings.Repeat("<x:p/>", 1000)), 207, members + 1},
		{"as many as clients ask for, of many", "/many/", "1", ask(absent(30)), 207, members + 1},
		{"all of many", "/many/", "1", `<propfind xmlns="DAV:"><allprop/></propfind>`, 207, members + 1},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := do(h, "PROPFIND", tt.name, tt.body, "Depth", tt.depth)
			body := bodyOf(t, r)
			if r.StatusCode != tt.status || strings.Count(body, "<D:response>") != tt.responses {
				t.Errorf("PROPFIND = %s with %d responses, want %d with %d", r.Status, strings.Count(body, "<D:response>"), tt.status, tt.responses)
			}
			if tt.status == 507 && (!strings.Contains(body, "<D:number-of-matches-within-limits/>") || len(body) > 1000) {
				t.Errorf("the condition is missing: %.500s", body)
			}
			if tt.status == 207 && !strings.HasSuffix(strings.TrimSpace(body), "</D:multistatus>") {
				t.Errorf("the answer has no end: %.100s", body[len(body)-100:])
			}
		})
	}
}

// The owners of the locks on a collection are listed for each member, too.
func TestLargeOwners(t *testing.T) {
	h := New(memory.New(nil).Backend(), nil)
	do(h, "MKCOL", "/c", "")
	do(h, "PUT", "/c/f", "x")
	large := strings.Replace(lockShared, "</lockinfo>", "<owner>"+strings.Repeat("o", 2000)+"</owner></lockinfo>", 1)
	for i, want := range []int{200, 200, 507, 507} {
		if got := do(h, "LOCK", "/c", large).StatusCode; got != want {
			t.Errorf("lock %d with a large owner = %d, want %d", i, got, want)
		}
	}
	for i := range 3 { // the small ones of others have room
		if got := do(h, "LOCK", "/c/f", lockShared).StatusCode; got != 200 {
			t.Errorf("lock %d without an owner = %d, want 200", i, got)
		}
	}
}

const lockShared = `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`

// DAV:lockdiscovery lists every lock on a resource for each member of a listing. So the number of
// locks is bounded (507, RFC 4918 §11.5), also for all requests without a principal together.
func TestTooManyLocks(t *testing.T) {
	as := func(h *Handler, user, method, name, body string) int {
		r := httptest.NewRequest(method, name, strings.NewReader(body))
		if user != "" {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	t.Run("shared locks on one resource", func(t *testing.T) {
		h := New(memory.New(nil).Backend(), nil)
		do(h, "MKCOL", "/c", "")
		do(h, "PUT", "/c/f", "x")
		n := 0
		for ; n < 1000 && as(h, "", "LOCK", "/c", lockShared) == 200; n++ {
		}
		if n < 2 || n > 100 {
			t.Errorf("%d shared locks were granted", n)
		}
		for _, name := range []string{"/c", "/c/f"} {
			if got := as(h, "", "LOCK", name, lockShared); got != 507 {
				t.Errorf("LOCK of %s, which has %d locks = %d, want 507", name, n, got)
			}
		}
		if got := as(h, "", "LOCK", "/other", lockShared); got != 201 {
			t.Errorf("LOCK of another resource = %d, want 201", got)
		}
	})
	t.Run("without a principal", func(t *testing.T) {
		h := New(memory.New(nil).Backend(), &Options{Locks: locks.New(&locks.Options{MaxLocks: 40, MaxLocksPerPrincipal: 5})})
		n := 0
		for ; n < 40 && as(h, "", "LOCK", fmt.Sprint("/f", n), lockShared) == 201; n++ {
		}
		if n != 10 {
			t.Errorf("%d locks without a principal were granted, want a quarter of 40", n)
		}
		if got := as(h, "", "LOCK", "/more", lockShared); got != 507 {
			t.Errorf("one more LOCK without a principal = %d, want 507", got)
		}
		if got := as(h, "jane", "LOCK", "/janes", lockShared); got != 201 {
			t.Errorf("LOCK with a principal = %d, want 201", got)
		}
	})
}

// No request creates a tree deeper, or with longer names, than PUT and MKCOL can.
func TestDepthOfTargets(t *testing.T) {
	short, long := "/d", "/"+strings.Repeat("d", 250)
	for _, tt := range []struct {
		rule, method string
		segment      string
		of, into     int // segments below the source, and of the destination's parent
		status       int
	}{
		{"COPY, not too deep", "COPY", short, 200, 200, 201},
		{"COPY, a member too deep", "COPY", short, 300, 300, 207},
		{"COPY, a member too long", "COPY", long, 10, 10, 207},
		{"COPY, the target too deep", "COPY", short, 0, 512, 400},
		{"COPY, the target too long", "COPY", long, 0, 17, 400},
		{"MOVE, not too deep", "MOVE", short, 200, 200, 201},
		{"MOVE, a member too deep", "MOVE", short, 300, 300, 400},
		{"MOVE, a member too long", "MOVE", long, 10, 10, 400},
		{"MOVE, the target too deep", "MOVE", short, 0, 512, 400},
		{"MOVE, the target too long", "MOVE", long, 0, 17, 400},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := memory.New(nil).Backend()
			h := New(files, nil)
			deep := func(name string, n int) string {
				for i := 0; ; i++ {
					if err := files.Mkdir(t.Context(), davpath.Must(name)); err != nil {
						t.Fatal(err)
					}
					if i == n {
						return name
					}
					name += tt.segment
				}
			}
			deep("/s", tt.of)
			target := deep("/t", tt.into-1) + "/" + strings.Repeat("x", 100)
			r := do(h, tt.method, "/s", "", "Destination", target)
			if r.StatusCode != tt.status {
				t.Errorf("%s = %s, want %d", tt.method, r.Status, tt.status)
			}
			if body := bodyOf(t, r); r.StatusCode == 207 && strings.Count(body, "<D:response>") != 1 {
				t.Errorf("%s: want one response, for the first that is too deep: %.300s", tt.method, body)
			}
			for {
				if _, err := files.Stat(t.Context(), davpath.Must(target)); err != nil {
					break
				}
				if segments := strings.Count(target, "/"); segments > 512 || len(target) > 4096 {
					t.Fatalf("a resource with %d segments and %d bytes was created", segments, len(target))
				}
				target += tt.segment
			}
		})
	}
}

// A name that is too long is refused with the limit in the response: 400 for the Request-URI and
// the Destination, 414 (RFC 9110 §15.5.15) for a member of a COPY, whose URL is not in the request.
func TestLimitsOfNames(t *testing.T) {
	const name, path, depth = "A new name has at most 255 bytes.", "A new path has at most 4,096 bytes.", "A new path has at most 512 segments."
	h := New(memory.New(nil).Backend(), nil)
	deep := strings.Repeat("/"+strings.Repeat("d", 250), 16) // 4,016 bytes
	for i := range 16 {
		do(h, "MKCOL", deep[:251*(i+1)], "")
	}
	do(h, "MKCOL", "/c", "")
	do(h, "PUT", "/c/"+strings.Repeat("m", 100), "x")
	for _, tt := range []struct {
		url, want string
	}{
		{"/" + strings.Repeat("x", 256), name},
		{deep + "/" + strings.Repeat("x", 80), path}, // 4,097 bytes
		{strings.Repeat("/s", 513), depth},
		{"/%01", "A new name must be UTF-8 without control characters."},
	} {
		for _, method := range []string{"PUT", "MKCOL", "LOCK", "COPY", "MOVE"} {
			r := do(h, method, tt.url, map[string]string{"LOCK": lockShared}[method])
			if method == "COPY" || method == "MOVE" {
				r = do(h, method, "/c", "", "Destination", tt.url)
			}
			if body := bodyOf(t, r); r.StatusCode != 400 || body != tt.want+"\n" {
				t.Errorf("%s %.20s... = %s %q, want 400 %q", method, tt.url, r.Status, body, tt.want)
			}
		}
	}
	if r := do(h, "PUT", deep+"/"+strings.Repeat("x", 79), "x"); r.StatusCode != 201 {
		t.Errorf("PUT with a path of 4096 bytes = %s, want 201", r.Status)
	}
	r := do(h, "COPY", "/c", "", "Destination", deep+"/c")
	body := bodyOf(t, r)
	if r.StatusCode != 207 || !strings.Contains(body, "HTTP/1.1 414 ") || !strings.Contains(body, "<D:responsedescription>"+path) {
		t.Errorf("COPY to a path that is too long = %s\n%s", r.Status, body)
	}
}

// RFC 4918 §8.3: a header accepts every URL that the Request-URI accepts. An escaped byte takes
// three bytes, and the prefix is added.
func TestEscapedPathsOfAnyLength(t *testing.T) {
	const path = "A new path has at most 4,096 bytes.\n"
	for _, prefix := range []string{"", "/" + strings.Repeat("p", 8000)} {
		h := New(memory.New(nil).Backend(), &Options{Prefix: prefix})
		segment := "/" + strings.Repeat("%E6%96%87", 85) // 256 bytes
		long := prefix + strings.Repeat(segment, 15) + strings.TrimSuffix(segment, "%E6%96%87")
		for at := len(prefix) + len(segment); at < len(long); at += len(segment) {
			do(h, "MKCOL", long[:at], "")
		}
		do(h, "PUT", prefix+"/f", "x")
		tag := do(h, "HEAD", prefix+"/f", "").Header.Get("ETag")
		locked := do(h, "LOCK", prefix+"/l", lockShared).Header.Get("Lock-Token")
		for _, tt := range []struct {
			method, url, header, value string
			status                     int
			body                       string
		}{
			{"COPY", "/f", "Destination", "http://example.com" + long, 201, ""}, // 4,093 bytes
			{"MOVE", "/f", "Destination", long, 204, ""},
			{"PUT", "/g", "If", "<" + long + "> ([" + tag + "])", 201, ""},
			{"PUT", "/g", "If", "<http://example.com" + long + "> (Not [" + tag + "])", 412, ""},
			{"PUT", "/l", "If", "<" + long + "> (Not [" + tag + "]) (" + locked + ")", 412, ""},
			{"MOVE", long, "Destination", "/f", 201, ""},
			{"COPY", "/f", "Destination", long + "%E6%96%87%E6%96%87", 400, path},
		} {
			url, value := tt.url, tt.value
			if len(url) == 2 {
				url = prefix + url
			}
			if value == "/f" {
				value = prefix + value
			}
			r := do(h, tt.method, url, "", tt.header, value)
			if body := bodyOf(t, r); r.StatusCode != tt.status || tt.body != "" && body != tt.body {
				t.Errorf("%s %.20s... with %s %.30s... = %s %q, want %d %q", tt.method, url, tt.header, value, r.Status, body, tt.status, tt.body)
			}
		}
	}
}

// RFC 4918 §10.4.4: a condition about a URL with unknown state is false in every form. A URL that
// cannot name a resource gets 400. One of another server makes its list false. With Not either
// would allow a change that the header forbids.
func TestIfWithUnknownState(t *testing.T) {
	h := New(memory.New(nil).Backend(), &Options{Prefix: "/dav"})
	put := func(value string) int { return do(h, "PUT", "/dav/f", "lost", "If", value).StatusCode }
	do(h, "PUT", "/dav/f", "kept")
	tag := do(h, "HEAD", "/dav/f", "").Header.Get("ETag")
	for url, want := range map[string]int{
		"/dav/f?":                     400,
		"/dav/f?x":                    400,
		"/dav/%00":                    400,
		"/dav/a%2Ff":                  400,
		"/../dav/f":                   400,
		"//example.com/dav/f":         400,
		"http:///dav/f":               400,
		"http:dav/f":                  400,
		"http://[::1/dav/f":           400,
		"http://other.example/dav/f":  412,
		"http://example.com:81/dav/f": 412,
		"http://example.com/f":        412,
		"/f":                          412,
		"ftp://example.com/dav/f":     412,
		"urn:uuid:f":                  412,
	} {
		for _, conditions := range []string{"(Not [" + tag + "])", "(Not <urn:uuid:a>)", "([" + tag + "]) (Not [\"x\"])",
			"(Not <DAV:no-lock> Not [" + tag + "])"} {
			if got := put("<" + url + "> " + conditions); got != want {
				t.Errorf("PUT with If: <%s> %s = %d, want %d", url, conditions, got, want)
			}
		}
	}
	if got := bodyOf(t, do(h, "GET", "/dav/f", "")); got != "kept" {
		t.Errorf("the file has %q", got)
	}
	// §10.4.8: DAV:no-lock never matches any resource.
	if got := put("<http://other.example/f> (<DAV:no-lock>) (Not <DAV:no-lock>)"); got != 204 {
		t.Errorf("PUT with Not <DAV:no-lock> = %d, want 204", got)
	}
	// §10.4.4: an unmapped URL of this server has no state.
	if got := put("</dav/none> (Not [" + tag + "] Not <urn:uuid:a>)"); got != 204 {
		t.Errorf("PUT with an unmapped URL = %d, want 204", got)
	}
}

// RFC 4331 §6: a limit of the server is quota-not-exceeded, a full disk is sufficient-disk-space.
// The log has a warning, not an error, since any client can cause it.
func TestInsufficientStorage(t *testing.T) {
	var all strings.Builder
	for i := range 4097 {
		fmt.Fprintf(&all, "<z:p%d/>", i)
	}
	many := `<propertyupdate xmlns="DAV:"><set><prop xmlns:z="z:">` + all.String() + `</prop></set></propertyupdate>`
	for _, tt := range []struct {
		rule, method, name, body string
		status                   int
		condition                string
	}{
		{"too many properties", "PROPPATCH", "/g", many, 207, "quota-not-exceeded"},
		{"too many locks", "LOCK", "/g", lockShared, 507, "quota-not-exceeded"},
		{"a file larger than what is free", "PUT", "/h", strings.Repeat("x", 2<<20), 507, "sufficient-disk-space"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var log strings.Builder
			table := locks.New(&locks.Options{MaxLocks: 1})
			h := New(memory.New(&memory.Options{Capacity: 1 << 20}).Backend(), &Options{Locks: table, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			do(h, "PUT", "/f", "x")
			do(h, "PUT", "/g", "x")
			do(h, "LOCK", "/f", lockShared)
			r := do(h, tt.method, tt.name, tt.body)
			if body := bodyOf(t, r); r.StatusCode != tt.status || !strings.Contains(body, "<D:"+tt.condition+"/>") || strings.Count(body, "<D:error") != 1 {
				t.Errorf("%s = %s\n%s\nwant %d with %s", tt.method, r.Status, body, tt.status, tt.condition)
			}
			if got := log.String(); strings.Contains(got, "level=ERROR") || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "status=507") {
				t.Errorf("the log has %s, want one warning", got)
			}
		})
	}
}

// The bound on the locks that cover one resource also holds if the locks on the members come before
// those on the collections.
func TestTooManyLocksFromBelow(t *testing.T) {
	h := New(memory.New(nil).Backend(), nil)
	name := ""
	for range 10 {
		name += "/d"
		do(h, "MKCOL", name, "")
	}
	for p := name; p != ""; p = p[:len(p)-len("/d")] {
		for range 16 {
			do(h, "LOCK", p, lockShared)
		}
	}
	if n := strings.Count(bodyOf(t, do(h, "PROPFIND", name, "", "Depth", "0")), "<D:activelock>"); n > 16 {
		t.Errorf("%d locks cover one resource, want at most 16", n)
	}
}
