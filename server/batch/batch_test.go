package batch_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/batch"
)

// tree returns a batch handler over an empty tree in memory.
func tree(opts *batch.Options) http.Handler {
	o := batch.Options{}
	if opts != nil {
		o = *opts
	}
	return batch.New(server.New(fsbackend.New(memory.New(nil)), &server.Options{Prefix: o.Prefix, PublicURLs: o.PublicURLs, TrustedProxies: o.TrustedProxies}), &o)
}

// ask sends one request without a connection.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// result is a result of either shape.
type result struct {
	ID      string
	Index   int
	Status  int
	Headers map[string]string
	Body    any
	Data    any
	Error   map[string]any
	Base64  bool
}

// results decodes an answer, which must be JSON.
func results(t testing.TB, body []byte) []result {
	t.Helper()
	var a struct{ Responses, Results []result }
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, body)
	}
	return append(a.Responses, a.Results...)
}

// outcome returns the status of an answer and those of its results, such as "207: a=201 b=409".
func outcome(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	s := fmt.Sprint(w.Code, ":")
	for _, r := range results(t, w.Body.Bytes()) {
		s += fmt.Sprintf(" %s=%d", r.ID, r.Status)
	}
	return s
}

// The order of the answers is that of the requests, whatever order dependencies impose; 200 is for
// batches whose items all succeed.
func TestOutcome(t *testing.T) {
	const puts = `{"id":"a","method":"PUT","url":"/a","body":"1"},{"id":"b","method":"PUT","url":"b","body":"2"}`
	for _, tt := range []struct {
		name, items, want string
		header            []string
	}{
		{"none", ``, "200:", nil},
		{"all succeed", puts, "200: a=201 b=201", nil},
		{"lower case", `{"id":"a","method":"put","url":"/a"}`, "200: a=201", nil},
		{"one fails", puts + `,{"id":"c","method":"PUT","url":"/none/c","body":"3"},{"id":"d","method":"DELETE","url":"/a"}`,
			"207: a=201 b=201 c=409 d=204", nil},
		{"all fail", `{"id":"a","method":"GET","url":"/a"}`, "207: a=404", nil},
		{"a listing", `{"id":"a","method":"PROPFIND","url":"/","headers":{"Depth":"1"}}`, "200: a=207", nil},
		{"a PROPPATCH that succeeds", puts + `,{"id":"p","method":"PROPPATCH","url":"/a","body":"<propertyupdate xmlns='DAV:'><set><prop><x xmlns='e:'/></prop></set></propertyupdate>"}`,
			"200: a=201 b=201 p=207", nil},
		{"a PROPPATCH that fails", puts + `,{"id":"p","method":"PROPPATCH","url":"/a","body":"<propertyupdate xmlns='DAV:'><set><prop><getetag/></prop></set></propertyupdate>"},{"id":"c","method":"DELETE","url":"/a","dependsOn":["p"]}`,
			"207: a=201 b=201 p=207 c=424", nil},
		{"in request order", `{"id":"a","method":"PUT","url":"/a","body":"1"},{"id":"b","method":"DELETE","url":"/a"},{"id":"c","method":"GET","url":"/a"}`,
			"207: a=201 b=204 c=404", nil},
		{"a failed dependency (RFC 4918 §11.4)", `{"id":"a","method":"GET","url":"/a"},{"id":"b","method":"PUT","url":"/b","dependsOn":["a"]},{"id":"c","method":"PUT","url":"/c","dependsOn":["b"]},{"id":"d","method":"GET","url":"/b"}`,
			"207: a=404 b=424 c=424 d=404", nil},
		{"dependencies that follow", `{"id":"a","method":"GET","url":"/b","dependsOn":["c","b"]},{"id":"b","method":"PUT","url":"/b"},{"id":"c","method":"PUT","url":"/c"},{"id":"d","method":"GET","url":"/c"}`,
			"200: a=200 b=201 c=201 d=200", nil},
		{"a dependency that follows and fails", `{"id":"a","method":"PUT","url":"/b","dependsOn":["b"]},{"id":"b","method":"DELETE","url":"/b"}`, "207: a=424 b=404", nil},
		{"if (OData JSON §19.1)", `{"id":"a","method":"GET","url":"/a"},{"id":"b","method":"PUT","url":"/a","dependsOn":["a"],"if":"not $a/$succeeded"},{"id":"c","method":"PUT","url":"/c","dependsOn":["a","b"],"if":"$a/$succeeded and $b/$succeeded"},{"id":"d","method":"PUT","url":"/c","dependsOn":["a","b"],"if":"($a/$succeeded or $b/$succeeded)and not(not $b/$succeeded)"}`,
			"207: a=404 b=201 c=424 d=201", nil},
		{"and before or", `{"id":"a","method":"GET","url":"/a"},{"id":"b","method":"PUT","url":"/b"},{"id":"c","method":"GET","url":"/b","dependsOn":["a","b"],"if":"$b/$succeeded or $a/$succeeded and $a/$succeeded"}`,
			"207: a=404 b=201 c=200", nil},
		{"go on (RFC 7240)", `{"id":"a","method":"GET","url":"/a"},{"id":"b","method":"PUT","url":"/b"}`, "207: a=404 b=201", []string{"Prefer", "continue-on-error"}},
		{"stop", `{"id":"z","method":"PUT","url":"/z"},{"id":"a","method":"GET","url":"/a"},{"id":"b","method":"PUT","url":"/b"},{"id":"c","method":"PUT","url":"/b"}`,
			"207: z=201 a=404 b=424 c=424", []string{"Prefer", "respond-async, Continue-On-Error = \"false\"; x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(tree(nil), "POST", "/$batch", `{"requests":[`+tt.items+`]}`, tt.header...)
			if got := outcome(t, w); got != tt.want {
				t.Errorf("got %s, want %s\n%s", got, tt.want, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q, want application/json", got)
			}
		})
	}
}

// RFC 7240 §3: Preference-Applied says what was heeded.
func TestPreference(t *testing.T) {
	for prefer, want := range map[string]string{
		"":                                           "",
		"continue-on-error":                          "continue-on-error",
		"continue-on-error=true":                     "continue-on-error",
		"continue-on-error=false":                    "continue-on-error=false",
		"odata.continue-on-error=false":              "odata.continue-on-error=false",
		"continue-on-error=perhaps":                  "",
		"x-continue-on-error=false, wait=1":          "",
		"continue-on-error=false, continue-on-error": "continue-on-error=false",
	} {
		w := ask(tree(nil), "POST", "/$batch", `{"requests":[{"id":"1","method":"GET","url":"/a"}]}`, "Prefer", prefer)
		if got := w.Header().Get("Preference-Applied"); got != want || w.Code != 207 {
			t.Errorf("Prefer: %s is %d, applied %q, want 207, %q", prefer, w.Code, got, want)
		}
	}
}

// A malformed envelope is refused as a whole, and says what is wrong; nothing was done.
func TestMalformed(t *testing.T) {
	const put = `{"id":"first","method":"PUT","url":"/first","body":"x"}`
	item := func(s string) string { return `{"requests":[` + put + `,` + s + `]}` }
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	dependents := func(n int) string {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/","dependsOn":[%s"first"]}`, i, strings.Repeat(`"first",`, 8000)))
		}
		return strings.Join(items, ",")
	}
	many := func(n int) string {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprintf(`{"id":"%d","method":"PUT","url":"/first"}`, i))
		}
		return `{"requests":[` + strings.Join(items, ",") + `]}`
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string // in the detail
	}{
		{"empty", ``, 400, "not valid JSON"},
		{"a list", `[` + put + `]`, 400, `no "{"`},
		{"a number", `1`, 400, `no "{"`},
		{"nothing", `{}`, 400, "neither requests nor operations"},
		{"cut", `{"requests":[` + put, 400, "not valid JSON"},
		{"cut behind the list", `{"requests":[` + put + `]`, 400, "not valid JSON"},
		{"two lists", `{"requests":[` + put + `],"operations":[]}`, 400, "a second list"},
		{"the list twice", `{"requests":[` + put + `],"requests":[]}`, 400, "a second list"},
		{"another member", `{"requests":[` + put + `],"x":1}`, 400, `"x"`},
		{"a name in another case", `{"Requests":[` + put + `]}`, 400, `"Requests"`},
		{"more behind", `{"requests":[` + put + `]} {}`, 400, "More follows"},
		{"no list", `{"requests":{}}`, 400, `no "["`},
		{"no item", item(`1`), 400, "Item 1 is not an object"},
		{"no id", item(`{"method":"GET","url":"/"}`), 400, "lacks an id"},
		{"an empty id", item(`{"id":"","method":"GET","url":"/"}`), 400, "lacks an id"},
		{"a long id", item(`{"id":"` + strings.Repeat("i", 257) + `","method":"GET","url":"/"}`), 400, "256 bytes"},
		{"a number as id", item(`{"id":1,"method":"GET","url":"/"}`), 400, `"id" of item 1`},
		{"no method", item(`{"id":"2","url":"/"}`), 400, "lacks a method"},
		{"no url", item(`{"id":"2","method":"GET"}`), 400, "a url"},
		{"a misspelled member", item(`{"id":"2","method":"GET","url":"/","dependson":["first"]}`), 400, `"dependson"`},
		{"a member twice", item(`{"id":"2","method":"GET","url":"/","\u0075rl":"/first"}`), 400, `"url" twice`},
		{"a duplicate id", item(put), 400, `"first"`},
		{"an unknown id", item(`{"id":"2","method":"GET","url":"/","dependsOn":["first","nobody"]}`), 400, `"nobody"`},
		{"itself", item(`{"id":"2","method":"GET","url":"/","dependsOn":["2"]}`), 400, `"2" depends on itself`},
		{"a cycle", item(`{"id":"2","method":"GET","url":"/","dependsOn":["3"]},{"id":"3","method":"GET","url":"/","dependsOn":["2"]}`), 400, `"2" depends on itself`},
		{"dependsOn without a list", item(`{"id":"2","method":"GET","url":"/","dependsOn":"first"}`), 400, "dependsOn"},
		{"dependsOn of numbers", item(`{"id":"2","method":"GET","url":"/","dependsOn":[1]}`), 400, "dependsOn"},
		{"a long list of dependencies", item(`{"id":"2","method":"GET","url":"/","dependsOn":[` + strings.Repeat(`"first",`, 10_000) + `"first"]}`), 413, `"dependsOn" of item 1`},
		{"many dependencies", item(dependents(9)), 413, "dependencies"},
		{"an if without a dependency", item(`{"id":"2","method":"GET","url":"/","if":"$first/$succeeded"}`), 400, "if of item 1"},
		{"an if that cannot be evaluated", item(`{"id":"2","method":"GET","url":"/","dependsOn":["first"],"if":"$first/size gt 1"}`), 400, "if of item 1"},
		{"an if with more behind", item(`{"id":"2","method":"GET","url":"/","dependsOn":["first"],"if":"$first/$succeeded)"}`), 400, "if of item 1"},
		{"an if that is cut", item(`{"id":"2","method":"GET","url":"/","dependsOn":["first"],"if":"not ($first/$succeeded and"}`), 400, "if of item 1"},
		{"a deep if", item(`{"id":"2","method":"GET","url":"/","dependsOn":["first"],"if":"` + strings.Repeat("(", 60_000) + `"}`), 400, "if of item 1"},
		{"an atomicity group", item(`{"id":"2","method":"PUT","url":"/","atomicityGroup":"g"}`), 501, "atomicityGroup"},
		{"headers that are no object", item(`{"id":"2","method":"GET","url":"/","headers":[]}`), 400, "headers of item 1"},
		{"a header that is no string", item(`{"id":"2","method":"PROPFIND","url":"/","headers":{"Depth":0}}`), 400, `"Depth"`},
		{"a header twice", item(`{"id":"2","method":"GET","url":"/","headers":{"depth":"0","Depth":"1"}}`), 400, `"Depth" of item 1`},
		{"long headers", item(`{"id":"2","method":"GET","url":"/","headers":{"X":"` + strings.Repeat("x", 1<<16) + `"}}`), 413, `"headers" of item 1`},
		{"a long url", item(`{"id":"2","method":"GET","url":"/` + strings.Repeat("x", 1<<16) + `"}`), 413, `"url" of item 1`},
		{"no UTF-8", item("{\"id\":\"2\",\"method\":\"GET\",\"url\":\"/\xFF\"}"), 400, "not Unicode"},
		{"half a surrogate pair", item(`{"id":"2","method":"PUT","url":"/x","body":"\uD83D"}`), 400, "not Unicode"},
		{"the other half", item(`{"id":"2","method":"PUT","url":"/x","body":"\uDE00\uD83D"}`), 400, "not Unicode"},
		{"deep", item(`{"id":"2","method":"PUT","url":"/x","body":` + deep(62) + `}`), 413, "deeper"},
		{"very deep", item(`{"id":"2","method":"PUT","url":"/x","body":` + deep(100_000) + `}`), 413, "deeper"},
		{"many items", many(1001), 413, "1000 items"},
		{"many bytes", item(`{"id":"2","method":"PUT","url":"/x","body":"` + strings.Repeat("x", 16<<20) + `"}`), 413, "16777216"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(nil)
			w := ask(h, "POST", "/$batch", tt.body)
			var p struct {
				Status int
				Detail string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%v: %s %s, want a problem (RFC 9457)", err, w.Header().Get("Content-Type"), w.Body)
			}
			if w.Code != tt.status || p.Status != tt.status || !strings.Contains(p.Detail, tt.want) {
				t.Errorf("got %d %+v, want %d with %q", w.Code, p, tt.status, tt.want)
			}
			if got := ask(h, "GET", "/first", "").Code; got != 404 {
				t.Errorf("GET /first = %d: an item has run", got)
			}
		})
	}
}

