package fsbackend

import (
	"os"
	"sync"
	"time"
)

// asides remembers what this process wrote or moved aside and has not put in place yet, so that Sweep takes none of
// it for the left-over of a crash: a collection moved aside keeps its old times. It is one for the process, because
// several trees may lead to one directory; the names are random and therefore enough.
var asides = asideSet{started: time.Now()}

type asideSet struct {
	started time.Time
	mu      sync.Mutex
	live    map[string]*os.File // the handle keeps a directory locked, for other processes to see; nil for what needs none
}

// made notes that p is about to be created, if its last segment is a name written aside.
func (s *asideSet) made(p string) {
	name := baseOf(p)
	if !isAside(name) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = make(map[string]*os.File)
	}
	s.live[name] = nil
}

// hold keeps the directory p, written aside, locked until it is gone.
func (s *asideSet) hold(p string, dir *os.File) {
	if !isAside(baseOf(p)) || !flock(dir) {
		dir.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[baseOf(p)] = dir
}

// gone notes that p was removed or put in its place, or that nobody here is at work on it any more.
func (s *asideSet) gone(p string) {
	name := baseOf(p)
	if !isAside(name) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir := s.live[name]; dir != nil {
		dir.Close()
	}
	delete(s.live, name)
}

// mine reports whether this process is at work on what has this name.
func (s *asideSet) mine(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, live := s.live[name]
	return live
}
