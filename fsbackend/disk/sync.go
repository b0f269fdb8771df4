package disk

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Batch implements fsbackend.Backend: with Options.Sync, the directories in which something changed
// under the context that it returns are written to the disk, each once, when sync is called.
func (b *backend) Batch(ctx context.Context) (context.Context, func() error) {
	if !b.sync {
		return ctx, nil
	}
	batch := newBatch(b)
	return context.WithValue(ctx, batchKey{b}, batch), batch.sync
}

type batchKey struct{ b *backend }

// maxDirtyDirs bounds the memory that a change of a large tree takes.
const maxDirtyDirs = 1024

// syncBatch is the directories whose change is not on the disk yet.
type syncBatch struct {
	b      *backend
	mu     sync.Mutex
	dirs   map[string]struct{}
	failed error // what could not be written before sync was called
}

func newBatch(b *backend) *syncBatch { return &syncBatch{b: b, dirs: map[string]struct{}{}} }

func (s *syncBatch) sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write()
	err := s.failed
	s.failed = nil
	return err
}

// write is called with the lock held.
func (s *syncBatch) write() {
	for _, dir := range slices.Sorted(maps.Keys(s.dirs)) {
		if err := s.b.syncDir(dir); err != nil && s.failed == nil {
			s.failed = err
		}
	}
	clear(s.dirs)
}

// add is called with the names that something came to or went from.
func (s *syncBatch) add(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range names {
		s.dirs[filepath.Dir(h)] = struct{}{}
	}
	if len(s.dirs) >= maxDirtyDirs {
		s.write()
	}
}

// renamed gives the directories at or below from the names that they have now.
func (s *syncBatch) renamed(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dir := range slices.Collect(maps.Keys(s.dirs)) {
		if rest, ok := strings.CutPrefix(dir, from); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
			delete(s.dirs, dir)
			s.dirs[to+rest] = struct{}{}
		}
	}
}

// batchOf returns the batch of ctx, nil where changes have to be on the disk at once.
func (b *backend) batchOf(ctx context.Context) *syncBatch {
	if !b.sync {
		return nil
	}
	batch, _ := ctx.Value(batchKey{b}).(*syncBatch)
	return batch
}

// changed writes to the disk, at once or with the batch of ctx, that something came to the names
// given or went from there.
func (b *backend) changed(ctx context.Context, names ...string) error {
	if !b.sync {
		return nil
	}
	if batch := b.batchOf(ctx); batch != nil {
		batch.add(names)
		return nil
	}
	batch := newBatch(b)
	batch.add(names)
	return batch.sync()
}

// syncDir writes a directory to the disk, as far as the platform can. One that is gone needs it no
// more, whatever has its name now.
func (b *backend) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // the file system keeps a journal of names, and nobody may flush a directory
	}
	d, _, err := b.openDir(dir)
	if notThere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.close()
	f, _, err := d.open(".", dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncable(f.Sync())
}

// syncFile writes the content, time and mode of a file to the disk. One that may not be opened
// keeps what it has.
func (b *backend) syncFile(h string) error {
	f, _, err := b.openFile(h)
	if errors.Is(err, fs.ErrPermission) {
		f, _, err = b.open(h, h, os.O_WRONLY)
	}
	if err != nil {
		return nil
	}
	defer f.Close()
	return syncable(f.Sync())
}

// syncable takes for success what file systems answer that have no sync.
func syncable(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