// The largest batch that is allowed runs.
func TestWithinLimits(t *testing.T) {
	var items []string
	for i := range 1000 {
		items = append(items, fmt.Sprintf(`{"id":"%d","method":"PUT","url":"/%d","body":"%s"}`, i, i%7, strings.Repeat("x", 2000)))
	}
	deep := `{"id":"d","method":"PUT","url":"/d","body":` + strings.Repeat("[", 61) + strings.Repeat("]", 61) + `}`
	for _, body := range []string{strings.Join(items, ","), deep} { // the first one needs a temp file
		if w := ask(tree(nil), "POST", "/$batch", `{"requests":[`+body+`]}`); w.Code != 200 {
			t.Errorf("got %d %.300s, want 200", w.Code, w.Body)
		}
	}
}

// A page of another site can send only types of the Fetch Standard without asking first.
func TestContentType(t *testing.T) {
	const body = `{"requests":[{"id":"1","method":"PUT","url":"/a"}]}`
	for contentType, want := range map[string]int{
		"application/json":                    200,
		"Application/JSON; charset=\"UTF-8\"": 200,
		"application/json; charset=latin1":    415,
		"text/plain":                          415,
		"text/plain; a=application/json":      415,
		"application/x-www-form-urlencoded":   415,
		"multipart/mixed; boundary=b":         415,
		"":                                    415,
	} {
		w := ask(tree(nil), "POST", "/$batch", body, "Content-Type", contentType)
		if w.Code != want || want == 415 && w.Header().Get("Accept-Post") != "application/json" {
			t.Errorf("%q is %d %q, want %d", contentType, w.Code, w.Header(), want)
		}
	}
	if w := ask(tree(nil), "POST", "/$batch", body, "Content-Encoding", "gzip"); w.Code != 415 {
		t.Errorf("a content coding is %d, want 415", w.Code)
	}
}

