package davtest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/server/davtest"
)

// rows do what the table of README.md says, as a user types it: TestTableIsTyped looks for each of
// its snippets in this file.
var rows = map[string]func(t *testing.T, srv *davtest.Server){
	"a member that fails": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("DELETE", "/c/3", 423)
		want(t, srv.Do("DELETE", "/c/").String(), "207 /c/3=423 lock-token-submitted(/c/3)")
		want(t, srv.Do("DELETE", "/c/3").String(), "423 lock-token-submitted(/c/3)")
	},
	"methods and patterns": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("COPY,MOVE", "/c/*", 403)
		want(t, srv.Do("MOVE", "/c/1", "Destination: /x").String(), "403")
		srv.RemoveFaults()
		srv.Fail("*", "/c/**", 403)
		want(t, srv.Do("GET", "/c/1").String()+srv.Do("DELETE", "/c/1").String(), "403403")
		srv.Put("/a2/x", "/b/x")
		srv.Fail("GET", "/{a,b}/x", 403)
		want(t, srv.Do("GET", "/a2/x").String()+srv.Do("GET", "/b/x").String(), "200403")
	},
	"condition, text, header": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("PUT", "/a", 507).Condition("quota-not-exceeded").Times(1)
		want(t, srv.Send("PUT", "/a", "x").String(), "507 quota-not-exceeded")
		srv.Fail("PUT", "/a", 503).Description("full").SetHeader("Retry-After", "5")
		r := srv.Send("PUT", "/a", "x")
		want(t, r.String()+r.Header.Get("Retry-After")+string(r.Body), "5035full\n")
	},
	"a property": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("PROPFIND", "/c/3", 403).Property("getetag")
		srv.Fail("PROPPATCH", "/c/3", 507).Property("{urn:x}color")
		want(t, srv.Send("PROPFIND", "/c/3", `<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>`, "Depth: 0").String(),
			"207 /c/3=200[resourcetype]403[getetag]")
		want(t, srv.Send("PROPPATCH", "/c/3", `<propertyupdate xmlns="DAV:"><set><prop><color xmlns="urn:x"/></prop></set></propertyupdate>`).String(),
			"207 /c/3=507[color]")
	},
	"counts": func(t *testing.T, srv *davtest.Server) {
		fault := srv.Fail("GET", "/a", 503)
		fault.Times(2)
		want(t, gets(srv, 3), "503 503 200 ")
		srv.RemoveFaults()
		srv.Fail("GET", "/a", 503).After(3)
		want(t, gets(srv, 5), "200 200 200 503 503 ")
		srv.RemoveFaults()
		srv.Fail("GET", "/a", 503).Nth(3)
		want(t, gets(srv, 4), "200 200 503 200 ")
		want(t, fault.Fired(), 2)
	},
	"only for some requests": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("PROPFIND", "/c", 403).Depth("infinity")
		want(t, fmt.Sprint(srv.Do("PROPFIND", "/c/").StatusCode, srv.Do("PROPFIND", "/c/", "Depth: 0").StatusCode), "403 207")
		srv.Fail("PUT", "/c/1", 403).User("jane")
		want(t, fmt.Sprint(srv.Send("PUT", "/c/1", "x").StatusCode, srv.Send("PUT", "/c/1", "x", jane).StatusCode), "204 403")
		srv.Fail("PUT", "/c/2", 403).Header("If", "")
		want(t, fmt.Sprint(srv.Send("PUT", "/c/2", "x").StatusCode, srv.Send("PUT", "/c/2", "x", "If: (Not <DAV:no-lock>)").StatusCode), "204 403")
		srv.Fail("COPY", "/c/3", 403).Header("Overwrite", "F")
		want(t, fmt.Sprint(srv.Do("COPY", "/c/3", "Destination: /x").StatusCode, srv.Do("COPY", "/c/3", "Destination: /y", "Overwrite: F").StatusCode), "201 403")
	},
	"a lock": func(t *testing.T, srv *davtest.Server) {
		srv.On("PUT", "/a").Locked().Times(1)
		want(t, fmt.Sprint(srv.Send("PUT", "/a", "x").StatusCode, srv.Send("PUT", "/a", "x").StatusCode), "423 204")
		srv.On("PUT", "/c/1").LockTaken().Times(1)
		want(t, fmt.Sprint(srv.Send("PUT", "/c/1", "x").StatusCode, srv.Send("PUT", "/c/1", "x").StatusCode), "423 423")
		token := srv.Lock("/c/2")
		srv.On("PUT", "/c/2").LockExpires()
		want(t, srv.Send("PUT", "/c/2", "x", "If: (<"+token+">)").StatusCode, 412)
	},
	"a slow answer": func(t *testing.T, srv *davtest.Server) {
		slow := func(least time.Duration) {
			t.Helper()
			began := time.Now()
			want(t, string(srv.Do("GET", "/a").Body), "/a")
			if took := time.Since(began); took < least {
				t.Errorf("the answer came after %v", took)
			}
		}
		srv.Wire("GET", "/a").Delay(time.Second).Times(1)
		slow(time.Second)
		srv.Wire("GET", "/a").Trickle(100)
		slow(20 * time.Millisecond)
	},
	"an answer that stops": func(t *testing.T, srv *davtest.Server) {
		srv.Write("/a", "hello")
		srv.Wire("GET", "/a").Stall(2).Times(1)
		res, err := http.Get(srv.URL + "/a")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2)
		_, err = io.ReadFull(res.Body, b)
		want(t, err, nil)
		want(t, string(b), "he")
		res.Body.Close()
		srv.Wire("GET", "/a").Cut(2)
		r := srv.Do("GET", "/a")
		want(t, string(r.Body), "he")
		want(t, r.Err, io.ErrUnexpectedEOF)
	},
	"a connection that is reset": func(t *testing.T, srv *davtest.Server) {
		fails := func(content string) {
			t.Helper()
			req, _ := http.NewRequest("PUT", srv.URL+"/a", strings.NewReader("new"))
			res, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Error("the connection is not reset")
			}
			want(t, srv.Content("/a"), content)
		}
		srv.Wire("PUT", "/a").Reset("before").Times(1)
		fails("/a")
		srv.Wire("PUT", "/a").Reset("after").Times(1)
		fails("new")
		srv.Wire("GET", "/a").Reset("in")
		want(t, srv.Do("GET", "/a").Err != nil, true)
	},
	"wrong bodies and headers": func(t *testing.T, srv *davtest.Server) {
		srv.Wire("PROPFIND", "/c").Malformed().Times(1)
		answer, _ := raw(t, srv, "PROPFIND", "/c/")
		want(t, strings.HasSuffix(strings.TrimSpace(answer), "</D:multistatus>"), false)
		srv.Wire("PROPFIND", "/c").ContentLength(9).Times(1)
		answer, _ = raw(t, srv, "PROPFIND", "/c/")
		want(t, strings.Contains(answer, "\r\nContent-Length: 9\r\n"), true)
		srv.Wire("PROPFIND", "/c").ContentType("text/html")
		want(t, srv.Do("PROPFIND", "/c/", "Depth: 0").Header.Get("Content-Type"), "text/html")
	},
	"an answer of my own": func(t *testing.T, srv *davtest.Server) {
		srv.Wire("DELETE", "/c").Answer(200, "all fine", "X-A: b")
		r := srv.Do("DELETE", "/c/")
		want(t, r.String()+string(r.Body)+r.Header.Get("X-A"), "200all fineb")
		want(t, srv.Names(), "/ /a /c/ /c/1 /c/2 /c/3")
	},
	"401, redirect, 503": func(t *testing.T, srv *davtest.Server) {
		srv.Wire("*", "/**").Challenge().Times(1)
		r := srv.Do("GET", "/a")
		want(t, r.String()+r.Header.Get("WWW-Authenticate"), `401Basic realm="davtest", charset="UTF-8"`)
		want(t, srv.Do("GET", "/a").String(), "200")
		srv.Put("/new/")
		srv.Wire("GET", "/a").Redirect("/new/").Times(1)
		want(t, srv.Do("GET", "/a").String(), "200") // the client follows
		want(t, srv.Journal().Last().Target, "/new/")
		srv.Wire("GET", "/a").Unavailable(time.Minute)
		want(t, srv.Do("GET", "/a").Header.Get("Retry-After"), "60")
	},
	"a failure and its answer delayed": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("DELETE", "/c/3", 423).Delay(time.Second)
		began := time.Now()
		want(t, srv.Do("DELETE", "/c/").String(), "207 /c/3=423 lock-token-submitted(/c/3)")
		want(t, time.Since(began) >= time.Second, true)
	},
	"a fault that may not fire": func(t *testing.T, srv *davtest.Server) {
		srv.Fail("GET", "/never", 403).Optional()
	},
	"faults as text": func(t *testing.T, _ *davtest.Server) {
		text := `{"faults": [{"method": "GET", "path": "/a", "status": 403, "times": 1}]}`
		srv := davtest.New(t, &davtest.Options{Faults: text})
		srv.Put("/a")
		if _, err := srv.AddFaults(text); err != nil {
			t.Fatal(err)
		}
		want(t, gets(srv, 3), "403 403 200 ")
	},
	"no report": func(t *testing.T, _ *davtest.Server) {
		srv := davtest.New(t, &davtest.Options{Lenient: true})
		srv.Fail("GET", "/never", 403)
		srv.Send("LOCK", "/left", lockBody)
	},
	"no testing.T": func(t *testing.T, _ *davtest.Server) {
		srv, err := davtest.Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		want(t, srv.Names(), "/")
	},
	"a tree": func(t *testing.T, _ *davtest.Server) {
		text, fsys := "-- /a --\none\n", fstest.MapFS{"b": {Data: []byte("two\n")}}
		srv := davtest.New(t, &davtest.Options{Tree: text, FS: fsys})
		want(t, srv.Tree(), "-- /a --\none\n-- /b --\ntwo\n")
		text = "-- /c --\n"
		want(t, srv.AddTree(text), nil)
		want(t, srv.Names()+srv.Content("/a"), "/ /a /b /cone\n")
		want(t, srv.ReplaceTree(text), nil)
		want(t, srv.Tree(), text)
	},
	"resources": func(t *testing.T, srv *davtest.Server) {
		srv.Put("/a", "/c/")
		srv.Write("/a", "text")
		want(t, srv.Content("/a"), "text")
		srv.Remove("/a")
		want(t, srv.Do("GET", "/a").StatusCode, 404)
	},
	"users": func(t *testing.T, _ *davtest.Server) {
		srv := davtest.New(t, &davtest.Options{Users: map[string]string{"jane": "secret"}})
		want(t, srv.Do("GET", "/").String()+srv.Do("GET", "/", "Authorization: Basic amFuZTpzZWNyZXQ=").String(), "401200")
	},
	"https": func(t *testing.T, _ *davtest.Server) {
		srv := davtest.New(t, &davtest.Options{TLS: true})
		res, err := srv.Client().Get(srv.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		want(t, res.StatusCode, 200)
	},
	"locks and the clock": func(t *testing.T, srv *davtest.Server) {
		token := srv.Lock("/a", "Depth: 0", "Timeout: Second-60")
		want(t, fmt.Sprint(srv.Send("PUT", "/a", "x").StatusCode, srv.Send("PUT", "/a", "x", "If: (<"+token+">)").StatusCode), "423 204")
		srv.Advance(time.Hour)
		want(t, srv.Send("PUT", "/a", "x").StatusCode, 204)
		want(t, srv.Do("GET", "/a").Header.Get("Last-Modified"), "Thu, 01 Jan 2026 01:00:00 GMT")
		srv.Reset()
		want(t, srv.Names(), "/")
	},
	"the journal": func(t *testing.T, srv *davtest.Server) {
		token := srv.Lock("/a", "Depth: 0")
		srv.Send("PUT", "/a", "x", "If: (<"+token+">)")
		srv.Journal().Sent("PUT", "/a").MustSubmit(t, token)
		srv.Send("PUT", "/c/1", "x")
		want(t, srv.Journal().Sent("PUT", "/c/*").String(), "PUT /c/1 → 204\n")
		want(t, srv.Journal().Last().RequestHeader.Get("User-Agent"), "Go-http-client/1.1")
		srv.Send("PUT", "/a", "x")
		srv.Journal().After(423).MustBeEmpty(t)
		var file bytes.Buffer
		comment := "Issue 11: a lock keeps others out.\n-- before --\n/a  text: /a\n/c/1  text: /c/1\n"
		want(t, srv.Journal().WriteExchanges(&file, comment), nil)
		want(t, strings.Contains(file.String(), "\nPUT /a HTTP/1.1\n"), true)
		file.Reset()
		want(t, srv.Journal().HAR(&file), nil)
		want(t, strings.Contains(file.String(), `"method": "PUT"`), true)
	},
	"a back end that fails": func(t *testing.T, srv *davtest.Server) {
		srv.Files.Fail(faultfs.Write, "/c/*", syscall.ENOSPC)
		want(t, srv.Send("PUT", "/c/1", "x").String(), "507 sufficient-disk-space")
		want(t, srv.Do("COPY", "/c/", "Destination: /d/").String(), "207 /d/1=507 sufficient-disk-space /d/2=507 sufficient-disk-space /d/3=507 sufficient-disk-space")
	},
}

