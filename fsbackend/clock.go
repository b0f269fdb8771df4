package fsbackend

import (
	"sync/atomic"
	"time"
)

// tick is the finest step that the file systems we meet all keep: NTFS and SMB count in 100 ns.
const tick = 100 * time.Nanosecond

// clock hands out times of modification. A strong ETag is made from them (RFC 9110 §8.8.1), so two contents must
// never get the same one, however fast they follow each other and however the system's clock is set.
type clock struct {
	last   atomic.Int64
	spread atomic.Int64
}

// times is one for the process: several trees may lead to one directory.
var times clock

// now returns the time, rounded to a tick, and later than every time it returned before.
func (c *clock) now() time.Time {
	for {
		last := c.last.Load()
		next := max(last+int64(tick), time.Now().Truncate(tick).UnixNano())
		if c.last.CompareAndSwap(last, next) {
			return time.Unix(0, next)
		}
	}
}

// exact returns the time that a file is given when a client asks for t. Clients know whole seconds, or milliseconds: those get
// a fraction that differs from one call to the next, so that two contents said to be of one moment still differ.
func (c *clock) exact(t time.Time) time.Time {
	steps := int64(time.Second / tick)
	if t.Nanosecond() != 0 {
		t, steps = t.Truncate(time.Millisecond), int64(time.Millisecond/tick)
	}
	start := c.spread.Load()
	if start == 0 { // another process must not begin with the same fractions
		c.spread.CompareAndSwap(0, time.Now().UnixNano()/int64(tick)%int64(time.Second/tick)+1)
	}
	n := c.spread.Add(1)%(steps-1) + 1
	return t.Add(time.Duration(n) * tick)
}
