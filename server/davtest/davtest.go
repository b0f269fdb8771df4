// Package davtest is a WebDAV server for other people's tests, in the manner of net/http/httptest: the real server over
// a tree in memory, on a port of its own, with members that fail when the test says so.
//
//	srv := davtest.NewServer(t, nil)
//	srv.Put("/c/1", "/c/2", "/c/3")
//	srv.Files.Fail(faultfs.Remove, "/c/3", fs.ErrPermission)
//	client.RemoveAll(srv.URL + "/c/") // the client under test: it gets a 207 with /c/3 = 403
//	srv.Tree()                        // "/ /c/ /c/3"
//
// Everything is deterministic: faults are told by operation, name and count, locks expire when the test advances the clock.
// Every multistatus that Do receives is held against the grammar of RFC 4918 §14, and a panic in the server is a failure
// of the test.
//
// It believes everybody: who sends Basic credentials is the user of that name (access.Principal), whatever the
// password, and everybody else is nobody.
//
// What the server answers is never made up: it is what it answers outside of tests. For answers that are wrong on purpose
// use httptest with a handler of your own.
package davtest

import (
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/locks"
)

// Server is a running server with an empty tree. Its methods may be called while requests are served; those that can
// fail the test must be called from the goroutine of the test, as t.FailNow must.
type Server struct {
	*httptest.Server
	// Files makes operations of the server fail: see faultfs.FS.Fail. The methods of Server pass it by.
	Files *faultfs.FS

	t      testing.TB
	inner  *fsbackend.FS
	prefix string
	clock  *clock // nil if the test brought its own locks
}

// NewServer starts a server on 127.0.0.1 that ends with the test. opts may be nil; if it has no Locks, time passes for
// locks only as far as Advance says beyond what really passes.
func NewServer(t testing.TB, opts *server.Options) *Server {
	t.Helper()
	var o server.Options
	if opts != nil {
		o = *opts
	}
	s := &Server{t: t, inner: fsbackend.New(fsbackend.Memory()), prefix: strings.TrimSuffix(o.Prefix, "/")}
	s.Files = faultfs.New(s.inner)
	if o.Locks == nil {
		s.clock = &clock{}
		o.Locks = locks.New(&locks.Options{Now: s.clock.now})
	}
	handler := server.New(s.Files, &o)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, ok := r.BasicAuth(); ok {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		handler.ServeHTTP(w, r)
	}))
	s.Config.DisableGeneralOptionsHandler = true // OPTIONS * is the server's to answer, too
	s.Config.ErrorLog = log.New(failures{t}, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Advance lets time pass for the locks. It fails the test if the server was given a lock table.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	if s.clock == nil {
		s.t.Fatal("davtest: Advance needs the server's own locks: leave Options.Locks nil")
	}
	s.clock.advance(d)
}

// Lock takes an exclusive write lock on the resource called name and returns its token. Headers as those of Do may change
// it: "Depth: 0" (the default is infinity), "Timeout: Second-10". Where nothing is, LOCK creates an empty file.
func (s *Server) Lock(name string, headers ...string) (token string) {
	s.t.Helper()
	r := s.Send("LOCK", name, lockInfo, headers...)
	if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusCreated {
		s.t.Fatalf("davtest: LOCK %s = %v", name, r)
	}
	return strings.Trim(r.Header.Get("Lock-Token"), "<>")
}

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

// failures makes a test failure of what net/http has to complain about: a panic of the server.
type failures struct{ t testing.TB }

func (f failures) Write(b []byte) (int, error) {
	f.t.Errorf("davtest: %s", b)
	return len(b), nil
}

// clock is the time plus what the test added.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
