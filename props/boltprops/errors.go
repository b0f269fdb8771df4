package boltprops

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"runtime/debug"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"dav207/server/multistatus"
)

// ErrClosed is what calls of a closed Store fail with. It is an fs.ErrClosed.
var ErrClosed = fmt.Errorf("state: %w", fs.ErrClosed)

// InUseError says that another process has the file.
type InUseError struct {
	File  string
	Owner string // what that process says of itself; "" where it says nothing
}

func (e *InUseError) Error() string {
	who := e.Owner
	if who == "" {
		who = "another process"
	}
	return fmt.Sprintf("state %s is in use by %s", e.File, who)
}

// As makes it 503 to a client, who may try again when the other process has ended.
func (e *InUseError) As(target any) bool {
	answer, ok := target.(**multistatus.Error)
	if ok {
		*answer = &multistatus.Error{Status: http.StatusServiceUnavailable, Err: e, Description: "Another server has these files."}
	}
	return ok
}

// DamagedError says that the file, or what was looked for in it, is not as it was written.
type DamagedError struct {
	File string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("state %s is damaged (%v): put back a copy of it, or move it away to go on without the properties and locks in it", e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// NewerError says that a later version of the program wrote the file.
type NewerError struct {
	File         string
	Format, Ours int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("state %s has format %d, and this version knows no later one than %d: use the version that wrote it, or another file", e.File, e.Format, e.Ours)
}

// errDamaged is wrapped by what reading the file finds wrong; it becomes a DamagedError.
var errDamaged = errors.New("not as it was written")

// guarded runs what touches pages of the file. A page that is damaged makes bbolt panic or leads it beyond the file,
// and where somebody has cut the file short, reading it is a fault: these end the call, not the process.
func (s *Store) guarded(touch func() error) error {
	_, err := s.attempt(touch)
	return err
}

func (s *Store) attempt(touch func() error) (panicked bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("state cannot be read", "file", s.file, "err", r, "stack", string(debug.Stack()))
			panicked, err = true, &DamagedError{s.file, fmt.Errorf("%w: %v", errDamaged, r)}
		}
	}()
	return false, touch()
}

// translate makes of an error of bbolt's what our callers look for.
func (s *Store) translate(err error) error {
	if err == nil {
		return nil
	}
	var damaged *DamagedError
	switch {
	case errors.As(err, &damaged):
		return err
	case errors.Is(err, errDamaged), errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return &DamagedError{s.file, err}
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	// Where the file has to grow, bbolt keeps the text of an error alone.
	for _, full := range noSpace {
		if !errors.Is(err, full) && strings.HasSuffix(err.Error(), full.Error()) {
			return errors.Join(err, full)
		}
	}
	return err
}

// nameless keeps an error of creating the file from being taken for one about the resource that a request is for, which is
// neither missing nor forbidden. What would be true of any file remains.
func nameless(err error) error {
	var inUse *InUseError
	if err == nil || full(err) || errors.Is(err, syscall.EROFS) || errors.As(err, &inUse) {
		return err
	}
	return errors.New(err.Error())
}

var noSpace = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// full reports whether err may be due to the size of what was to be written.
func full(err error) bool {
	for _, e := range noSpace {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
