package multistatus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"syscall"
)

// Error is an error with the status and the DAV:error that a client gets for it.
type Error struct {
	Status      int
	Condition   *Condition  // the body, or the DAV:error of a response; nil for none
	Description string      // human-readable; sent to the client
	Header      http.Header // for the response, if the status is that of the whole; nil for none
	Err         error       // the cause, for the log; never sent
}

// Error returns the text for the log, with the cause. Do not send it to clients.
func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Condition != nil {
		s += " (" + e.Condition.Name.Local + ")"
	}
	if e.Description != "" {
		s += ": " + e.Description
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// statuses maps the errors of file systems to statuses; the first match counts.
var statuses = []struct {
	err    error
	status int
}{
	{syscall.ENOSPC, http.StatusInsufficientStorage},
	{syscall.EDQUOT, http.StatusInsufficientStorage},
	{syscall.EFBIG, http.StatusRequestEntityTooLarge},
	{syscall.EROFS, http.StatusForbidden},
	{syscall.EBUSY, http.StatusForbidden},     // a mount point or a running program
	{syscall.EXDEV, http.StatusForbidden},     // a link, which no MOVE takes to another volume
	{syscall.ENOTEMPTY, http.StatusForbidden}, // a collection with members that are not served
	{syscall.ENAMETOOLONG, http.StatusRequestURITooLong},
	{syscall.ENOTDIR, http.StatusNotFound}, // a file has no members
	{syscall.EISDIR, http.StatusMethodNotAllowed},
	{syscall.ELOOP, http.StatusNotFound}, // a cycle of symbolic links
	{syscall.EMFILE, http.StatusServiceUnavailable},
	{syscall.ENFILE, http.StatusServiceUnavailable},
	{fs.ErrNotExist, http.StatusNotFound},
	{fs.ErrPermission, http.StatusForbidden},
	{fs.ErrInvalid, http.StatusBadRequest},
	{fs.ErrExist, http.StatusMethodNotAllowed},
	{errors.ErrUnsupported, http.StatusNotImplemented},
	{io.ErrUnexpectedEOF, http.StatusBadRequest}, // the request's body ended early
	{context.DeadlineExceeded, http.StatusServiceUnavailable},
	{context.Canceled, http.StatusBadRequest}, // the client closed its side of the connection
}

// StatusOf returns the status for err: that of an *Error in its chain, else the one for the io/fs
// or system error in it, else 500. For nil it returns 200.
func StatusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return AsError(err).Status
}

// AsError returns the *Error in err's chain. If there is none it returns a new one with the status
// that StatusOf documents and, for 507, the condition of RFC 4331 §6. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
		return &Error{Status: http.StatusRequestEntityTooLarge, Err: err}
	}
	e := &Error{Status: http.StatusInternalServerError, Err: err}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			e.Status = s.status
			break
		}
	}
	if isDiskFull(err) {
		e.Status = http.StatusInsufficientStorage
	}
	if e.Status == http.StatusInsufficientStorage {
		e.Condition = Precondition(SufficientDiskSpace)
		if errors.Is(err, syscall.EDQUOT) {
			e.Condition = Precondition(QuotaNotExceeded)
		}
	}
	return e
}

// Failure returns a Response with the status and the condition of err for the resource at href. err
// must not be nil.
func Failure(href string, err error) Response {
	e := AsError(err)
	return Response{Href: href, Status: e.Status, Error: e.Condition, Description: e.Description}
}
