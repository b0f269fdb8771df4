package fsbackend

import (
	"sync/atomic"
	"time"
)

// tick is the finest step that all file systems in use keep: NTFS and SMB count in 100 ns.
const tick = 100 * time.Nanosecond

var (
	lastTime     atomic.Int64 // in nanoseconds
	lastFraction atomic.Int64 // in ticks
)

// NewTime returns the current time for a file with new content. It is later than every time that
// NewTime returned before in this process. Strong entity tags are made from it (RFC 9110 §8.8.1):
// two contents must never get the same one, however fast they follow each other and however the
// system's clock is set.
func NewTime() time.Time {
	for {
		last := lastTime.Load()
		next := max(last+int64(tick), time.Now().Truncate(tick).UnixNano())
		if lastTime.CompareAndSwap(last, next) {
			return time.Unix(0, next)
		}
	}
}

// UniqueTime returns the time to set when a client asks for t. Clients use whole seconds or
// milliseconds; UniqueTime adds a fraction that differs from call to call, so that two contents
// with the same t have different entity tags.
func UniqueTime(t time.Time) time.Time {
	steps := int64(time.Second / tick)
	if t.Nanosecond() != 0 {
		t, steps = t.Truncate(time.Millisecond), int64(time.Millisecond/tick)
	}
	if lastFraction.Load() == 0 { // another process must not use the same fractions
		lastFraction.CompareAndSwap(0, time.Now().UnixNano()/int64(tick)%int64(time.Second/tick)+1)
	}
	n := lastFraction.Add(1)%(steps-1) + 1
	return t.Add(time.Duration(n) * tick)
}
