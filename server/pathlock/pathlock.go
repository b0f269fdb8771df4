// Package pathlock makes concurrent requests on overlapping paths wait for each other.
//
// A request declares at once what it is going to read and write. It waits until every earlier
// request that conflicts with it has finished. Requests that do not conflict never wait for each
// other. No request starves, since later ones do not overtake it, and none deadlocks, since each
// waits only for earlier ones.
//
// The write locks of clients are another matter (package locks): they outlive a request, and a
// conflict is answered with 423.
package pathlock

import (
	"context"
	"sync"

	"dav207/server/davpath"
)

// Range is a path or a subtree that a request reads or writes. Two ranges conflict if at least one
// of them writes and they overlap: their paths are equal, or one is a subtree that contains the
// other's path.
type Range struct {
	Path    davpath.Path
	Subtree bool // everything below Path, too
	Write   bool
}

func (r Range) conflicts(o Range) bool {
	return (r.Write || o.Write) &&
		(r.Path == o.Path || r.Subtree && r.Path.Contains(o.Path) || o.Subtree && o.Path.Contains(r.Path))
}

// Manager grants ranges to requests in the order of their arrival. The zero value is ready to use.
// It is safe for concurrent use and must not be copied after its first use.
type Manager struct {
	mu      sync.Mutex
	last    *request // of the list of all requests that hold or wait, in order of arrival
	waiting int      // those that have a blocker
}

// Waiting returns the number of requests that wait.
func (m *Manager) Waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting
}

// request is one call of Acquire that waits or holds its ranges.
type request struct {
	manager    *Manager
	released   sync.Once
	ranges     []Range
	rangesBuf  [2]Range // holds ranges if there are at most two: saves an allocation
	prev, next *request

	// blocker is the latest earlier request that conflicts with this one. When it leaves, the
	// search for another goes on from there, so that each earlier request is compared once.
	blocker *request
	waiters map[*request]struct{} // the requests whose blocker this is
	granted chan struct{}         // closed when a waiting request holds its ranges
}

// Acquire waits until no earlier request holds or waits for a range that conflicts with ranges,
// then holds all of them until release is called. If ctx is done before, it returns ctx.Err() and
// holds nothing. release is never nil and may be called more than once, from any goroutine.
//
// A request must pass all its ranges in one call: a second call while it holds some may block
// forever.
func (m *Manager) Acquire(ctx context.Context, ranges ...Range) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return func() {}, err
	}
	r := &request{manager: m}
	r.ranges = append(r.rangesBuf[:0], ranges...)
	if !m.enter(r) {
		select {
		case <-r.granted:
		case <-ctx.Done():
			m.leave(r) // whether or not it was granted at the same moment
			return func() {}, ctx.Err()
		}
	}
	return r.release, nil
}

func (r *request) release() { r.released.Do(func() { r.manager.leave(r) }) }

// enter appends r to the list and reports whether it need not wait.
func (m *Manager) enter(r *request) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.prev = m.last; r.prev != nil {
		r.prev.next = r
	}
	m.last = r
	r.register(r.prev)
	if r.blocker == nil {
		return true
	}
	m.waiting++
	r.granted = make(chan struct{})
	return false
}

// leave removes r from the list and grants the requests that waited only for r.
func (m *Manager) leave(r *request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.blocker != nil {
		m.waiting--
		delete(r.blocker.waiters, r)
	}
	if r.prev != nil {
		r.prev.next = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		m.last = r.prev
	}
	for w := range r.waiters {
		if w.register(r.prev); w.blocker == nil {
			m.waiting--
			close(w.granted)
		}
	}
}

// register searches backwards from at for a request that conflicts with r, and registers r as
// waiting for it.
func (r *request) register(at *request) {
	for r.blocker = at; r.blocker != nil; r.blocker = r.blocker.prev {
		if r.conflicts(r.blocker) {
			if r.blocker.waiters == nil {
				r.blocker.waiters = make(map[*request]struct{})
			}
			r.blocker.waiters[r] = struct{}{}
			return
		}
	}
}

func (r *request) conflicts(o *request) bool {
	for _, c := range r.ranges {
		for _, d := range o.ranges {
			if c.conflicts(d) {
				return true
			}
		}
	}
	return false
}
