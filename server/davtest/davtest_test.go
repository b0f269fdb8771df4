package davtest_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/server"
	"dav207/server/davtest"
	"dav207/server/locks"
)

func TestPutMakesParents(t *testing.T) {
	srv := davtest.New(t, nil)
	if got := srv.Names(); got != "/" {
		t.Errorf("Names of a new server = %q, want /", got)
	}
	srv.Put("/c/1", "e/", "/c/d/", "/c/d/x y")
	srv.Write("/c/1", "another")
	srv.Remove("/e")
	srv.Remove("/never/there")
	if got, want := srv.Names(), "/ /c/ /c/1 /c/d/ /c/d/x y"; got != want {
		t.Errorf("Names = %q, want %q", got, want)
	}
	for name, want := range map[string]string{"/c/1": "another", "/c/d/x y": "/c/d/x y"} {
		if got := srv.Content(name); got != want {
			t.Errorf("Content(%s) = %q, want %q", name, got, want)
		}
		if got := string(srv.Do("GET", name).Body); got != want {
			t.Errorf("GET %s = %q, want %q", name, got, want)
		}
	}
}

func TestFaultsDoNotAffectHelpers(t *testing.T) {
	srv := davtest.New(t, nil)
	for _, op := range []faultfs.Op{faultfs.Create, faultfs.Write, faultfs.Mkdir, faultfs.Stat, faultfs.Open, faultfs.Readdir, faultfs.Remove} {
		srv.Files.Fail(op, "/**", syscall.EIO)
	}
	srv.Put("/c/1", "/c/2")
	srv.Remove("/c/2")
	if got := srv.Names() + srv.Content("/c/1"); got != "/ /c/ /c/1/c/1" {
		t.Errorf("the tree and /c/1 = %q", got)
	}
	if got := srv.Do("GET", "/c/1"); got.StatusCode != http.StatusInternalServerError {
		t.Errorf("GET = %v, want 500", got)
	}
}

func TestPrefix(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Server: server.Options{Prefix: "/dav files/"}})
	srv.Put("/a b?.txt")
	r := srv.Do("PROPFIND", "/", "Depth: 1")
	if got, want := r.Statuses(), []string{"/dav%20files/", "/dav%20files/a%20b%3F.txt"}; len(got) != 2 || got[want[0]] != 200 || got[want[1]] != 200 {
		t.Errorf("Statuses = %v, want 200 for %q", got, want)
	}
	if got := srv.Do("GET", "/a b?.txt").StatusCode; got != 200 {
		t.Errorf("GET = %d, want 200", got)
	}
}

func TestLocksExpireWithTheClock(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Put("/f")
	token := srv.Lock("/f", "Depth: 0", "Timeout: Second-60")
	if !strings.HasPrefix(token, "urn:uuid:") {
		t.Errorf("token = %q", token)
	}
	if got, want := srv.Do("DELETE", "/f").String(), "423 lock-token-submitted(/f)"; got != want {
		t.Errorf("DELETE without the token = %s, want %s", got, want)
	}
	srv.Advance(59 * time.Second)
	if got := srv.Send("PUT", "/f", "x").StatusCode; got != 423 {
		t.Errorf("PUT a second before the end = %d, want 423", got)
	}
	if got := srv.Send("PUT", "/f", "x", "If: (<"+token+">)").StatusCode; got != 204 {
		t.Errorf("PUT with the token = %d, want 204", got)
	}
	srv.Advance(2 * time.Second)
	if got := srv.Do("DELETE", "/f").StatusCode; got != 204 {
		t.Errorf("DELETE after the end = %d, want 204", got)
	}
}

