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
// clock, which only the test moves, is that of locks, of files and of the Date header. Do checks
// every multistatus against the grammar of RFC 4918 §14. A panic in the server fails the test. So
// do, at the end, faults that never fired, locks that clients left and handles that are open.
//
// All answers are those of the real server, but for the effects of a fault on the wire: see Fault.
package davtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"

	"github.com/spf13/afero"
)

// Options are the options of New and Start. The zero value and a nil pointer have all defaults.
type Options struct {
	// Tree is what the server has at first: see Server.Tree.
	Tree string
	// FS is copied into the tree before Tree. nil is an empty one.
	FS fs.FS
	// Faults are faults as a file has them: see the README.
	Faults string
	// Users are the passwords of the users. A request without one of them gets a 401. By default
	// all credentials are accepted and none are asked for. In both cases the user name is the
	// access.Principal.
	Users map[string]string
	// TLS serves https. Server.Client trusts its certificate, and Server.Certificate returns it.
	TLS bool
	// RealTime makes the clock that of the machine, ahead by what Advance added. By default it
	// stands still at the beginning of 2026.
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
	ownLocks, ownProps bool // not those of the options; the locks have the clock
	users              map[string]string
	first              string // the tree at the start
	firstFaults        string // and the faults
	recorder           *recorder
	closing            chan struct{}
	close              func()

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

// program is the tester of a Server that belongs to no test.
type program struct{}

func (program) Helper()                  {}
func (program) Context() context.Context { return context.Background() }

func (program) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func start(t tester, opts *Options) (*Server, error) {
	o := *cmp.Or(opts, &Options{})
	mapping, err := davpath.NewMapping(o.Server.Prefix)
	if err != nil {
		return nil, err
	}
	s := &Server{t: t, lenient: o.Lenient, prefix: strings.TrimSuffix(o.Server.Prefix, "/"), mapping: mapping, users: o.Users, closing: make(chan struct{}),
		clock: newClock(o.RealTime), firstFaults: o.Faults, setup: make(map[string]bool)}
	s.files = memory.New(nil)
	s.Files = faultfs.New(s.files.Backend())
	s.store, s.locks = o.Server.Props, o.Server.Locks
	if s.ownProps = s.store == nil; s.ownProps {
		s.store = &props.Memory{}
	}
	if s.ownLocks = s.locks == nil; s.ownLocks {
		s.locks = locks.New(&locks.Options{Now: s.clock.now})
	}
	so := o.Server
	so.Props, so.Locks, so.Policy = s.store, s.locks, faultPolicy{s, o.Server.Policy}
	handler := server.New(s.Files, &so)
	if err := s.fill(&o); err != nil {
		return nil, err
	}
	if s.first, err = s.read(); err != nil {
		return nil, err
	}
	if _, err := s.AddFaults(o.Faults); err != nil {
		return nil, err
	}
	var whole http.Handler = s.wire(s.authenticate(handler))
	if o.Wrap != nil {
		whole = o.Wrap(whole)
	}
	if s.recorder = (&recorder{now: s.clock.now, prefix: s.prefix}); !o.NoJournal {
		whole = s.recorder.wrap(whole)
	}
	s.Server = httptest.NewUnstartedServer(whole)
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

// fill makes the tree of the options.
func (s *Server) fill(o *Options) error {
	if o.FS != nil {
		if err := s.copyFrom(o.FS); err != nil {
			return err
		}
	}
	return s.write(o.Tree)
}

// Close ends the server, and the requests that stall. It reports the faults that never fired, the
// locks that clients left and the handles that are open, unless Options.Lenient.
func (s *Server) Close() { s.close() }

func (s *Server) end() {
	close(s.closing)
	s.Server.Close()
	if s.lenient {
		return
	}
	for _, problem := range s.leftovers() {
		s.t.Errorf("davtest: %s", problem)
	}
}

// leftovers returns what a test should not leave behind.
func (s *Server) leftovers() (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.faults {
		if r.fired == 0 && !r.spec.Optional {
			problems = append(problems, fmt.Sprintf("the fault %s never fired", r.spec))
		}
	}
	for _, l := range s.allLocks() {
		if s.ownLocks && !s.setup[l.Token] && l.Principal != somebodyElse {
			problems = append(problems, fmt.Sprintf("%s is still locked by a client (%s)", l.Root, l.Token))
		}
	}
	return problems
}

// allLocks returns all locks in the order of their paths.
func (s *Server) allLocks() []locks.Lock {
	return append(s.locks.Covering(davpath.Root), s.locks.Below(davpath.Root)...)
}

// authenticate makes the user name of a request its principal. If there are users it asks for their
// passwords (RFC 7617).
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if known, exists := s.users[user]; s.users != nil && (!ok || !exists || known != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="davtest", charset="UTF-8"`)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		if ok {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		next.ServeHTTP(w, r)
	})
}

// Fail makes requests fail with a status (400 to 599) at the resources whose names match a pattern:
// a single resource in a 207 where the request is for many, the whole request where it is for that
// resource. method is one, or several with commas, or "*". In a pattern * stands for a part of a
// segment, ** for any segments, {a,b} for one of several. All that follows from a failure, such as
// 424 or a collection that stays, is the server's.
func (s *Server) Fail(method, pattern string, status int) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern, Status: status})
}

// On returns a fault for Locked, LockTaken or LockExpires, whose arguments are those of Fail.
func (s *Server) On(method, pattern string) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern})
}

// Wire returns a fault for what happens to the answer on the wire: Delay, Cut, Reset and the
// others. pattern is for the Request-URI. No honest server does any of this.
func (s *Server) Wire(method, pattern string) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern, Wire: &wireSpec{}})
}

func (s *Server) add(spec *faultSpec) *Fault {
	s.t.Helper()
	if err := spec.compile(false); err != nil {
		s.t.Fatalf("davtest: fault %s: %v", spec, err)
	}
	r := &Fault{server: s, spec: spec}
	spec.fault = r
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	r.id = s.made
	s.faults = append(s.faults, r)
	return r
}

// AddFaults adds the faults of a file, or none if one of them is wrong: then the error is a
// *LineError.
func (s *Server) AddFaults(file string) ([]*Fault, error) {
	if file == "" {
		return nil, nil
	}
	specs, err := parseFaults([]byte(file))
	if err != nil {
		return nil, err
	}
	faults := make([]*Fault, len(specs))
	for i, spec := range specs {
		faults[i] = s.add(spec)
	}
	return faults, nil
}

// Faults returns all faults, in the order in which they are asked.
func (s *Server) Faults() []*Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// RemoveFaults removes these faults, or all if there are none.
func (s *Server) RemoveFaults(faults ...*Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(slices.Clone(s.faults), func(r *Fault) bool { return len(faults) == 0 || slices.Contains(faults, r) })
}

// Reset makes everything as it was at the start: the tree with its properties and locks, the faults
// and the clock. It fails if the options had a Props or Locks of the test's own.
func (s *Server) Reset() {
	s.t.Helper()
	s.check(s.reset())
}

func (s *Server) reset() error {
	if !s.ownLocks || !s.ownProps {
		return errors.New("Reset needs the server's own properties and locks: leave Options.Server.Props and Locks nil")
	}
	s.RemoveFaults()
	s.recorder.clear()
	s.clock.reset()
	if err := s.clear(); err != nil {
		return err
	}
	if err := s.write(s.first); err != nil {
		return err
	}
	_, err := s.AddFaults(s.firstFaults)
	return err
}

// clear removes all resources, properties and locks.
func (s *Server) clear() error {
	s.locks.Remove(davpath.Root)
	if err := s.store.Update(context.Background(), props.Delete{Path: davpath.Root}); err != nil {
		return err
	}
	names, err := afero.ReadDir(s.files, "/")
	for _, info := range names {
		err = errors.Join(err, s.files.RemoveAll("/"+info.Name()))
	}
	return err
}

// Journal returns all exchanges since the start, the last Reset or ClearJournal.
func (s *Server) Journal() Journal { return s.recorder.journal() }

// ClearJournal forgets all exchanges.
func (s *Server) ClearJournal() { s.recorder.clear() }

// Now returns the time of the clock.
func (s *Server) Now() time.Time { return s.clock.now() }

// Prefix returns the path of the URL of the tree's root, without a slash at its end.
func (s *Server) Prefix() string { return s.prefix }

// Advance moves the clock ahead by d: locks expire, and what changes next has a later time. It
// fails the test if Options.Server.Locks was set.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	if !s.ownLocks {
		s.t.Fatalf("davtest: Advance needs the server's own locks: leave Options.Server.Locks nil")
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
	token = strings.Trim(r.Header.Get("Lock-Token"), "<>")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setup[token] = true
	return token
}

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

// href returns the href of a resource.
func (s *Server) href(p davpath.Path) string {
	info, err := s.files.Stat(p.String())
	return s.mapping.Href(p, err == nil && info.IsDir())
}

// errorLog fails the test for each error that net/http logs, such as a panic in the handler.
type errorLog struct{ t tester }

func (f errorLog) Write(b []byte) (int, error) {
	f.t.Errorf("davtest: %s", b)
	return len(b), nil
}

// clock is a clock that is moved by hand.
type clock struct {
	mu    sync.Mutex
	start time.Time // zero: that of the machine
	ahead time.Duration
}

func newClock(real bool) *clock {
	c := &clock{}
	if !real {
		c.start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return c
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() {
		return time.Now().Add(c.ahead)
	}
	return c.start.Add(c.ahead)
}

func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = 0
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
