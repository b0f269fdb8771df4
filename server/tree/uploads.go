package tree

import (
	"sync"

	"dav207/server/davpath"
)

// Uploads are the files that are being written aside, so that they can be found, and put in place or cleaned away, when a
// collection above them gets another name, or is removed, meanwhile. The zero value is ready for use. It is safe for concurrent use.
type Uploads struct {
	mu    sync.RWMutex // held for writing while a collection is renamed
	names sync.Mutex
	live  map[*staged]struct{}
}

// begin has create make the file of s, which no rename then comes between.
func (u *Uploads) begin(s *staged, create func() error) error {
	if u == nil {
		return create()
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if err := create(); err != nil {
		return err
	}
	u.names.Lock()
	defer u.names.Unlock()
	if u.live == nil {
		u.live = make(map[*staged]struct{})
	}
	u.live[s] = struct{}{}
	return nil
}

// end has finish do away with the file of s, under the name that it has now; no rename comes between.
func (u *Uploads) end(s *staged, finish func(aside davpath.Path) error) error {
	if u == nil {
		return finish(s.aside)
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	u.names.Lock()
	delete(u.live, s)
	u.names.Unlock()
	return finish(s.aside)
}

// follow renames a collection, and with it what is written aside in it.
func (u *Uploads) follow(from, to davpath.Path, rename func() error) error {
	if u == nil {
		return rename()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := rename(); err != nil {
		return err
	}
	for s := range u.live {
		if from.Contains(s.aside) {
			s.aside = s.aside.Rebase(from, to)
		}
	}
	return nil
}

// rescue moves what is written aside below a collection that is about to be removed to beside it. What
// cannot be moved goes with the collection.
func (u *Uploads) rescue(p davpath.Path, move func(from, to davpath.Path) error) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for s := range u.live {
		if to := p.Parent().Child(s.aside.Name()); p.Contains(s.aside) && move(s.aside, to) == nil {
			s.aside = to
		}
	}
}
