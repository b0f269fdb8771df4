package disk

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Undeletable implements fsbackend.Bulk with what the system says: that the directory may not be
// written or searched, that its sticky bit keeps what belongs to others, that a member is
// immutable, append-only or a mount point, or a directory that may not be read, in which nothing
// can be found to be removed.
func (b *backend) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		h, ok := host(p)
		if !ok {
			return // a listing of it reports that, and every other error
		}
		d, _, err := b.openDir(h)
		if err != nil {
			return
		}
		defer d.close()
		f, _, err := d.open(".", h, os.O_RDONLY)
		if err != nil {
			return
		}
		defer f.Close()
		names, _ := f.Readdirnames(-1)
		denied := removal(d, f)
		for _, name := range names {
			if ctx.Err() != nil {
				return
			}
			if err := denied(name); err != nil && !yield(name, fsbackend.ReadError("remove", p.Child(name), err)) {
				return
			}
		}
	}
}

// removal returns a function that returns why a member of the directory d, which is open as f,
// cannot be removed.
func removal(d dir, f *os.File) func(name string) error {
	self, err := d.lstat(".")
	if err != nil {
		return func(string) error { return nil }
	}
	all := access(f, ".", toRemove)
	if all == nil && errors.Is(self.kept, fs.ErrPermission) { // and not a mount point
		all = self.kept
	}
	// Root may do it all the same, but in containers that took that away: then the removal will
	// fail.
	me := os.Geteuid()
	sticky := self.Mode()&fs.ModeSticky != 0 && me != 0 && self.owner.uid != me
	return func(name string) error {
		m, err := d.lstat(name)
		switch {
		case all != nil:
			return all
		case err != nil:
			return nil
		case m.kept == nil && sticky && m.owner.uid != me:
			return fs.ErrPermission
		case m.kept == nil && m.IsDir():
			return access(f, name, toList)
		}
		return m.kept
	}
}
