package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"dav207/cmd/dav207/cli"
	"dav207/props"
	"dav207/props/boltprops"
	"dav207/server/locks"
)

// inMemory is the value of --state that keeps the state in memory.
const inMemory = "memory"

// state holds the properties and locks of a server.
type state struct {
	props props.Store
	locks *locks.Table
	// exclusive says that the state file existed and is locked by this process, so that no other
	// one serves these files.
	exclusive bool
	readOnly  bool             // properties cannot be changed
	file      *boltprops.Store // nil for none
	control   *controller
	path      string // of the file
}

func (s *state) Close() error {
	err := s.control.close()
	if s.file == nil {
		return err
	}
	return errors.Join(err, s.file.Close())
}

func (o *serveOptions) memoryState() *state {
	return &state{props: &props.Memory{Max: int64(o.limits.state)}, locks: locks.New(nil)}
}

// openState opens the state of the files in dirs, and lets "dav207 locks" ask for it.
func (o *settings) openState(ctx context.Context, dirs []string, log *slog.Logger) (*state, error) {
	dir := ""
	if len(dirs) > 0 {
		dir = dirs[0]
	}
	control := o.newController(dir, log)
	s, err := o.loadState(ctx, dir, control, log)
	if err != nil {
		return nil, err
	}
	s.control = control
	if err := control.begin(s.locks); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// loadState opens the state of the files in dir, with its locks.
func (o *settings) loadState(ctx context.Context, dir string, control *controller, log *slog.Logger) (*state, error) {
	if o.memory || o.state == inMemory {
		return o.memoryState(), nil
	}
	file, err := o.stateFile(dir)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(file)
	exists := err == nil
	if o.state == "" && !exists && !o.readOnly && !cli.Writable(dir) && !cli.Writable(filepath.Dir(file)) {
		log.Warn("the directory cannot be written to: properties and locks end with this process", slog.String("dir", dir))
		return o.memoryState(), nil
	}
	store, readOnly, err := o.openStore(dir, file, log)
	if readOnly && errors.Is(err, fs.ErrNotExist) {
		return o.memoryState(), nil // no state, and none may be created
	}
	if err != nil {
		return nil, err
	}
	s := &state{props: store, file: store, path: file, exclusive: exists, readOnly: readOnly}
	if s.readOnly {
		s.locks = locks.New(nil)
	} else {
		s.locks = locks.New(&locks.Options{Journal: lockJournal{store, control}})
	}
	stored, err := store.Locks(ctx)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	for _, l := range s.locks.Restore(stored) {
		log.Debug("a lock has ended meanwhile", slog.String("name", l.Root.String()))
	}
	return s, nil
}

// useStateDirectory has the state where systemd keeps that of a service with StateDirectory=,
// unless --state says where.
func (o *serveOptions) useStateDirectory(lookup func(string) (string, bool)) {
	dirs, _ := lookup("STATE_DIRECTORY")
	if dir, _, _ := strings.Cut(dirs, ":"); dir != "" && o.state == "" && !o.memory {
		o.state = filepath.Join(dir, "state.db")
	}
}

// stateFile returns the file of --state, or the default one in dir. It returns an error if the file
// cannot be used.
func (o *settings) stateFile(dir string) (string, error) {
	file := DefaultState(dir)
	if o.state != "" {
		return o.state, o.usable(dir, o.state)
	}
	for _, p := range []string{filepath.Dir(file), file} { // a link is not made by this server
		if fi, err := os.Lstat(p); err == nil && fi.Mode().Type() == fs.ModeSymlink {
			return "", fmt.Errorf("%s is a symbolic link, which is not followed: remove it, or %s", cli.Show(p), elsewhere)
		}
	}
	return file, o.usable(dir, file)
}

// openStore opens the state file. If the default file cannot be written to, it opens it read-only
// and logs a warning. Its errors say what the user can do, except fs.ErrNotExist of a file that is
// opened read-only.
func (o *settings) openStore(dir, file string, log *slog.Logger) (store *boltprops.Store, readOnly bool, err error) {
	options := &boltprops.Options{ReadOnly: o.readOnly, Lazy: true, NoFollow: o.state == "", SyncLocks: o.fsync,
		MaxBytes: int64(o.limits.state), Logger: log}
	store, err = boltprops.Open(file, options)
	if o.state == "" && !options.ReadOnly && (errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) && !cli.Writable(dir)) {
		log.Warn("the state cannot be written to: properties and locks are shown as they were kept, properties cannot be changed, "+
			"and new locks end with this process", slog.String("file", file), slog.Any("err", cli.Cause(err)))
		options.ReadOnly = true
		store, err = boltprops.Open(file, options)
	}
	switch inUse := (*boltprops.InUseError)(nil); {
	case errors.As(err, &inUse):
		err = fmt.Errorf("%w: stop it, or give --state another file", err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("not allowed to use the state %s: change its permissions, or %s", cli.Show(file), elsewhere)
	case errors.Is(err, syscall.EROFS):
		err = fmt.Errorf("the state %s cannot be written to: %w; %s", cli.Show(file), cli.Cause(err), elsewhere)
	}
	return store, options.ReadOnly, err
}

// elsewhere is the advice for a state that cannot be used.
const elsewhere = `give --state another file or "memory"`

// usable returns an error that says what to do if the state cannot be read, or if it does not exist
// and cannot be created later.
// One piece: it is one list of cases, each with a message of its own.
func (o *settings) usable(dir, file string) error {
	own, holds := o.state == "", filepath.Dir(file)
	info, err := os.Stat(file)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("the state %s is not a file: %s", cli.Show(file), elsewhere)
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to look at the state %s: change the permissions of its directory, or %s", cli.Show(file), elsewhere)
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the state %s: %w; %s", cli.Show(file), cli.Cause(err), elsewhere)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("the state %s is a link that leads nowhere: remove it, or %s", cli.Show(file), elsewhere)
	}
	info, err = os.Stat(holds)
	if errors.Is(err, fs.ErrNotExist) && own {
		return nil // created with the state
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s for the state: make it first, or %s", cli.Show(holds), elsewhere)
	case err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is not a directory, and cannot hold the state: remove it, or %s", cli.Show(holds), elsewhere)
	case err != nil:
		return fmt.Errorf("the directory of the state %s: %w; %s", cli.Show(file), cli.Cause(err), elsewhere)
	case !o.readOnly && !cli.Writable(holds) && (!own || cli.Writable(dir)):
		return fmt.Errorf("not allowed to make the state in %s: change its permissions, or %s", cli.Show(holds), elsewhere)
	}
	return nil
}