// What an item cannot ask for is its own failure, and that of no other.
func TestRefusedItems(t *testing.T) {
	own := httptest.NewRequest("POST", "/", nil).Host
	for _, tt := range []struct {
		item, want string
	}{
		{`"method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{"requests":[]}`, "400 a batch"},
		{`"method":"POST","url":"/x/../%24batch/"`, "400 a batch"},
		{`"method":"POST","url":"http://` + own + `/$batch"`, "400 a batch"},
		{`"method":"POST","url":"/f"`, "405"},
		{`"method":"GET","url":"http://other.example/f"`, "421 not on this server"},
		{`"method":"GET","url":"ftp://` + own + `/f"`, "421 not on this server"},
		{`"method":"GET","url":"f:x"`, "421 not on this server"},
		{`"method":"GET","url":"//other.example/f"`, "400"},
		{`"method":"GET","url":"http:/f"`, "400"},
		{`"method":"GET","url":"http://` + own + `/f"`, "200"},
		{`"method":"GET","url":"/f#x"`, "400 fragment"},
		{`"method":"GET","url":"/f?x=1"`, "200"},
		{`"method":"GET","url":"/%zz"`, "400"},
		{`"method":"GET","url":"/a%2Ff"`, "400"},
		{`"method":"GET","url":"/../f"`, "400"},
		{`"method":"GET","url":"/x/../f"`, "200"},
		{`"method":"GET","url":"./f"`, "200"},
		{`"method":"GET","url":"/.dav207/state.db"`, "404"},
		{`"method":"GE T","url":"/f"`, "400 method"},
		{`"method":"SPELL","url":"/f"`, "501"},
		{`"method":"po\u017Ft","url":"/$batch"`, "400 method"},
		{`"method":"GET","url":"/f?a\r\nb: c"`, "400 url"},
		{`"method":"GET","url":"/f?a\u007F"`, "400 url"},
		{`"method":"GET","url":"/f","headers":{"host":"other.example"}`, "400 Host"},
		{`"method":"GET","url":"/f","headers":{"Authorization":"Basic eDp5"}`, "400 Authorization"},
		{`"method":"GET","url":"/f","headers":{"cookie":"a=b"}`, "400 Cookie"},
		{`"method":"GET","url":"/f","headers":{"Content-Length":"3"}`, "400 Content-Length"},
		{`"method":"GET","url":"/f","headers":{"transfer-encoding":"chunked"}`, "400 Transfer-Encoding"},
		{`"method":"GET","url":"/f","headers":{"Connection":"close"}`, "400 Connection"},
		{`"method":"GET","url":"/f","headers":{"TE":"trailers"}`, "400 Te"},
		{`"method":"PUT","url":"/f","headers":{"Expect":"100-continue"},"body":"x"`, "400 Expect"},
		{`"method":"GET","url":"/f","headers":{"Upgrade":"h2c"}`, "400 Upgrade"},
		{`"method":"GET","url":"/f","headers":{"Origin":"http://a"}`, "400 Origin"},
		{`"method":"GET","url":"/f","headers":{"Forwarded":"host=a"}`, "400 Forwarded"},
		{`"method":"GET","url":"/f","headers":{"X-Forwarded-Anything":"a"}`, "400 X-Forwarded-Anything"},
		{`"method":"GET","url":"/f","headers":{"Sec-Fetch-Site":"none"}`, "400 Sec-Fetch-Site"},
		{`"method":"GET","url":"/f","headers":{"Proxy-Authorization":"x"}`, "400 Proxy-Authorization"},
		{`"method":"GET","url":"/f","headers":{"X":"a\r\nDepth: 0"}`, "400 cannot be sent"},
		{`"method":"GET","url":"/f","headers":{"X Y":"a"}`, "400 cannot be sent"},
		{`"method":"GET","url":"/f","headers":{"X-Client":"a\tb é"}`, "200"},
		{`"method":"PUT","url":"/f","headers":{"Content-Type":"image/png"},"body":"no base64!"`, "400 base64"},
		{`"method":"PUT","url":"/f","base64":true,"body":{}`, "400 base64"},
	} {
		h := tree(nil)
		w := ask(h, "POST", "/$batch", `{"requests":[{"id":"0","method":"PUT","url":"/f"},{"id":"1",`+tt.item+`},{"id":"2","method":"GET","url":"/f"}]}`)
		all := results(t, w.Body.Bytes())
		if len(all) != 3 || all[0].Status != 201 || all[2].Status != 200 {
			t.Errorf("%s: got %d %s, want the others to succeed", tt.item, w.Code, w.Body)
			continue
		}
		status, text, _ := strings.Cut(tt.want, " ")
		body, _ := json.Marshal(all[1].Body)
		if fmt.Sprint(all[1].Status) != status || !strings.Contains(string(body), text) {
			t.Errorf("%s: got %d %s, want %s", tt.item, all[1].Status, body, tt.want)
		}
	}
}