func TestTable(t *testing.T) {
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := davtest.New(t, nil)
			srv.Put("/a", "/c/1", "/c/2", "/c/3")
			row(t, srv)
		})
	}
}

// TestReadmeFiles reads the tree and the faults that README.md shows.
func TestReadmeFiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(begin string) string {
		_, text, ok := strings.Cut(string(readme), begin+"\n")
		text, _, closed := strings.Cut(text, "```\n")
		if !ok || !closed {
			t.Fatalf("no block after %q", begin)
		}
		return text
	}
	srv := davtest.New(t, &davtest.Options{Lenient: true, Faults: block("```json"), Tree: block("what `AddTree` reads:\n\n```")})
	if got := srv.Tree(); !strings.Contains(got, "exclusive infinity jane 3600 urn:uuid:1 /empty\n") || len(srv.Faults()) != 5 {
		t.Errorf("tree = %s, faults = %v", got, srv.Faults())
	}
}

// TestTableIsTyped: the table of README.md shows only what a test has tried.
func TestTableIsTyped(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, name := range files {
		typed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text += strings.ReplaceAll(string(typed), "(&file", "(file")
	}
	snippets := 0
	for _, line := range strings.Split(string(readme), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		for _, code := range regexp.MustCompile("`[^`]+`").FindAllString(cells[2], -1) {
			code = strings.Trim(code, "`")
			if !strings.Contains(code, "(") && !strings.Contains(code, "{") || code == "String()" || strings.HasPrefix(code, "207 ") {
				continue
			}
			if snippets++; !strings.Contains(text, code) {
				t.Errorf("%s: nobody tried %s", cells[1], code)
			}
		}
	}
	if snippets < 60 {
		t.Errorf("the table has only %d snippets", snippets)
	}
}

// want fails the test unless got is what is wanted.
func want[T comparable](t *testing.T, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("got  %v\nwant %v", got, wanted)
	}
}

// gets returns the statuses of n GETs of /a.
func gets(srv *davtest.Server, n int) (all string) {
	for range n {
		all += srv.Do("GET", "/a").String() + " "
	}
	return all
}
