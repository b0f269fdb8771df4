package fsbackend

import (
	"path"
	"strings"
	"sync"
)

// stagingSet is the files that are being written aside, so that they can be found, and put in place or cleaned away, when a
// directory above them gets another name, or is removed, meanwhile. The zero value is ready for use.
type stagingSet struct {
	dirs sync.RWMutex // held for writing while a directory is renamed
	mu   sync.Mutex
	live map[*aferoStaged]struct{}
}

// begin has create make the file of s; no rename of a directory comes between.
func (l *stagingSet) begin(s *aferoStaged, create func() error) error {
	l.dirs.RLock()
	defer l.dirs.RUnlock()
	if err := create(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = make(map[*aferoStaged]struct{})
	}
	l.live[s] = struct{}{}
	return nil
}

// end has finish do away with the file of s, under the name that it has now; no rename of a directory comes between.
func (l *stagingSet) end(s *aferoStaged, finish func(temp string) error) error {
	l.dirs.RLock()
	defer l.dirs.RUnlock()
	l.mu.Lock()
	delete(l.live, s)
	l.mu.Unlock()
	return finish(s.temp)
}

// follow renames a directory, and with it what is written aside in it.
func (l *stagingSet) follow(from, to string, rename func() error) error {
	l.dirs.Lock()
	defer l.dirs.Unlock()
	if err := rename(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.live {
		if rest, below := strings.CutPrefix(s.temp, from+"/"); below {
			s.temp = strings.TrimSuffix(to, "/") + "/" + rest
		}
	}
	return nil
}

// rescue moves what is written aside below a directory that is about to be removed to beside it. What
// cannot be moved goes with the directory.
func (l *stagingSet) rescue(dir string, move func(from, to string) error) {
	l.dirs.Lock()
	defer l.dirs.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.live {
		if to := path.Join(path.Dir(dir), path.Base(s.temp)); strings.HasPrefix(s.temp, dir+"/") && move(s.temp, to) == nil {
			s.temp = to
		}
	}
}
