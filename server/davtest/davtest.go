// Package davtest is a WebDAV server for the tests of WebDAV clients, in the manner of
// net/http/httptest. It runs the real server over a tree in memory, on a port of its own; the test
// chooses which operations fail on which members.
//
//	srv := davtest.NewServer(t, nil)
//	srv.Put("/c/1", "/c/2", "/c/3")
//	srv.Files.Fail(faultfs.Remove, "/c/3", fs.ErrPermission)
//	client.RemoveAll(srv.URL + "/c/") // the client under test: it gets a 207 with /c/3 = 403
//	srv.Tree()                        // "/ /c/ /c/3"
//
// Everything is deterministic: a fault is chosen by operation, name and count, and locks expire
// when the test advances the clock. Do checks every multistatus against the grammar of RFC 4918
// §14. A panic in the server fails the test.
//
// The server accepts any Basic credentials: the user name becomes the access.Principal, and the
// password is ignored. A request without credentials has no principal.
//
// All answers are those of the real server. For answers that are wrong on purpose use httptest with
// a handler of your own.
package davtest

import (
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/locks"
)

// Server is a running server, whose tree is empty at first. Its methods may be called while
// requests are served. Those that can end the test must be called from the goroutine of the test,
// as t.FailNow must.
type Server struct {
	*httptest.Server
	// Files makes operations of the server fail: see faultfs.FS.Fail. It does not affect the
	// methods of Server.
	Files *faultfs.FS

	t      testing.TB
	inner  *memory.Fs
	prefix string
	clock  *clock // nil if the test brought its own locks
}

// NewServer starts a server on 127.0.0.1 and closes it at the end of the test. opts may be nil. If
// it has no Locks, Advance moves the clock of the locks ahead.
func NewServer(t testing.TB, opts *server.Options) *Server {
	t.Helper()
	var o server.Options
	if opts != nil {
		o = *opts
	}
	s := &Server{t: t, inner: memory.New(nil), prefix: strings.TrimSuffix(o.Prefix, "/")}
	s.Files = faultfs.New(s.inner.Backend())
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
	s.Config.DisableGeneralOptionsHandler = true // the handler answers OPTIONS *, too
	s.Config.ErrorLog = log.New(errorLog{t}, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Advance moves the clock of the locks ahead by d. It fails the test if opts.Locks was set.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	if s.clock == nil {
		s.t.Fatal("davtest: Advance needs the server's own locks: leave Options.Locks nil")
	}
	s.clock.advance(d)
}

// Lock takes an exclusive write lock on the resource called name and returns its token. headers are
// lines as for Do, such as "Depth: 0" (the default is infinity) or "Timeout: Second-10". If the
// name is unmapped, LOCK creates an empty file.
func (s *Server) Lock(name string, headers ...string) (token string) {
	s.t.Helper()
	r := s.Send("LOCK", name, lockInfo, headers...)
	if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusCreated {
		s.t.Fatalf("davtest: LOCK %s = %v", name, r)
	}
	return strings.Trim(r.Header.Get("Lock-Token"), "<>")
}

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

// errorLog fails the test for each error that net/http logs, such as a panic in the handler.
type errorLog struct{ t testing.TB }

func (f errorLog) Write(b []byte) (int, error) {
	f.t.Errorf("davtest: %s", b)
	return len(b), nil
}

// clock returns the real time plus what the test added.
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