// The bodies of requests (OData JSON Format §19.1).
func TestRequestBodies(t *testing.T) {
	for _, tt := range []struct {
		name, item, want, contentType string
	}{
		{"a string", `"body":"a\u00e9\n"`, "aé\n", ""},
		{"text", `"headers":{"content-type":"text/plain"},"body":"aGk="`, "aGk=", "text/plain"},
		{"XML", `"headers":{"Content-Type":"application/xml; charset=utf-8"},"body":"<a/>"`, "<a/>", "application/xml; charset=utf-8"},
		{"a kind of XML", `"headers":{"Content-Type":"image/svg+xml"},"body":"<a/>"`, "<a/>", "image/svg+xml"},
		{"JSON", `"headers":{"Content-Type":"application/json"},"body":{"a": [1.50, "\u0041"]}`, `{"a": [1.50, "\u0041"]}`, "application/json"},
		{"JSON that is a string", `"headers":{"Content-Type":"application/ld+json"},"body":"a"`, `"a"`, "application/ld+json"},
		{"JSON without a type", `"body":[1]`, `[1]`, "application/json"},
		{"a number with another type", `"headers":{"Content-Type":"text/plain"},"body":12`, `12`, "text/plain"},
		{"bytes", `"headers":{"Content-Type":"image/png"},"body":"/+8="`, "\xff\xef", "image/png"},
		{"base64url without padding", `"headers":{"Content-Type":"image/png"},"body":"_-8"`, "\xff\xef", "image/png"},
		{"text that is said to be base64", `"headers":{"Content-Type":"text/plain"},"base64":true,"body":"/+8="`, "\xff\xef", "text/plain"},
		{"null", `"headers":{"Content-Type":"image/png"},"body":null`, "", "image/png"},
		{"none", `"base64":false`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			var r *http.Request
			h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				r = req
				got, _ = io.ReadAll(req.Body)
				w.WriteHeader(204)
			}), nil)
			if w := ask(h, "POST", "/$batch", `{"operations":[{"method":"PUT","url":"/f",`+tt.item+`}]}`); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if string(got) != tt.want || r.ContentLength != int64(len(tt.want)) || r.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("got %q of %d, %s, want %q, %s", got, r.ContentLength, r.Header.Get("Content-Type"), tt.want, tt.contentType)
			}
		})
	}
}

