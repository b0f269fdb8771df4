package boltprops

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"dav207/server/multistatus"
)

// ErrClosed is returned by all calls of a closed Store. It wraps fs.ErrClosed.
var ErrClosed = fmt.Errorf("state: %w", fs.ErrClosed)

// InUseError reports that another process has the file open.
type InUseError struct{ File string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("state %s is in use by another process, which may be a server of the same files", e.File)
}

// As makes the error a *multistatus.Error with status 503: clients may try again when the other
// process has ended.
func (e *InUseError) As(target any) bool {
	answer, ok := target.(**multistatus.Error)
	if ok {
		*answer = &multistatus.Error{Status: http.StatusServiceUnavailable, Err: e, Description: "Another server has these files."}
	}
	return ok
}

// DamagedError reports that the file, or an entry of it, is not as it was written.
type DamagedError struct {
	File string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("state %s is damaged (%v): put back a copy of it, or move it away to go on without the properties and locks in it", e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// errDamaged is wrapped by all errors about damage. translate makes them a DamagedError.
var errDamaged = errors.New("not as it was written")

// translate turns an error of bbolt into one that callers of the package can check.
func (s *Store) translate(err error) error {
	if err == nil {
		return nil
	}
	switch {
	case errors.As(err, new(*DamagedError)):
		return err
	case errors.Is(err, errDamaged):
		return &DamagedError{s.file, err}
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	// If bbolt fails to grow the file, its error has the text of the cause but does not wrap it.
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if !errors.Is(err, full) && strings.HasSuffix(err.Error(), full.Error()) {
			return errors.Join(err, full)
		}
	}
	return err
}

// createError turns an error of creating the file into one that wraps neither fs.ErrNotExist nor
// fs.ErrPermission: these would be taken for errors about the resource of the request. Errors that
// do not depend on the file stay.
func createError(err error) error {
	switch multistatus.StatusOf(err) {
	case http.StatusOK, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return err
	}
	if errors.Is(err, syscall.EROFS) {
		return err
	}
	return errors.New(err.Error())
}