func TestAnyPasswordIsAccepted(t *testing.T) {
	const jane, joe = "Authorization: Basic amFuZTo=", "Authorization: Basic am9lOg=="
	srv := davtest.New(t, nil)
	token := srv.Lock("/f", jane)
	for _, tt := range []struct {
		user   string
		status int
	}{{joe, 423}, {"X-Nobody: 1", 423}, {jane, 204}} {
		if got := srv.Send("PUT", "/f", "x", "If: (<"+token+">)", tt.user).StatusCode; got != tt.status {
			t.Errorf("PUT with Jane's token and %s = %d, want %d", tt.user, got, tt.status)
		}
	}
}

func TestAdvanceNeedsTheServersLocks(t *testing.T) {
	table := locks.New(nil)
	srv := davtest.New(t, &davtest.Options{Server: server.Options{Locks: table}})
	srv.Lock("/new")
	if table.Len() != 1 {
		t.Errorf("the table given holds %d locks, want 1", table.Len())
	}
	ft := &fatalRecorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		davtest.New(ft, &davtest.Options{Server: server.Options{Locks: table}}).Advance(time.Second)
	}()
	<-done
	if !ft.failed {
		t.Error("Advance succeeds with a lock table that has its own clock, want Fatalf")
	}
}

func TestString(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Put("/c/1", "/c/2")
	srv.Files.Fail(faultfs.Stat, "/c/2", syscall.EACCES)
	for _, tt := range []struct{ got, want string }{
		{srv.Do("GET", "/c/1").String(), "200"},
		{srv.Do("GET", "/none").String(), "404"},
		{srv.Do("PROPFIND", "/c/", "Depth: infinity", "Host: other").String()[:4], "207 "},
		{srv.Send("PROPFIND", "/c/", `<propfind xmlns="DAV:"><prop><resourcetype/><color xmlns="x:"/></prop></propfind>`, "Depth: 1").String(),
			"207 /c/=200[resourcetype]404[color] /c/1=200[resourcetype]404[color] /c/2=403[resourcetype color]"},
		{srv.Send("PROPPATCH", "/c/1", `<propertyupdate xmlns="DAV:"><set><prop><getetag/><x xmlns=""/></prop></set></propertyupdate>`).String(),
			"207 /c/1=403[getetag] cannot-modify-protected-property424[x]"},
		{srv.Do("COPY", "/c/", "Destination: /c/1/").String(), "403"},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
	if got := srv.Do("PROPFIND", "/c/").Statuses(); got["/c/"] != 200 || got["/c/2"] != 403 || len(got) != 3 {
		t.Errorf("Statuses = %v", got)
	}
}

// A listing that cannot be completed must not look complete.
func TestTruncatedMultistatus(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Server: server.Options{Props: &brokenProps{}}})
	names := make([]string, 600)
	for i := range names {
		names[i] = "/c/" + strings.Repeat("n", 40) + string(rune('a'+i/26)) + string(rune('a'+i%26))
	}
	srv.Put(names...)
	r := srv.Do("PROPFIND", "/c/", "Depth: 1")
	if r.StatusCode != 207 || r.Err == nil || !strings.HasSuffix(r.String(), " and broke off") {
		t.Errorf("PROPFIND = %.60s, error %v, want a 207 that breaks off", r, r.Err)
	}
}

func TestParallelUse(t *testing.T) {
	srv := davtest.New(t, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				for _, method := range []string{"PUT", "PROPFIND", "GET"} {
					req, _ := http.NewRequest(method, srv.URL+"/f", strings.NewReader(""))
					res, err := srv.Client().Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		})
	}
	for range 50 {
		srv.Put("/a/b")
		srv.Names()
		srv.Advance(time.Second)
		srv.Files.Fail(faultfs.Stat, "/a/b", syscall.EIO)
		srv.Files.Reset()
		srv.Remove("/a")
	}
	wg.Wait()
}

// fatalRecorder records a call of Fatalf and ends the goroutine, as testing.T does.
type fatalRecorder struct {
	testing.TB
	failed bool
}

func (f *fatalRecorder) Fatalf(string, ...any) {
	f.failed = true
	runtime.Goexit()
}
