package davtest

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Now returns the time of the clock.
func (s *Server) Now() time.Time { return s.clock.now() }

// Advance moves the clock ahead by d: locks expire, and what changes next has a later time. Beyond
// the present of the machine no Last-Modified is sent: to the server such a time is still to come.
// It fails the test if Options.Server.Locks was set, if d is negative, or if the clock would be 292
// years ahead.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	if !s.ownLocks {
		s.t.Fatalf("davtest: Advance needs the server's own locks: leave Options.Server.Locks nil")
	}
	s.check(s.clock.advance(d))
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

func (c *clock) advance(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d < 0 || d > math.MaxInt64-c.ahead {
		return fmt.Errorf("the clock moves ahead, and at most 292 years in all: not by %s", d)
	}
	c.ahead += d
	return nil
}

// counter is the source of lock tokens. It is not random, so that the same requests get the same
// tokens: urn:uuid:00000000-0000-4000-8000-000000000001 is the first.
type counter struct{ n atomic.Uint64 }

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	clear(p)
	binary.BigEndian.PutUint64(p[len(p)-8:], c.n.Add(1))
	return len(p), nil
}
