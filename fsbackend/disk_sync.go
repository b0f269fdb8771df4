package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Batch implements tree.Batcher: with Sync, the directories in which something changed under the context it returns are
// written to the disk, each once, when settle is called. Without Sync settle is nil.
func (d *Disk) Batch(ctx context.Context) (batch context.Context, settle func() error) {
	if !d.Sync {
		return ctx, nil
	}
	u := &unsettled{disk: d, dirs: map[string]struct{}{}}
	return context.WithValue(ctx, unsettledKey{d}, u), u.settle
}

type unsettledKey struct{ disk *Disk }

// maxUnsettled bounds the memory that a change of a large tree takes.
const maxUnsettled = 1024

// unsettled is the directories whose change is not on the disk yet.
type unsettled struct {
	disk   *Disk
	mu     sync.Mutex
	dirs   map[string]struct{}
	failed error // what could not be written before settle was called
}

func (u *unsettled) settle() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.write()
	err := u.failed
	u.failed = nil
	return err
}

// write is called with the lock held.
func (u *unsettled) write() {
	for _, dir := range slices.Sorted(maps.Keys(u.dirs)) {
		if err := u.disk.syncDir(dir); err != nil && u.failed == nil {
			u.failed = err
		}
	}
	clear(u.dirs)
}

func (u *unsettled) add(dirs []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, dir := range dirs {
		u.dirs[dir] = struct{}{}
	}
	if len(u.dirs) >= maxUnsettled {
		u.write()
	}
}

// renamed notes under which names the directories are found now that were at or below from.
func (u *unsettled) renamed(from, to string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, dir := range slices.Collect(maps.Keys(u.dirs)) {
		if rest, ok := strings.CutPrefix(dir, from); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
			delete(u.dirs, dir)
			u.dirs[to+rest] = struct{}{}
		}
	}
}

// removed forgets a directory that is gone: there is nothing to write any more.
func (u *unsettled) removed(p string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.dirs, p)
}

// unsettled returns what is collected under ctx, nil where changes are to be on the disk at once.
func (d *Disk) unsettled(ctx context.Context) *unsettled {
	u, _ := ctx.Value(unsettledKey{d}).(*unsettled)
	return u
}

// changed makes durable, at once or with the batch of ctx, that something came to the names given or went from there.
func (d *Disk) changed(ctx context.Context, names ...string) error {
	if !d.Sync {
		return nil
	}
	dirs := make([]string, 0, 2)
	for _, p := range names {
		if dir := dirOf(p); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if u := d.unsettled(ctx); u != nil {
		u.add(dirs)
		return nil
	}
	var first error
	for _, dir := range dirs {
		if err := d.syncDir(dir); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// dirOf returns the directory of a host name, which is not cleaned: see readlink.
func dirOf(p string) string {
	dir := parent(p)
	for len(dir) > 0 && os.IsPathSeparator(dir[len(dir)-1]) {
		dir = dir[:len(dir)-1]
	}
	if dir == "" {
		return "."
	}
	return dir
}

// syncDir writes a directory to the disk, as far as the platform has a way. One that is gone needs it no more.
func (d *Disk) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // the file system keeps a journal of names, and nobody may flush a directory
	}
	f, _, err := d.openFile(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncable(f.Sync())
}

// syncFile writes a file to the disk: its content, time and mode. One that may not be opened keeps what it has.
func (d *Disk) syncFile(p string) error {
	f, _, err := d.openFile(p)
	if errors.Is(err, fs.ErrPermission) {
		f, _, err = d.open(p, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil
	}
	defer f.Close()
	return syncable(f.Sync())
}

// syncable takes for success what file systems answer that know no sync.
func syncable(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