// The bodies of answers, in both shapes.
func TestAnswerBodies(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		graph, plain            string
	}{
		{"JSON", "application/json", "{\"a\": 1}\n", 200,
			`"status":200,"headers":{"Content-Type":"application/json"},"body":{"a":1}`, `"status":200,"headers":{"Content-Type":"application/json"},"data":{"a":1}`},
		{"what is no JSON", "application/json", `{"a":`, 200,
			`"status":200,"headers":{"Content-Type":"application/json"},"body":"eyJhIjo=","base64":true`, `"status":200,"headers":{"Content-Type":"application/json"},"data":"eyJhIjo=","base64":true`},
		{"JSON that is no UTF-8", "application/json", "\"\xff\"", 200,
			`"status":200,"headers":{"Content-Type":"application/json"},"body":"Iv8i","base64":true`, `"status":200,"headers":{"Content-Type":"application/json"},"data":"Iv8i","base64":true`},
		{"text", "text/plain; charset=utf-8", "<é>\n", 200,
			`"status":200,"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"<é>\n"`, `"status":200,"headers":{"Content-Type":"text/plain; charset=utf-8"},"data":"<é>\n"`},
		{"text that is no UTF-8", "text/plain", "\xff", 200,
			`"status":200,"headers":{"Content-Type":"text/plain"},"body":"/w==","base64":true`, `"status":200,"headers":{"Content-Type":"text/plain"},"data":"/w==","base64":true`},
		{"bytes", "image/png", "abc", 200,
			`"status":200,"headers":{"Content-Type":"image/png"},"body":"YWJj","base64":true`, `"status":200,"headers":{"Content-Type":"image/png"},"data":"YWJj","base64":true`},
		{"no type", "", "%PDF-", 200,
			`"status":200,"headers":{"Content-Type":"application/pdf"},"body":"JVBERi0=","base64":true`, `"status":200,"headers":{"Content-Type":"application/pdf"},"data":"JVBERi0=","base64":true`},
		{"none", "", "", 201, `"status":201`, `"status":201`},
		{"a problem", "application/problem+json", `{"type":"DAV:x","status":409}`, 409,
			`"status":409,"headers":{"Content-Type":"application/json"},"body":{"type":"DAV:x","status":409}`, `"status":409,"headers":{"Content-Type":"application/json"},"error":{"type":"DAV:x","status":409}`},
		{"an error in text", "text/plain; charset=utf-8", "No parent.", 409,
			`"status":409,"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"No parent."`, `"status":409,"headers":{"Content-Type":"text/plain; charset=utf-8"},"error":"No parent."`},
		{"an error without a body", "", "", 404, `"status":404`, `"status":404`},
		{"an error in XML", "application/xml", "<e/>", 423,
			`"status":423,"headers":{"Content-Type":"application/xml"},"body":"<e/>"`, `"status":423,"headers":{"Content-Type":"application/xml"},"error":"<e/>"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.contentType != "" {
					w.Header().Set("Content-Type", tt.contentType)
				}
				w.Header().Set("Vary", "Accept")
				w.Header().Set("Content-Length", fmt.Sprint(len(tt.body)))
				w.WriteHeader(102)
				w.WriteHeader(tt.status)
				w.WriteHeader(500)
				io.WriteString(w, tt.body)
			}), nil)
			for list, want := range map[string]string{
				"requests":   "{\"responses\":[\n{\"id\":\"1\"," + tt.graph + "}\n]}\n",
				"operations": "{\"results\":[\n{\"index\":0," + tt.plain + "}\n]}\n",
			} {
				w := ask(h, "POST", "/$batch", `{"`+list+`":[{"id":"1","method":"PUT","url":"/f"}]}`)
				if got := w.Body.String(); got != want {
					t.Errorf("got\n%s want\n%s", got, want)
				}
			}
		})
	}
}

// Headers of answers are those of single requests, Retry-After among them. HEAD has a length.
func TestAnswerHeaders(t *testing.T) {
	h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Add("Allow", "GET")
		w.Header().Add("Allow", "PUT")
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Length", "12")
		w.WriteHeader(200)
		if r.Method == "GET" {
			w.Write(make([]byte, 12))
		}
	}), nil)
	w := ask(h, "POST", "/$batch", `{"requests":[{"id":"1","method":"HEAD","url":"/"}]}`)
	want := "{\"responses\":[\n" + `{"id":"1","status":200,"headers":{"Allow":"GET, PUT","Content-Length":"12","Retry-After":"7"}}` + "\n]}\n"
	if w.Body.String() != want {
		t.Errorf("got\n%swant\n%s", w.Body, want)
	}
}

// Each item is the outer request with another target: its user, address, TLS state, host and proxy.
func TestItemsAreTheSender(t *testing.T) {
	type key struct{}
	var got []*http.Request
	h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = append(got, r) }),
		&batch.Options{Prefix: "/dav"})
	r := httptest.NewRequest("POST", "https://dav.example/dav/$batch", strings.NewReader(`{"requests":[
		{"id":"1","method":"PROPFIND","url":"a b/é?x=1 é\"","headers":{"depth":"1","Destination":"/c","accept":"application/xml"}},
		{"id":"2","method":"GET","url":"/"}]}`))
	r = r.WithContext(context.WithValue(access.WithPrincipal(r.Context(), "ann"), key{}, 7))
	for name, value := range map[string]string{"Content-Type": "application/json", "User-Agent": "agent", "Authorization": "Basic x",
		"X-Forwarded-For": "192.0.2.7", "Depth": "0", "If-Match": "*", "Accept": "text/html"} {
		r.Header.Set(name, value)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	h.ServeHTTP(httptest.NewRecorder(), r)
	if len(got) != 2 {
		t.Fatalf("%d items have run, want 2", len(got))
	}
	for i, q := range got {
		if access.Principal(q.Context()) != "ann" || q.Context().Value(key{}) != 7 || q.TLS == nil || q.TLS != r.TLS ||
			q.RemoteAddr != r.RemoteAddr || q.Host != "dav.example" || q.Proto != "HTTP/1.1" {
			t.Errorf("item %d is %+v", i, q)
		}
	}
	for i, want := range []struct {
		uri    string
		header map[string]string
	}{
		{"/dav/a%20b/%C3%A9?x=1%20%C3%A9%22", map[string]string{"Depth": "1", "Destination": "/dav/c", "Accept": "application/xml"}},
		{"/dav/", map[string]string{"Accept": "application/json"}},
	} {
		for _, name := range []string{"User-Agent", "Authorization", "X-Forwarded-For"} {
			want.header[name] = r.Header.Get(name)
		}
		header := map[string]string{}
		for name, values := range got[i].Header {
			header[name] = strings.Join(values, "|")
		}
		if got[i].RequestURI != want.uri || fmt.Sprint(header) != fmt.Sprint(want.header) {
			t.Errorf("item %d is %s %v, want %s %v", i, got[i].RequestURI, header, want.uri, want.header)
		}
	}
}

// url, Destination and the tags of If are below the prefix, whatever clients see of it; whole URLs
// have it.
func TestPrefix(t *testing.T) {
	public, err := url.Parse("https://www.example/files/")
	if err != nil {
		t.Fatal(err)
	}
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		name   string
		opts   batch.Options
		own    string // a whole URL of the tree
		header []string
	}{
		{"none", batch.Options{}, "http://example.com/", nil},
		{"a prefix", batch.Options{Prefix: "/a b/dav"}, "http://example.com/a%20b/dav/", nil},
		{"a public URL", batch.Options{Prefix: "/dav", PublicURLs: []*url.URL{public}}, "https://www.example/files/", nil},
		{"a proxy", batch.Options{TrustedProxies: proxy}, "http://p.example/x/", []string{"X-Forwarded-Host", "p.example", "X-Forwarded-Prefix", "/x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tree(&tt.opts)
			at := (&url.URL{Path: tt.opts.Prefix + "/$batch"}).EscapedPath()
			w := ask(h, "POST", at, `{"requests":[
				{"id":"put","method":"PUT","url":"/f","body":"x"},
				{"id":"copy","method":"COPY","url":"f","headers":{"Destination":"/c"}},
				{"id":"copy relative","method":"COPY","url":"f","headers":{"Destination":"d"}},
				{"id":"copy whole","method":"COPY","url":"`+tt.own+`f","headers":{"Destination":"`+tt.own+`e"}},
				{"id":"copy away","method":"COPY","url":"f","headers":{"Destination":"http://other.example/e"}},
				{"id":"copy nowhere","method":"COPY","url":"f","headers":{"Destination":"//other.example/e"}},
				{"id":"if","method":"GET","url":"/c","headers":{"If":"</c> ([\"</d)\"]) </d> (Not <DAV:no-lock>)"}},
				{"id":"if not","method":"GET","url":"/c","headers":{"If":"</c> (<DAV:no-lock>) </none> (Not <DAV:no-lock>)"}},
				{"id":"if relative","method":"GET","url":"/c","headers":{"If":"<d> ([\"<(\"]) <c> (Not <DAV:no-lock>)"}},
				{"id":"if whole","method":"GET","url":"/c","headers":{"If":"<`+tt.own+`d> (<DAV:no-lock>) <`+tt.own+`c> (Not <DAV:no-lock>)"}},
				{"id":"if cut","method":"GET","url":"/c","headers":{"If":"<c> (<"}},{"id":"if cut, too","method":"GET","url":"/c","headers":{"If":"<c"}},
				{"id":"e","method":"GET","url":"/e"},{"id":"d","method":"GET","url":"/d"}]}`, tt.header...)
			want := "207: put=201 copy=201 copy relative=201 copy whole=201 copy away=502 copy nowhere=400 if=200 if not=200 if relative=200 if whole=200 if cut=400 if cut, too=400 e=200 d=200"
			if got := outcome(t, w); got != want {
				t.Errorf("got %s\nwant %s\n%s", got, want, w.Body)
			}
			all := results(t, w.Body.Bytes())
			etag := strings.Trim(all[len(all)-1].Headers["Etag"], `"`)
			w = ask(h, "POST", at, `{"requests":[{"id":"if parentheses","method":"GET","url":"/c","headers":{
				"If":"</a(b> (<DAV:no-lock>) <a)b> (<DAV:no-lock>) </d> ([\"`+etag+`\"])"}}]}`, tt.header...)
			if got, want := outcome(t, w), "200: if parentheses=200"; got != want {
				t.Errorf("got %s\nwant %s\n%s", got, want, w.Body)
			}
		})
	}
}

