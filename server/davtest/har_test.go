package davtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// harShape has the fields that HAR 1.2 requires, with a value of the JSON type that each must have.
// Those in harOptional may be missing.
var (
	harPairs = []any{map[string]any{"name": "", "value": ""}}
	harShape = map[string]any{"log": map[string]any{
		"version": "", "creator": map[string]any{"name": "", "version": ""},
		"entries": []any{map[string]any{
			"startedDateTime": "", "time": 0.0, "cache": map[string]any{}, "comment": "",
			"timings": map[string]any{"send": 0.0, "wait": 0.0, "receive": 0.0},
			"request": map[string]any{"method": "", "url": "", "httpVersion": "", "cookies": harPairs, "headers": harPairs,
				"queryString": harPairs, "headersSize": 0.0, "bodySize": 0.0,
				"postData": map[string]any{"mimeType": "", "params": harPairs, "text": "", "_encoding": ""}},
			"response": map[string]any{"status": 0.0, "statusText": "", "httpVersion": "", "cookies": harPairs, "headers": harPairs,
				"content":     map[string]any{"size": 0.0, "mimeType": "", "text": "", "encoding": ""},
				"redirectURL": "", "headersSize": 0.0, "bodySize": 0.0},
		}},
	}}
	harOptional = map[string]bool{"comment": true, "postData": true, "_encoding": true, "encoding": true}
)

// conform reports where a JSON value has not the shape.
func conform(t *testing.T, at string, got, shape any) {
	t.Helper()
	if reflect.TypeOf(got) != reflect.TypeOf(shape) {
		t.Errorf("%s is %#v, want a %T", at, got, shape)
		return
	}
	switch shape := shape.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for name, inner := range shape {
			if value, ok := got[name]; ok {
				conform(t, at+"."+name, value, inner)
			} else if !harOptional[name] && !(name == "text" && at == ".log.entries.response.content") {
				t.Errorf("%s has no %s", at, name)
			}
		}
		for name := range got {
			if _, ok := shape[name]; !ok {
				t.Errorf("%s has %s, which HAR 1.2 does not know", at, name)
			}
		}
	case []any:
		for _, element := range got.([]any) {
			conform(t, at, element, shape[0])
		}
	}
}

func TestHAR(t *testing.T) {
	binary := "\x00\xff\x89PNG"
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/moved":
			w.Header().Set("Location", "/there")
			w.WriteHeader(301)
		case "/cut":
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "cut")
		default:
			w.Header().Set("Set-Cookie", "c=3; Path=/")
			w.Header().Set("Content-Type", "image/png")
			io.WriteString(w, binary)
		}
	})
	srv.Start()
	for _, request := range []string{
		"PUT /a%20b?x=1&y=a%20b&z HTTP/1.1\nHost: h\nConnection: close\nCookie: a=1; b=2\nContent-Type: image/png\nContent-Length: 6\n\n" + binary,
		"PUT /text HTTP/1.1\nHost: h\nConnection: close\nContent-Type: text/plain\nContent-Length: 3\n\n<&ä",
		"GET /moved HTTP/1.1\nHost: h\nConnection: close\n\n",
		"GET /cut HTTP/1.1\nHost: h\nConnection: close\n\n",
		"GET http://other/x HTTP/1.1\nHost: h\nConnection: close\n\n",
		"OPTIONS * HTTP/1.1\nHost: h\nConnection: close\n\n",
	} {
		exchangeRaw(t, srv, strings.Replace(request, "Content-Length: 3", "Content-Length: 4", 1))
	}
	j := rec.journal()
	j[1].Took = 1500 * time.Microsecond
	j = append(j, exchangeOf("GET", "/never", 0))
	var out bytes.Buffer
	if err := j.HAR(&out); err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	conform(t, "", document, harShape)
	var har struct{ Log harLog }
	if err := json.Unmarshal(out.Bytes(), &har); err != nil {
		t.Fatal(err)
	}
	if har.Log.Version != "1.2" || har.Log.Creator.Name != "dav207" || har.Log.Creator.Version == "" || len(har.Log.Entries) != len(j) {
		t.Fatalf("HAR of %d exchanges:\n%s", len(j), &out)
	}
	put, text, moved, cut := har.Log.Entries[0], har.Log.Entries[1], har.Log.Entries[2], har.Log.Entries[3]
	encoded := base64.StdEncoding.EncodeToString([]byte(binary))
	for _, tt := range []struct{ what, got, want any }{
		{"started", put.Started, "2030-01-02T03:04:05.000Z"},
		{"time", put.Time, 0.0},
		{"url", put.Request.URL, "http://h/a%20b?x=1&y=a%20b&z"},
		{"query", put.Request.QueryString, []harPair{{"x", "1"}, {"y", "a%20b"}, {"z", ""}}},
		{"cookies", put.Request.Cookies, []harPair{{"a", "1"}, {"b", "2"}}},
		{"cookies set", put.Response.Cookies, []harPair{{"c", "3"}}},
		{"host", put.Request.Headers[0], harPair{"Host", "h"}},
		{"binary request", *put.Request.PostData, harPostData{"image/png", []harPair{}, encoded, "base64"}},
		{"binary answer", put.Response.Content, harContent{len(binary), "image/png", encoded, "base64"}},
		{"text request", *text.Request.PostData, harPostData{"text/plain", []harPair{}, "<&ä", ""}},
		{"time of the second", text.Time, 1.5},
		{"wait of the second", text.Timings, harTimings{Wait: 1.5}},
		{"no body", moved.Request.PostData == nil, true},
		{"redirect", moved.Response.RedirectURL, "/there"},
		{"status", moved.Response.StatusText, "Moved Permanently"},
		{"cut", cut.Comment, "closed in the answer, 6 bytes before its end"},
		{"absolute target", har.Log.Entries[4].Request.URL, "http://other/x"},
		{"OPTIONS *", har.Log.Entries[5].Request.URL, "http://h/*"},
		{"no answer", har.Log.Entries[6].Response.Status, 0},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.what, tt.got, tt.want)
		}
	}
	var none bytes.Buffer
	if err := (Journal{}).HAR(&none); err != nil || !strings.Contains(none.String(), `"entries": []`) {
		t.Errorf("HAR of nothing is %s, %v", &none, err)
	}
}
