// Package reserve lets requests that would disturb each other wait for each other.
//
// A request says at once what it is going to read and write, and waits until every earlier request that conflicts
// with it has finished. Requests that do not conflict never wait for each other; none starves, because later ones do
// not overtake it; and none deadlock, because each waits only for earlier ones.
//
// It knows nothing of write locks (package locks): those last longer than a request, and are answered with 423.
package pathlock

import (
	"context"
	"sync"

	"dav207/server/davpath"
)

// Range is something that a request is going to use. Two ranges conflict when at least one of them writes and they
// overlap: their paths are the same, or one of them is for a whole subtree that contains the path of the other.
type Range struct {
	Path    davpath.Path
	Subtree bool // everything below Path, too
	Write   bool
}

func (c Range) conflicts(d Range) bool {
	return (c.Write || d.Write) &&
		(c.Path == d.Path || c.Subtree && c.Path.Contains(d.Path) || d.Subtree && d.Path.Contains(c.Path))
}

// Manager is where requests wait. The zero value is ready to use. It is safe for concurrent use and must not be
// copied after its first use.
type Manager struct {
	mu   sync.Mutex
	last *request // of the list of all that hold or wait, in order of arrival
}

type request struct {
	manager    *Manager
	released   sync.Once
	ranges     []Range
	few        [2]Range // where ranges are kept that are no more than that
	prev, next *request

	// A request that waits is registered with the latest of the earlier ones that it conflicts with. When that one
	// has left, the search goes on from there to the earlier ones: whoever waits passes each of them once.
	blocker *request
	waiters map[*request]struct{} // those registered here
	granted chan struct{}         // closed when a request that had to wait need not any more
}

// Acquire waits until no earlier request holds or waits for something that conflicts with ranges, and then holds all
// of them until release is called. If ctx is done before, it returns ctx.Err() and leaves nothing behind. release is never
// nil, may be called more than once and from any goroutine.
//
// A request names all its ranges in one call: one that asks again while it holds some may wait for itself for ever.
func (m *Manager) Acquire(ctx context.Context, ranges ...Range) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return func() {}, err
	}
	r := &request{manager: m}
	r.ranges = append(r.few[:0], ranges...)
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

// enter puts r at the end of the list, and reports whether it need not wait.
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
	r.granted = make(chan struct{})
	return false
}

// leave takes r out of the list, and lets those go on that waited for nothing else.
func (m *Manager) leave(r *request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.blocker != nil {
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
			close(w.granted)
		}
	}
}

// register looks from at backwards for a request that r has to wait for.
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
