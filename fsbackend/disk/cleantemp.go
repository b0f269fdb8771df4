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
	"sync/atomic"
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
	live    sync.Map    // from names to the *os.File of an upload, a lockedDir or nil
	waiting atomic.Bool // for lockAfter
}

// lockedDir is a directory that is locked for other processes from the beginning: what is moved
// into it keeps its old times.
type lockedDir struct{ *os.File }

// lockAfter is how long after it began an upload is locked for CleanTemp of other processes at the
// latest: the client may pause for long after any piece. Until then they see that it is young. Most
// uploads end before, and a lock or a timer for each takes a tenth of one of 1 KiB.
const lockAfter = time.Minute / 2

// add notes that h is about to be created, if it has the name of a temp file.
func (s *tempSet) add(h string) {
	if name := filepath.Base(h); davpath.IsTemp(name) {
		s.live.Store(name, nil)
	}
}

// upload notes that f is the open temp file h.
func (s *tempSet) upload(h string, f *os.File) {
	s.live.Store(filepath.Base(h), f)
	if s.waiting.CompareAndSwap(false, true) {
		time.AfterFunc(lockAfter, s.lock)
	}
}

// lock locks the files of all uploads.
func (s *tempSet) lock() {
	s.waiting.Store(false)
	s.live.Range(func(_, f any) bool {
		if f, ok := f.(*os.File); ok {
			flock(f)
		}
		return true
	})
}

// remove notes that h was removed or has taken its place.
func (s *tempSet) remove(h string) {
	f, _ := s.live.LoadAndDelete(filepath.Base(h))
	if dir, ok := f.(lockedDir); ok {
		dir.Close()
	}
}

// has reports whether this process works on the temp file of that name.
func (s *tempSet) has(name string) bool {
	_, live := s.live.Load(name)
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
	f, _, err := c.b.openFile(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, first := f.ReadDir(-1)
	for _, e := range entries {
		h := filepath.Join(dir, e.Name())
		switch {
		case c.ctx.Err() != nil:
			return below, first
		case !davpath.IsTemp(e.Name()):
			if e.IsDir() {
				below = append(below, h)
			}
		case e.IsDir() || e.Type().IsRegular():
			dealt, err := c.temp(h)
			if first == nil {
				first = err
			}
			if dealt && c.done != nil {
				c.done("/" + filepath.ToSlash(h))
			}
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
	young := c.young(fi)
	if liveTemps.has(fi.Name()) || young && !(fi.IsDir() && locksFiles) {
		return false, nil
	}
	f, _, err := c.b.openFile(h)
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
	to := filepath.Join(filepath.Dir(h), names[0])
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
	if err := root.Rename(filepath.Join(h, names[0]), to); err != nil {
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
