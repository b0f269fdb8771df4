package davtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// closeTimeout is how long Close waits for requests before it closes their connections.
const closeTimeout = 2 * time.Second

// Close ends the server, and the requests that stall. It reports the faults that never fired, the
// locks that clients left, the requests that did not end and the handles that are open, unless
// Options.Lenient.
func (s *Server) Close() { s.close() }

func (s *Server) end() {
	close(s.closing)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Server.Close()
	}()
	var unended Journal
	select {
	case <-closed:
	case <-time.After(closeTimeout): // as of a client that does not read
		unended = s.recorder.copy().only(func(e *Exchange) bool { return e.pending })
		s.CloseClientConnections()
		<-closed
	}
	if s.lenient {
		return
	}
	for _, problem := range s.leftovers(unended) {
		s.t.Errorf("davtest: %s", problem)
	}
}

// leftovers returns what a test should not leave behind. unended are the requests that did not end.
func (s *Server) leftovers(unended Journal) (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		switch {
		case f.spec.idle():
			problems = append(problems, fmt.Sprintf("the fault %s: %v", f.spec, errIdle))
		case f.fired == 0 && !f.spec.Optional:
			problems = append(problems, fmt.Sprintf("the fault %s never fired", f.spec))
		}
	}
	for _, l := range s.allLocks() {
		if s.ownLocks && !s.setup[l.Token] && l.Principal != somebodyElse {
			problems = append(problems, fmt.Sprintf("%s is still locked by a client (%s)", l.Root, l.Token))
		}
	}
	for i := range unended {
		problems = append(problems, fmt.Sprintf("%s %s did not end: the client neither read its answer nor closed the connection, or the server hangs",
			unended[i].Method, unended[i].Target))
	}
	for _, name := range s.files.OpenHandles() {
		problems = append(problems, fmt.Sprintf("%s was opened and not closed", name))
	}
	return problems
}

// allLocks returns all locks in the order of their paths.
func (s *Server) allLocks() []locks.Lock {
	return append(s.locks.Covering(davpath.Root), s.locks.Below(davpath.Root)...)
}

// Reset makes everything as it was at the start: the tree with its properties and locks, the
// faults, the persona and the clock. Entity tags and lock tokens begin again. It fails if the
// options had a Props or Locks of the test's own.
func (s *Server) Reset() {
	s.t.Helper()
	s.check(s.reset())
}

func (s *Server) reset() error {
	if !s.resettable() {
		return errors.New("Reset needs the server's own properties and locks: leave Options.Server.Props and Locks nil")
	}
	s.trees.Lock()
	defer s.trees.Unlock()
	s.RemoveFaults()
	s.recorder.clear()
	s.clock.reset()
	if err := s.SetPersona(s.firstPersona); err != nil {
		return err
	}
	if err := again(s.restore); err != nil {
		return err
	}
	_, err := s.AddFaults(s.firstFaults)
	return err
}

// resettable reports whether locks and properties are the server's own.
func (s *Server) resettable() bool { return s.ownLocks && s.ownProps }

// restore makes the tree that of the start, with the entity tags of the start. The next locks have
// the tokens that the first had.
func (s *Server) restore() error {
	if err := s.removeState(); err != nil {
		return err
	}
	s.files.Reset()
	s.tokens.n.Store(0)
	s.mu.Lock()
	clear(s.setup)
	s.mu.Unlock()
	return s.write(s.first)
}

// removeState removes all properties and locks.
func (s *Server) removeState() error {
	s.locks.Remove(davpath.Root)
	return s.store.Update(context.Background(), props.Delete{Path: davpath.Root})
}

// errorLog fails the test for each error that net/http logs, such as a panic in the handler.
type errorLog struct{ t tester }

func (f errorLog) Write(b []byte) (int, error) {
	f.t.Errorf("davtest: %s", b)
	return len(b), nil
}

// program is the tester of a Server that belongs to no test.
type program struct{}

func (program) Helper()                  {}
func (program) Context() context.Context { return context.Background() }

func (program) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
