// Package health reports over HTTP whether what a server needs works.
package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Check is something that has to work.
type Check struct {
	// Name is shown to clients.
	Name string
	// Check returns nil if it works. It may block for ever, as a look at a disk on the network may
	// do; ctx ends when nobody waits for the result any more.
	Check func(ctx context.Context) error
}

// Error is an error with a reason for clients.
type Error struct {
	Reason string // without names of files
	Err    error
}

func (e *Error) Error() string { return e.Reason + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// errNoAnswer is the error of a check that takes too long.
var errNoAnswer = &Error{"no answer in time", errors.New("it is still blocked")}

// Checker is an http.Handler. It answers 200 if all checks succeed. Otherwise it answers 503, with
// the name of each check that failed and a reason. The reason has no names of files; the log has
// the whole error, when a check begins to fail and when it works again.
//
// A check that takes longer than the timeout has failed. At most one goroutine runs each check,
// however many requests there are and however long it takes.
type Checker struct {
	timeout time.Duration
	log     *slog.Logger
	probes  []*probe
}

// New returns a Checker. A nil log discards.
func New(timeout time.Duration, log *slog.Logger, checks ...Check) *Checker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Checker{timeout: timeout, log: log}
	for _, check := range checks {
		c.probes = append(c.probes, &probe{Check: check})
	}
	return c
}

// ServeHTTP implements http.Handler.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	var runs []*run
	for _, p := range c.probes {
		runs = append(runs, p.start(c.timeout))
	}
	var failed strings.Builder
	for i, p := range c.probes {
		err := runs[i].wait(r.Context())
		if r.Context().Err() != nil {
			return // the client is gone
		}
		if c.note(p, err); err != nil {
			fmt.Fprintf(&failed, "%s: %s\n", p.Name, Reason(err))
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if failed.Len() > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, failed.String())
		return
	}
	fmt.Fprintln(w, "ok")
}

// note logs that a check has begun to fail, fails for another reason, or works again.
func (c *Checker) note(p *probe, err error) {
	reason := ""
	if err != nil {
		reason = Reason(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case reason == p.reason:
	case reason == "":
		c.log.Info("works again", slog.String("check", p.Name))
	default:
		c.log.Warn("does not work", slog.String("check", p.Name), slog.Any("err", err))
	}
	p.reason = reason
}

// Reason returns what clients may know of an error: that of an Error, or what the system says
// without the name of the file.
func Reason(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Reason
	}
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number.Error()
	}
	for _, known := range []error{context.DeadlineExceeded, fs.ErrNotExist, fs.ErrPermission, fs.ErrClosed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "failed"
}

// probe is a check with its state.
type probe struct {
	Check
	mu      sync.Mutex
	running *run   // nil for none
	reason  string // of the last result; "" if it was none
}

// run is one call of a check.
type run struct {
	ctx  context.Context // ends with the time that the call has
	done chan struct{}
	err  error // valid once done is closed
}

// start starts the check, unless it runs already.
func (p *probe) start(timeout time.Duration) *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	r := &run{ctx: ctx, done: make(chan struct{})}
	p.running = r
	go func() {
		defer cancel()
		r.err = p.call(ctx)
		p.mu.Lock()
		p.running = nil
		p.mu.Unlock()
		close(r.done)
	}()
	return r
}

// call calls the check. A panic of it is an error: it must not end the server.
func (p *probe) call(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.Check.Check(ctx)
}

// wait returns the result, errNoAnswer if the time of the call has run out, or ctx.Err(). A call
// that has been blocked for long does not make another request wait.
func (r *run) wait(ctx context.Context) error {
	select {
	case <-r.done:
	case <-r.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done: // cancel ends the context after the call, too
		return r.err
	default:
		return errNoAnswer
	}
}