// An item that breaks off has failed: the half of its answer is not passed on. A panic is logged.
func TestBrokenItems(t *testing.T) {
	var log bytes.Buffer
	h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			w.Header().Set("Lock-Token", "<x:y>")
			io.WriteString(w, "half")
			panic("secret")
		case "/abort":
			io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		case "/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "half")
		case "/long":
			for range 3 {
				if _, err := io.WriteString(w, "half"); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		case "/empty":
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
				t.Errorf("Write after 204: %v, want %v", err, http.ErrBodyNotAllowed)
			}
		}
	}), &batch.Options{MaxAnswer: 8, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var items []string
	for _, name := range []string{"panic", "abort", "short", "long", "empty", "well"} {
		items = append(items, `{"id":"`+name+`","method":"PUT","url":"/`+name+`"}`)
	}
	w := ask(h, "POST", "/$batch", `{"requests":[`+strings.Join(items, ",")+`]}`)
	if got, want := outcome(t, w), "207: panic=500 abort=500 short=500 long=507 empty=204 well=200"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, no := range []string{"half", "secret", "Lock-Token"} {
		if strings.Contains(w.Body.String(), no) {
			t.Errorf("the answer has %q: %s", no, w.Body)
		}
	}
	for _, want := range []string{"level=ERROR msg=panic method=PUT path=/panic err=secret stack=", `level=INFO msg="batch item" item=5 method=PUT path=/well status=200`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, &log)
		}
	}
}

// serve returns the URL of a server, and what its handler has returned: nil or a panic.
func serve(t *testing.T, h http.Handler) (url string, ended <-chan any) {
	done := make(chan any, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			done <- v
			if v != nil {
				panic(v)
			}
		}()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, done
}

