package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// liveTemps are the temp files and directories of this process that have not taken their place
// yet, so that CleanTemp takes none of them for the left-over of a crash: a collection that was
// moved to a temp name keeps its old times. It is one for the process, since several trees may
// lead to one directory. The names are random, and therefore enough.
var liveTemps = tempSet{started: time.Now()}

type tempSet struct {
	started time.Time
	mu      sync.Mutex
	live    map[string]*os.File // a handle that keeps a directory locked for other processes; nil for a file
}

// add notes that h is about to be created, if it has the name of a temp file.
func (s *tempSet) add(h string) {
	name := baseOf(h)
	if !davpath.IsTemp(name) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = make(map[string]*os.File)
	}
	s.live[name] = nil
}

// lock keeps the temp directory h locked until it is removed.
func (s *tempSet) lock(h string, dir *os.File) {
	if !flock(dir) {
		dir.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[baseOf(h)] = dir
}

// remove notes that h was removed or has taken its place.
func (s *tempSet) remove(h string) {
	name := baseOf(h)
	if !davpath.IsTemp(name) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir := s.live[name]; dir != nil {
		dir.Close()
	}
	delete(s.live, name)
}

// has reports whether this process works on the temp file of that name.
func (s *tempSet) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, live := s.live[name]
	return live
}

// minTempAge is how old something must be for CleanTemp: another process may be about to lock it,
// or to put it in its place. What that process works on for longer is locked.
var minTempAge = time.Minute

// CleanTemp removes temp files and directories that an earlier process left when it was killed:
// those that have a name of davpath.TempName and that no living process works on, be it this one
// or another that serves the same files. It goes through the whole tree, reads each directory
// once, and may run while the tree is served. It neither follows nor removes links. What was
// moved to a temp name to make room for something that then did not come gets its name back; if
// something else got that name since this process started, it gets the name with ".recovered"
// after it.
//
// It leaves what was modified within the last minute for the next call, unless exclusive says
// that no other process serves these files or a tree that holds them or is a part of them. What
// was moved to a temp name is locked from the beginning and need not wait. Where the platform has
// no flock nothing else protects what others work on: let one process serve a directory there.
//
// done, if not nil, is called for each name that was dealt with. What cannot be read or removed is
// passed over; the first such error is returned at the end. It stops when ctx is done.
func (f *Fs) CleanTemp(ctx context.Context, exclusive bool, done func(name string)) error {
	c := cleaner{b: f.b, ctx: ctx, exclusive: exclusive, done: done}
	var first error
	for todo := []string{"."}; len(todo) > 0; {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below, err := c.directory(dir)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		todo = append(todo, below...)
		// Things vanish from a tree that is served.
		if err != nil && first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = &fs.PathError{Op: "clean", Path: "/" + filepath.ToSlash(dir), Err: fsbackend.Cause(err)}
		}
	}
	return first
}

type cleaner struct {
	b         *backend
	ctx       context.Context
	exclusive bool
	done      func(name string)
}

// directory cleans one directory and returns the directories in it.
func (c *cleaner) directory(dir string) (below []string, first error) {
	f, _, err := c.b.open(dir, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for c.ctx.Err() == nil {
		entries, err := f.ReadDir(512)
		for _, e := range entries {
			h := within(dir, e.Name())
			switch {
			case !davpath.IsTemp(e.Name()):
				if e.IsDir() {
					below = append(below, h)
				}
			case e.IsDir() || e.Type().IsRegular():
				dealt, err := c.temp(h)
				if err != nil && first == nil {
					first = err
				}
				if dealt && c.done != nil {
					c.done("/" + filepath.ToSlash(h))
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return below, err
		}
	}
	return below, first
}

// temp deals with one temp file or directory, and reports whether it did something.
func (c *cleaner) temp(h string) (bool, error) {
	root := c.b.root
	fi, err := root.Lstat(h)
	if err != nil {
		return false, err
	}
	if liveTemps.has(fi.Name()) {
		return false, nil
	}
	young := c.young(fi)
	if young && (!fi.IsDir() || !locksFiles) {
		return false, nil
	}
	f, _, err := c.b.open(h, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if !flock(f) {
		return false, nil
	}
	// The lock may be free because the file is about to get its name: then it is young by now.
	if fi, err := f.Stat(); err != nil || !fi.IsDir() && c.young(fi) {
		return false, err
	}
	if !fi.IsDir() {
		return true, root.Remove(h)
	}
	if restored, err := c.restore(h, f); restored || err != nil || young {
		return restored, err
	}
	return true, c.removeDir(h)
}

// removeDir removes a temp directory. If it is empty, what another process moves into it
// meanwhile keeps it.
func (c *cleaner) removeDir(h string) error {
	if c.b.root.Remove(h) == nil {
		return nil
	}
	return c.b.root.RemoveAll(h)
}

// young reports whether another process may be about to lock fi, or to put it in its place.
func (c *cleaner) young(fi fs.FileInfo) bool {
	return !c.exclusive && (!fi.ModTime().Before(liveTemps.started) || time.Since(fi.ModTime()) < minTempAge)
}

// restore gives what was moved into a temp directory its name back if nothing has come in its
// place: the process was killed in between.
func (c *cleaner) restore(h string, dir *os.File) (bool, error) {
	names, err := dir.Readdirnames(2)
	if len(names) != 1 {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	root := c.b.root
	to := parent(h) + names[0]
	switch fi, err := root.Lstat(to); {
	case err == nil:
		if changed := fsbackend.InfoOf(to, fi).ChangeTime; !changed.IsZero() && changed.Before(liveTemps.started) {
			return false, nil // it was moved to make room for this
		}
		// This may be what somebody made here because nothing was there any more. Removing what
		// was is never undone.
		if to, err = c.freeName(to); err != nil {
			return false, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := root.Rename(within(h, names[0]), to); err != nil {
		return false, err
	}
	return true, root.Remove(h)
}

// freeName returns a free name for what is recovered beside to.
func (c *cleaner) freeName(to string) (string, error) {
	for i := 1; ; i++ {
		name := to + ".recovered"
		if i > 1 {
			name += "-" + strconv.Itoa(i)
		}
		if _, err := c.b.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}
