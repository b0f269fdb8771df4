// Package davtest is a WebDAV server for the tests of WebDAV clients, in the manner of
// net/http/httptest. It runs the real server over a tree in memory, on a port of its own; the test
// says what goes wrong.
//
//	srv := davtest.New(t, nil)
//	srv.Put("/c/1", "/c/2", "/c/3")
//	srv.Fail("DELETE", "/c/3", 423)
//	client.RemoveAll(srv.URL + "/c/") // the client under test: it gets a 207 with /c/3 = 423
//	srv.Names()                       // "/ /c/ /c/3"
//
// Everything is deterministic: a fault fires by method, name and number of the request, and one
// clock, which only the test moves, is that of locks, of files and of the Date header. Entity tags
// and lock tokens are counted: the same requests to the same tree get the same bytes. Do checks
// every multistatus against the grammar of RFC 4918 §14. A panic in the server fails the test. So
// do, at the end, faults that never fired, locks that clients left and handles that are open.
//
// All answers are those of the real server, but for the effects of a fault on the wire, see Fault,
// and those of a persona, see Server.SetPersona.
package davtest

import (
	"cmp"
	"context"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// Options are the options of New and Start. The zero value and a nil pointer have all defaults.
type Options struct {
	// Tree is what the server has at first: see Server.Tree.
	Tree string
	// FS is copied into the tree before Tree. nil is an empty one.
	FS fs.FS
	// Faults are faults as a file has them: see the README.
	Faults string
	// Persona is the name of another server in whose dialect this one answers: see SetPersona.
	Persona string
	// Users are the passwords of the users. A request without one of them gets a 401. By default
	// all credentials are accepted and none are asked for. In both cases the user name is the
	// access.Principal.
	Users map[string]string
	// TLS serves https. Server.Client trusts its certificate, and Server.Certificate returns it.
	TLS bool
	// RealTime makes the clock that of the machine, ahead by what Advance added, and entity tags
	// and lock tokens as random as those of other servers. By default the clock stands still at the
	// beginning of 2026, and the same requests get the same bytes.
	RealTime bool
	// Listener is where the server listens. Default: a free port of 127.0.0.1.
	Listener net.Listener
	// NoJournal keeps no journal, for tests of very many or very large requests.
	NoJournal bool
	// Wrap is put around the server, for example a middleware. nil for none.
	Wrap func(http.Handler) http.Handler
	// Lenient makes it no error at the end that faults never fired, or that locks or handles are
	// left.
	Lenient bool
	// Server are the options of the server. Props, Locks and Policy may be nil.
	Server server.Options
}

// Server is a running server. Its methods may be called while requests are served. Those that can
// end the test must be called from the goroutine of the test, as t.FailNow must.
type Server struct {
	*httptest.Server
	// Files makes operations of the back end fail, for the tests of back ends: see faultfs.FS.Fail.
	// It does not affect the methods of Server.
	Files *faultfs.FS

	t                  tester
	lenient            bool
	files              *memory.Fs
	store              props.Store
	locks              *locks.Table
	prefix             string // of URLs, without a slash at the end
	mapping            davpath.Mapping
	clock              *clock
	tokens             counter
	ownLocks, ownProps bool // not those of the options; the locks have the clock
	users              map[string]string
	first              string // the tree at the start
	firstFaults        string // and the faults
	firstPersona       string // and the persona
	persona            atomic.Pointer[persona]
	recorder           *recorder
	closing            chan struct{}
	close              func()

	trees  sync.Mutex // held while the tree is read or changed as a whole
	mu     sync.Mutex
	faults []*Fault
	made   int             // how many faults were ever made
	setup  map[string]bool // tokens of locks that no client has to release
}

// tester is the part of testing.TB that a Server needs.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// New starts a server on 127.0.0.1 and closes it at the end of the test. opts may be nil.
func New(t testing.TB, opts *Options) *Server {
	t.Helper()
	s, err := start(t, opts)
	if err != nil {
		t.Fatalf("davtest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server without a test: for TestMain and for programs. The caller closes it. Where
// a method would end a test it panics, and what would fail a test is logged.
// A mistake in the tree or the faults is a *LineError.
func Start(opts *Options) (*Server, error) { return start(program{}, opts) }

func start(t tester, opts *Options) (*Server, error) {
	o := *cmp.Or(opts, &Options{})
	mapping, err := davpath.NewMapping(o.Server.Prefix)
	if err != nil {
		return nil, err
	}
	s := &Server{t: t, lenient: o.Lenient, prefix: strings.TrimSuffix(o.Server.Prefix, "/"), mapping: mapping, users: o.Users, closing: make(chan struct{}),
		clock: newClock(o.RealTime), firstFaults: o.Faults, firstPersona: o.Persona, setup: make(map[string]bool)}
	if err := s.SetPersona(o.Persona); err != nil {
		return nil, err
	}
	files := &memory.Options{Now: s.clock.now}
	// A fault may lock every member of a large collection for the same somebody else.
	table := &locks.Options{Now: s.clock.now, MaxLocksPerPrincipal: 100_000}
	if !o.RealTime {
		files.Seed, table.Random = 1, &s.tokens
	}
	s.files = memory.New(files)
	s.Files = faultfs.New(s.files.Backend())
	s.store, s.locks = o.Server.Props, o.Server.Locks
	if s.ownProps = s.store == nil; s.ownProps {
		s.store = &props.Memory{}
	}
	if s.ownLocks = s.locks == nil; s.ownLocks {
		s.locks = locks.New(table)
	}
	so := o.Server
	so.Props, so.Locks, so.Policy = s.store, s.locks, faultPolicy{s, o.Server.Policy}
	handler := server.New(s.Files, &so)
	if err := s.fill(o.FS, o.Tree); err != nil {
		return nil, err
	}
	if _, err := s.AddFaults(o.Faults); err != nil {
		return nil, err
	}
	var whole http.Handler = s.wire(s.asPersona(s.authenticate(handler)))
	if o.Wrap != nil {
		whole = o.Wrap(whole)
	}
	s.recorder = &recorder{now: s.clock.now, prefix: s.prefix, drops: o.NoJournal}
	s.Server = httptest.NewUnstartedServer(s.recorder.wrap(whole))
	if o.Listener != nil {
		s.Server.Listener.Close()
		s.Server.Listener = o.Listener
	}
	s.Config.DisableGeneralOptionsHandler = true // the handler answers OPTIONS *, too
	s.Config.ErrorLog = log.New(errorLog{t}, "", 0)
	if o.TLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	s.close = sync.OnceFunc(s.end)
	return s, nil
}

// authenticate makes the user name of a request its principal. If there are users it asks for their
// passwords (RFC 7617).
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if known, exists := s.users[user]; s.users != nil && (!ok || !exists || known != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="davtest", charset="UTF-8"`)
			multistatus.RespondError(w, r, &multistatus.Error{Status: http.StatusUnauthorized})
			return
		}
		if ok {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		next.ServeHTTP(w, r)
	})
}

// Prefix returns the path of the URL of the tree's root, without a slash at its end.
func (s *Server) Prefix() string { return s.prefix }

// href returns the href of a resource.
func (s *Server) href(p davpath.Path) string {
	info, err := s.files.Stat(p.String())
	return s.mapping.Href(p, err == nil && info.IsDir())
}