func post(t *testing.T, ctx context.Context, url, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/$batch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// The answer begins before the last item is done: as 207 with the first failure, with more than a
// mebibyte of results, or when the client has waited for Silence, and then white space follows.
func TestStreams(t *testing.T) {
	for _, tt := range []struct {
		name, first string
		silence     time.Duration
	}{
		{"a failure", "/none", time.Hour},
		{"a failure of an item before its turn", "/early", time.Hour},
		{"many bytes", "/large", time.Hour},
		{"silence", "/small", 10 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wait := make(chan bool)
			url, ended := serve(t, batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/none", "/early":
					w.WriteHeader(404)
				case "/large":
					w.Header().Set("Content-Type", "text/plain")
					w.Write(bytes.Repeat([]byte("x"), 1<<20))
				case "/wait":
					<-wait
				}
			}), &batch.Options{Silence: tt.silence}))
			body := `{"requests":[{"id":"1","method":"GET","url":"` + tt.first + `"},{"id":"2","method":"GET","url":"/wait"}]}`
			if tt.first == "/early" {
				body = `{"requests":[{"id":"2","method":"GET","url":"/wait","dependsOn":["1"],"if":"not $1/$succeeded"},{"id":"1","method":"GET","url":"/early"}]}`
			}
			resp := post(t, t.Context(), url, body)
			in := bufio.NewReader(resp.Body)
			if line, err := in.ReadString('\n'); resp.StatusCode != 207 || line != "{\"responses\":[\n" {
				t.Errorf("got %d %q, %v, before the last item is done, want 207", resp.StatusCode, line, err)
			}
			if tt.silence < time.Hour {
				if line, err := in.ReadString('\n'); !strings.HasPrefix(line, `{"id":"1"`) || !strings.HasSuffix(line, "}\n") {
					t.Errorf("got %q, %v, want the first result and white space", line, err)
				}
			}
			close(wait)
			rest, err := io.ReadAll(in)
			if err != nil || !strings.Contains(string(rest), `{"id":"2","status":200}`) || !strings.HasSuffix(string(rest), "\n]}\n") {
				t.Errorf("got ...%q, %v, want the end", rest[max(0, len(rest)-100):], err)
			}
			if v := <-ended; v != nil {
				t.Errorf("panic: %v", v)
			}
		})
	}
}

// A client that goes away stops what has not begun, and no half of an answer looks whole.
func TestClientGone(t *testing.T) {
	begun, ran := make(chan bool), 0
	url, ended := serve(t, batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ran++; ran == 1 {
			begun <- true
			<-r.Context().Done()
		}
	}), nil))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	r, _ := http.NewRequestWithContext(ctx, "POST", url+"/$batch", strings.NewReader(`{"requests":[{"id":"1","method":"PUT","url":"/1"},{"id":"2","method":"PUT","url":"/2"}]}`))
	r.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(r); err == nil {
		t.Errorf("got %s, want none", resp.Status)
	}
	if v := <-ended; v != http.ErrAbortHandler || ran != 1 {
		t.Errorf("%d items have run, and the handler has panicked with %v; want 1 and %v", ran, v, http.ErrAbortHandler)
	}
}

