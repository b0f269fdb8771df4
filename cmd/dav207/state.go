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
	alone    bool
	readOnly bool             // what is kept cannot be changed
	file     *boltprops.Store // nil for none
}

func (s *state) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

func memoryState() *state { return &state{props: &props.Memory{}, locks: locks.New(nil)} }

// openState opens what is known of the files in dir.
func (o *serveOptions) openState(ctx context.Context, dir string, log *slog.Logger) (*state, error) {
	if o.state == inMemory {
		return memoryState(), nil
	}
	file := filepath.Join(dir, resource.StateName, "state.db")
	own := o.state == "" // in the directory itself
	if own {
		for _, p := range []string{filepath.Dir(file), file} { // nobody but this server makes one, and it makes no link
			if fi, err := os.Lstat(p); err == nil && fi.Mode().Type() == fs.ModeSymlink {
				return nil, fmt.Errorf("%s is a symbolic link, which is not followed: remove it, or %s", show(p), elsewhere)
			}
		}
	}
	if !own {
		file = o.state
		if err := outside(dir, "--state", file); err != nil {
			return nil, err
		}
	}
	if err := o.usable(dir, file); err != nil {
		return nil, err
	}
	_, err := os.Stat(file)
	there := err == nil
	if own && !there && !o.readOnly && !writable(dir) && !writable(filepath.Dir(file)) {
		log.Warn("the directory cannot be written to: properties and locks end with this process", slog.String("dir", dir))
		return memoryState(), nil
	}
	options := &boltprops.Options{ReadOnly: o.readOnly, Lazy: true, NoFollow: own, SyncLocks: o.fsync, Logger: log,
		Owner: fmt.Sprintf("dav207 serve %s, asked to listen on %s", show(dir), o.addr)}
	store, err := boltprops.Open(file, options)
	if own && !options.ReadOnly && (errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) && !writable(dir)) {
		log.Warn("the state cannot be written to: properties and locks are shown as they were kept, properties cannot be changed, "+
			"and new locks end with this process", slog.String("file", file), slog.Any("err", cause(err)))
		options.ReadOnly = true
		store, err = boltprops.Open(file, options)
	}
	switch inUse := (*boltprops.InUseError)(nil); {
	case err == nil:
	case options.ReadOnly && errors.Is(err, fs.ErrNotExist):
		return memoryState(), nil // nothing is known, and nothing will be
	case errors.As(err, &inUse):
		return nil, fmt.Errorf("%w: stop it, or give --state another file", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed to use the state %s: change its permissions, or %s", show(file), elsewhere)
	case errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("the state %s cannot be written to: %w; %s", show(file), cause(err), elsewhere)
	default:
		return nil, err
	}
	s := &state{props: store, file: store, alone: there, readOnly: options.ReadOnly}
	if s.readOnly {
		s.locks = locks.New(nil)
	} else {
		s.locks = locks.New(&locks.Options{Journal: store})
	}
	kept, err := store.Locks(ctx)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	for _, l := range s.locks.Restore(kept) {
		log.Debug("a lock has ended meanwhile", slog.String("name", l.Root.String()))
	}
	return s, nil
}

// elsewhere is what can be done about a state that cannot be used.
const elsewhere = `give --state another file or "memory"`

// usable says what is wrong with a state that cannot be read, or where there is none that could not be made when it is needed.
func (o *serveOptions) usable(dir, file string) error {
	own, holds := o.state == "", filepath.Dir(file)
	info, err := os.Stat(file)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("the state %s is not a file: %s", show(file), elsewhere)
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to look at the state %s: change the permissions of its directory, or %s", show(file), elsewhere)
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the state %s: %w; %s", show(file), cause(err), elsewhere)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("the state %s is a link that leads nowhere: remove it, or %s", show(file), elsewhere)
	}
	info, err = os.Stat(holds)
	if errors.Is(err, fs.ErrNotExist) && own {
		return nil // it is made with the state
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s for the state: make it first, or %s", show(holds), elsewhere)
	case err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is not a directory, and cannot hold the state: remove it, or %s", show(holds), elsewhere)
	case err != nil:
		return fmt.Errorf("the directory of the state %s: %w; %s", show(file), cause(err), elsewhere)
	case !o.readOnly && !writable(holds) && (!own || writable(dir)):
		return fmt.Errorf("not allowed to make the state in %s: change its permissions, or %s", show(holds), elsewhere)
	}
	return nil
}
