package boltprops

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"dav207/server/locks"
)

// request is a change that somebody waits for.
type request struct {
	apply func(*txn) error // may be called again, each time on another state
	size  int              // about what it writes
	err   error            // what became of it
	told  func(error)      // is told before whoever waits, if not nil

	leads bool      // who waits for it commits it
	turn  chan bool // where it had to wait: true when it is to lead, or false when err is there
}

// queue holds the requests that wait for a commit. Whoever comes while none is under way leads: it takes all there are and commits
// them, itself and with no other goroutine to wake, which costs more than a commit of a few pages. Then the first of those who have
// come meanwhile leads.
type queue struct {
	mu      sync.Mutex
	wake    chan struct{} // has one when something came that whoever writes the journal may sleep over
	waiting []*request
	busy    bool // somebody leads
	company company
	doubt   bool // a commit failed, and yet can be seen: what is seen may not be durable
	closed  bool

	journal      map[string]*locks.Lock // by token; nil where it is to be forgotten
	journalBytes int
	due          time.Time // when the journal is to be written
	journalErr   error     // why it could not be written the last time
}

func (q *queue) init() {
	q.wake = make(chan struct{}, 1)
	q.journal = make(map[string]*locks.Lock)
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// end lets nobody else in.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.rouse()
}

// settled reports whether all that can be seen is durable.
func (q *queue) settled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.busy && !q.doubt && len(q.waiting) == 0
}

// join queues r. It reports whether r leads, and ok if it was let in; late is let in also when the queue is closed.
func (q *queue) join(r *request, late bool) (leads, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed && !late {
		return false, false
	}
	q.waiting = append(q.waiting, r)
	if r.leads = !q.busy; !r.leads {
		r.turn = make(chan bool, 1)
	}
	q.busy = true
	q.company.arrived(len(q.waiting))
	return r.leads, true
}

// leave takes r back, unless somebody has taken it or it leads.
func (q *queue) leave(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 || r.leads {
		return false
	}
	q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
	return true
}

// pass ends a lead in which so many were committed, which took so long.
func (q *queue) pass(committed int, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.company.expect(committed+len(q.waiting), took)
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	next := q.waiting[0]
	next.leads = true
	next.turn <- true
}

func (r *request) finish(err error) {
	r.err = err
	if r.told != nil {
		r.told(err)
	}
	if !r.leads && r.turn != nil {
		r.turn <- false
	}
}

// maxCommit bounds what is written at once, so that many large changes take their turns.
const maxCommit = 16 << 20

// gather waits for those who are likely to come right now, before the caller takes what there is.
func (q *queue) gather() {
	q.mu.Lock()
	complete := q.company.complete(len(q.waiting))
	all, patience := q.company.await(len(q.waiting))
	q.mu.Unlock()
	if all == nil {
		if !complete {
			runtime.Gosched() // they may be about to run
		}
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.company.judge(len(q.waiting))
}

// take takes the requests that are to be committed next, the one that leads first, and with them the journal.
func (q *queue) take() (taken []*request, journal map[string]*locks.Lock) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].size <= maxCommit) {
		size += q.waiting[n].size
		n++
	}
	taken = q.waiting[:n:n]
	q.waiting = slices.Clone(q.waiting[n:])
	if len(q.journal) > 0 {
		journal = q.journal
		q.journal, q.journalBytes, q.due = make(map[string]*locks.Lock), 0, time.Time{}
	}
	return taken, journal
}

// sleep returns when the journal is due, or false when the queue is closed.
func (q *queue) sleep() bool {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed {
		left := time.Hour
		if len(q.journal) > 0 && !q.due.IsZero() {
			if left = time.Until(q.due); left <= 0 {
				return true
			}
		}
		timer.Reset(left)
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-timer.C:
		}
		q.mu.Lock()
	}
	return false
}

func (q *queue) setDoubt(doubt bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doubt = doubt
}

func (q *queue) inDoubt() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.doubt
}
