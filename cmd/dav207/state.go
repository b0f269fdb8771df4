package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/props/boltprops"
	"dav207/server/locks"
	"dav207/server/resource"
)

// inMemory is the --state that ends with the process.
const inMemory = "memory"

// state is what a server knows besides the files.
type state struct {
	props props.Store
	locks *locks.Table
	// alone says that no other server has these files: the state of this tree is ours alone.
	alone bool
	file  *boltprops.Store // nil for none
}

func (s *state) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

func memoryState() *state { return &state{props: &props.Memory{}, locks: locks.New(nil)} }

// openState opens what is known of the files in dir.
func (o *serveOptions) openState(ctx context.Context, dir string, disk *fsbackend.Disk, log *slog.Logger) (*state, error) {
	if o.state == inMemory {
		return memoryState(), nil
	}
	file := filepath.Join(dir, resource.StateName, "state.db")
	own := o.state == "" // in the directory itself
	if !own {
		file = o.state
		if err := outside(dir, "--state", file); err != nil {
			return nil, err
		}
	}
	root, err := disk.Stat(ctx, "/")
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(file)
	there := err == nil
	if own && !there && !o.readOnly && !writable(dir) && !writable(filepath.Dir(file)) {
		log.Warn("the directory cannot be written to: properties and locks end with this process", slog.String("dir", dir))
		return memoryState(), nil
	}
	id := props.Resource{Info: root}.Identity()
	options := &boltprops.Options{Root: id, Identify: fsbackend.FileID, ReadOnly: o.readOnly, Lazy: true, SyncLocks: o.fsync, Logger: log,
		Holder: fmt.Sprintf("dav207 serve %s, asked to listen on %s", show(dir), o.addr)}
	store, err := boltprops.Open(file, options)
	if own && there && !o.readOnly && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		log.Warn("the state cannot be written to: properties and locks that change end with this process", slog.String("file", file))
		return memoryState(), nil
	}
	switch held := (*boltprops.HeldError)(nil); {
	case err == nil:
	case o.readOnly && errors.Is(err, fs.ErrNotExist):
		return memoryState(), nil // nothing is known, and nothing will be
	case errors.As(err, &held):
		return nil, fmt.Errorf("%w: stop it, or give --state another file", err)
	default:
		return nil, err
	}
	s := &state{props: store, file: store, alone: there}
	if o.readOnly {
		s.locks = locks.New(nil)
		return s, nil
	}
	s.locks = locks.New(&locks.Options{Journal: store})
	kept, err := store.Locks(ctx)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	for _, l := range s.locks.Restore(kept) {
		log.Debug("a lock has ended meanwhile", slog.String("name", l.Root.String()))
	}
	return s, nil
}
