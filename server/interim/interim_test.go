package interim_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/multistatus"
)

// interimRecorder is a ResponseWriter that records each 102 and the final status with the time.
type interimRecorder struct {
	*httptest.ResponseRecorder
	start    time.Time
	received []string // "20s 102", or "20s" for a part of the body
}

func (p *interimRecorder) note(s string) {
	p.received = append(p.received, strings.TrimSpace(fmt.Sprint(time.Since(p.start), " ", s)))
}

func (p *interimRecorder) WriteHeader(status int) {
	p.note(fmt.Sprint(status))
	if status >= 200 {
		p.ResponseRecorder.WriteHeader(status)
	}
}

func (p *interimRecorder) Flush() { p.note("") }

// A long operation sends something each 20 seconds, and its final status is correct.
func TestInterimResponses(t *testing.T) {
	const curl = "curl/7.88.1"
	gone := fs.ErrPermission
	for _, tt := range []struct {
		rule, request, agent string
		headers              string // "Name: value | ..."
		takes                time.Duration
		fail                 error // of the member that takes so long
		received             string
	}{
		{"RFC 9110 §15.2: interim responses, and the status at the end", "DELETE /c/", curl, "", 90 * time.Second, nil, "20s 102, 40s 102, 1m0s 102, 1m20s 102, 1m30s 204"},
		{"COPY", "COPY /c/2", curl, "Destination: /new", 50 * time.Second, nil, "20s 102, 40s 102, 50s 201"},
		{"MOVE", "MOVE /c/2", curl, "Destination: /new", 50 * time.Second, nil, "20s 102, 40s 102, 50s 201"},
		{"what fails in the end fails", "COPY /c/2", curl, "Destination: /new", 50 * time.Second, gone, "20s 102, 40s 102, 50s 403"},
		{"what is done at once says nothing else", "DELETE /c/", curl, "", 19 * time.Second, nil, "19s 204"},
		{"what is refused", "DELETE /none", curl, "", 50 * time.Second, nil, "0s 404"},
		{"Go before 1.24 takes five", "DELETE /c/", "Go-http-client/1.1", "", 200 * time.Second, nil, "20s 102, 40s 102, 1m0s 102, 1m20s 102, 3m20s 204"},
		{"neon", "DELETE /c/", "cadaver/0.24 neon/0.32.5", "", 30 * time.Second, nil, "20s 102, 30s 204"},
		{"clients of which we do not know", "DELETE /c/", "Mozilla/5.0", "", 90 * time.Second, nil, "1m30s 204"},
		{"clients that do not say who they are", "DELETE /c/", "", "", 90 * time.Second, nil, "1m30s 204"},
		{"a proxy", "DELETE /c/", curl, "X-Forwarded-For: 10.0.0.1", 90 * time.Second, nil, "1m30s 204"},
		{"RFC 9110 §7.6.3: a proxy that says so", "DELETE /c/", curl, "Via: 1.1 x", 90 * time.Second, nil, "1m30s 204"},
		{"who closes the connection, as nginx does", "DELETE /c/", curl, "Connection: close", 90 * time.Second, nil, "1m30s 204"},
		{"a body, with which 100 may go out", "COPY /c/2", curl, "Destination: /new | body", 50 * time.Second, nil, "50s 201"},
		{"RFC 9110 §15.2: none to HTTP/1.0", "HTTP/1.0 DELETE /c/", curl, "", 90 * time.Second, nil, "1m30s 204"},
		{"§13: a 207 that has begun goes on", "DELETE /c/", curl, "fail /c/1", 90 * time.Second, nil, "20s 207, 20s, 40s, 1m0s, 1m20s"},
		{"a 207 does so for everybody", "DELETE /c/", "", "fail /c/1", 90 * time.Second, nil, "20s 207, 20s, 40s, 1m0s, 1m20s"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				files := faultfs.New(memory.New(nil).Backend())
				h := server.New(files, &server.Options{Silence: 20 * time.Second})
				do(h, "MKCOL", "/c", "")
				do(h, "PUT", "/c/1", "x")
				do(h, "PUT", "/c/2", "x")
				wait := func(context.Context) { time.Sleep(tt.takes) }
				for _, op := range []faultfs.Op{faultfs.Remove, faultfs.Read, faultfs.Rename} {
					files.Fail(op, "/c/2", tt.fail).Do(wait)
				}
				w := &interimRecorder{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
				request, old := strings.CutPrefix(tt.request, "HTTP/1.0 ")
				method, name, _ := strings.Cut(request, " ")
				headers, body := strings.CutSuffix(tt.headers, " | body")
				r := httptest.NewRequest(method, name, nil)
				if body {
					r = httptest.NewRequest(method, name, strings.NewReader(`<propertybehavior xmlns="DAV:"/>`))
				}
				if old {
					r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0
				}
				r.Header.Set("User-Agent", tt.agent)
				switch key, value, _ := strings.Cut(headers, ": "); {
				case strings.HasPrefix(key, "fail "):
					files.Fail(faultfs.Remove, strings.TrimPrefix(key, "fail "), fs.ErrPermission)
				case key == "Connection":
					r.Close = true
				case key != "":
					r.Header.Set(key, value)
				}
				h.ServeHTTP(w, r)
				if got := strings.Join(w.received, ", "); got != tt.received {
					t.Errorf("%s: the client receives %s, want %s", tt.request, got, tt.received)
				}
				if w.Code == http.StatusMultiStatus {
					if all, err := multistatus.Decode(w.Body); err != nil || len(all) != 1 || all[0].Href != "/c/1" {
						t.Errorf("the 207 is %v, %v", all, err)
					}
				}
			})
		})
	}
}

// A request that waits for another one sends 102, too.
func TestInterimWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := faultfs.New(memory.New(nil).Backend())
		h := server.New(files, &server.Options{Silence: 20 * time.Second})
		do(h, "MKCOL", "/c", "")
		do(h, "PUT", "/c/1", "x")
		files.Fail(faultfs.Remove, "/c/1", nil).Do(func(context.Context) { time.Sleep(50 * time.Second) })
		go do(h, "DELETE", "/c", "")
		synctest.Wait()
		w := &interimRecorder{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
		r := httptest.NewRequest("DELETE", "/c", nil)
		r.Header.Set("User-Agent", "curl/8.0")
		h.ServeHTTP(w, r)
		if got, want := strings.Join(w.received, ", "), "20s 102, 40s 102, 50s 404"; got != want {
			t.Errorf("the second DELETE receives %s, want %s", got, want)
		}
	})
}

// do sends one request without a body or header fields of its own.
func do(h http.Handler, method, url, body string) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, url, strings.NewReader(body)))
}