// An envelope and results that are larger than memory should hold are in temp files, and those are
// removed.
func TestTempFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	h := tree(nil)
	text := strings.Repeat("x", 1<<20)
	var items []string
	for i := range 5 {
		items = append(items, fmt.Sprintf(`{"id":"put%d","method":"PUT","url":"/%d","body":"%d%s"}`, i, i, i, text))
	}
	w := ask(h, "POST", "/$batch", `{"requests":[`+strings.Join(items, ",")+`]}`)
	if w.Code != 200 {
		t.Fatalf("got %d %.300s", w.Code, w.Body)
	}
	items = []string{`{"id":"last","method":"GET","url":"/0","dependsOn":["1","2","3"]}`} // they run first, and wait
	for i := range 5 {
		items = append(items, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/%d"}`, i, i))
	}
	w = ask(h, "POST", "/$batch", `{"requests":[`+strings.Join(items, ",")+`]}`)
	all := results(t, w.Body.Bytes())
	if len(all) != 6 || all[0].ID != "last" {
		t.Fatalf("got %d %.300s", w.Code, w.Body)
	}
	for i, r := range all[1:] {
		if r.ID != fmt.Sprint(i) || r.Body == nil || len(fmt.Sprint(r.Body)) < 1<<20 {
			t.Errorf("result %d is of %s, %.100v", i, r.ID, r.Body)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}

// A temp file that cannot be made is 507 or 5xx, and nothing was done.
func TestNoTempFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	t.Setenv("TMP", t.TempDir()+"/none")
	h := tree(nil)
	w := ask(h, "POST", "/$batch", `{"requests":[{"id":"1","method":"PUT","url":"/f","body":"`+strings.Repeat("x", 2<<20)+`"}]}`)
	if w.Code != 500 {
		t.Errorf("got %d %.300s, want 500", w.Code, w.Body)
	}
	if got := ask(h, "GET", "/f", "").Code; got != 404 {
		t.Errorf("GET /f = %d, want 404", got)
	}
}

// Results that wait for their turn have a limit, and the disk has one, too. What there is no room
// for has failed, and the others are answered; a small request cannot fill the disk with answers.
func TestNoRoomForResults(t *testing.T) {
	var large, small []string
	for i := range 6 {
		large = append(large, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/%d"}`, i, 700_000+i))
		small = append(small, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/%d"}`, i, i))
	}
	const first = `{"id":"first","method":"GET","url":"/1","dependsOn":["5"],"if":"$5/$succeeded or not $5/$succeeded"},`
	for _, tt := range []struct {
		name, items, want, dir string
		limit                  int64
		header                 []string
	}{
		{"within the limit", first + strings.Join(small, ","), "200: first=200 0=200 1=200 2=200 3=200 4=200 5=200", "", 0, nil},
		{"within the limit, in a temp file", first + strings.Join(large, ","), "207: first=200 0=200 1=200 2=200 3=200 4=200 5=200", "", 0, nil},
		{"beyond the limit", strings.Replace(first, `["5"]`, `["0","1","2","3","4","5"]`, 1) + strings.Join(large, ","),
			"207: first=200 0=200 1=200 2=507 3=507 4=507 5=507", "", 1_500_000, nil},
		{"it depends on one without room", strings.Replace(first, `,"if":"$5/$succeeded or not $5/$succeeded"`, "", 1) + strings.Join(large, ","),
			"207: first=424 0=200 1=200 2=200 3=200 4=200 5=507", "", 500_000, nil},
		{"no temp file", strings.Replace(first, `["5"]`, `["0","1","2","3","4","5"]`, 1) + strings.Join(large, ","),
			"207: first=200 0=500 1=500 2=500 3=500 4=500 5=500", "/none", 0, nil},
		{"stop", strings.Replace(first, `["5"]`, `["0","1","2","3","4","5"]`, 1) + strings.Join(large, ","),
			"207: first=424 0=200 1=200 2=507 3=424 4=424 5=424", "", 1_500_000, []string{"Prefer", "continue-on-error=false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir()+tt.dir)
			t.Setenv("TMP", os.Getenv("TMPDIR"))
			h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				size, _ := strconv.Atoi(r.URL.Path[1:])
				w.Header().Set("Content-Type", "text/plain")
				w.Write(bytes.Repeat([]byte("x"), size))
			}), &batch.Options{MaxHeld: tt.limit})
			w := ask(h, "POST", "/$batch", `{"requests":[`+tt.items+`]}`, tt.header...)
			if got := outcome(t, w); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// GET and OPTIONS say what the limits are. A resource with the path of the batch URL is not hidden.
func TestLimits(t *testing.T) {
	h := tree(&batch.Options{Prefix: "/dav", Path: "/b/$batch", MaxItems: 5, MaxBytes: 100, MaxDepth: 7, MaxAnswer: 9, MaxHeld: 11})
	const want = `{"limits":{"items":5,"bytes":100,"depth":7,"answerBytes":9,"heldBytes":11}}` + "\n"
	for _, tt := range []struct{ method, target, want, allow, body string }{
		{"GET", "/dav/b/$batch", "200", "", want},
		{"GET", "/dav/x/../b/%24batch/", "200", "", want},
		{"HEAD", "/dav/b/$batch", "200", "", ""},
		{"GET", "/b/$batch", "404", "", ""},
		{"GET", "/dav/$batch", "404", "", ""},
		{"POST", "/dav/$batch", "405", "", ""},
		{"OPTIONS", "/dav/b/$batch", "200", ", POST", want},
	} {
		w := ask(h, tt.method, tt.target, "")
		if fmt.Sprint(w.Code) != tt.want || tt.body != "" && w.Body.String() != tt.body || !strings.HasSuffix(w.Header().Get("Allow"), tt.allow) {
			t.Errorf("%s %s = %d %v %s, want %+v", tt.method, tt.target, w.Code, w.Header(), w.Body, tt)
		}
		if tt.want == "200" && w.Header().Get("Accept-Post") != "application/json" {
			t.Errorf("%s %s: %v, want Accept-Post", tt.method, tt.target, w.Header())
		}
	}
	if dav := ask(h, "OPTIONS", "/dav/b/$batch", "").Header().Values("DAV"); !slices.Equal(dav, []string{"1, 2, 3"}) {
		t.Errorf("DAV = %q, want that of the tree", dav)
	}
	ask(h, "MKCOL", "/dav/b", "")
	ask(h, "PUT", "/dav/b/$batch", "a file")
	if w := ask(h, "GET", "/dav/b/$batch", ""); w.Code != 200 || w.Body.String() != "a file" {
		t.Errorf("GET = %d %q, want the file", w.Code, w.Body)
	}
	if w := ask(h, "POST", "/dav/b/$batch", `{"requests":[]}`); w.Code != 200 {
		t.Errorf("POST = %d, want a batch beside the file", w.Code)
	}
	if w := ask(h, "DELETE", "/dav/b/$batch", ""); w.Code != 204 {
		t.Errorf("DELETE = %d, want 204", w.Code)
	}
}

// RFC 9110 §15.1, RFC 9111 §4.2.2: without Cache-Control caches could use the limits, or a refusal,
// for as long as they like.
func TestCacheControl(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		status       int
	}{
		{"POST", `{"requests":[{"id":"1","method":"PUT","url":"/f"}]}`, 200},
		{"POST", `{"requests":[{"id":"1","method":"GET","url":"/none"}]}`, 207},
		{"POST", `{`, 400},
		{"POST", `{"requests":[` + strings.Repeat("[", 100_000), 413},
		{"GET", ``, 200},
		{"HEAD", ``, 200},
		{"OPTIONS", ``, 200},
	} {
		w := ask(tree(nil), tt.method, "/$batch", tt.body)
		if got := w.Header().Values("Cache-Control"); w.Code != tt.status || !slices.Equal(got, []string{"no-cache"}) {
			t.Errorf("%s %.60s is %d with Cache-Control %q, want %d with no-cache", tt.method, tt.body, w.Code, got, tt.status)
		}
	}
}

// A path that cannot be that of a batch is a fault of the program.
func TestPathOfBatch(t *testing.T) {
	for s, ok := range map[string]bool{"/$batch": true, "/a b/c/": true, "/": false, "": false, "batch": false, "/.dav207": false, "/..": false} {
		if _, err := batch.ParsePath(s); (err == nil) != ok {
			t.Errorf("ParsePath(%q) = %v", s, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New has not panicked")
		}
	}()
	batch.New(http.NotFoundHandler(), &batch.Options{Path: "/"})
}
