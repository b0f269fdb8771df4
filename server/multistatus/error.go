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

// Error is a failure that knows how to appear on the wire, made where the reason is known.
type Error struct {
	Status      int
	Condition   *Condition // the body, or the DAV:error of a response; nil for none
	Description string     // for people; sent to the client
	Err         error      // the cause; for the log, never sent
}

// Error describes the failure for the log.
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

// statuses maps what file systems answer; the first match counts.
var statuses = []struct {
	err    error
	status int
}{
	{syscall.ENOSPC, http.StatusInsufficientStorage},
	{syscall.EDQUOT, http.StatusInsufficientStorage},
	{syscall.EFBIG, http.StatusRequestEntityTooLarge},
	{syscall.EROFS, http.StatusForbidden},
	{syscall.EBUSY, http.StatusForbidden},     // a mount point, a running program: not now and not for this client
	{syscall.ENOTEMPTY, http.StatusForbidden}, // a collection that holds what is not served
	{syscall.ENAMETOOLONG, http.StatusRequestURITooLong},
	{syscall.ENOTDIR, http.StatusNotFound}, // a file has no members
	{syscall.EISDIR, http.StatusMethodNotAllowed},
	{syscall.ELOOP, http.StatusNotFound}, // links that lead nowhere
	{syscall.EMFILE, http.StatusServiceUnavailable},
	{syscall.ENFILE, http.StatusServiceUnavailable},
	{fs.ErrNotExist, http.StatusNotFound},
	{fs.ErrPermission, http.StatusForbidden},
	{fs.ErrInvalid, http.StatusBadRequest},
	{fs.ErrExist, http.StatusMethodNotAllowed},
	{errors.ErrUnsupported, http.StatusNotImplemented},
	{io.ErrUnexpectedEOF, http.StatusBadRequest}, // the request's body ended early
	{context.DeadlineExceeded, http.StatusServiceUnavailable},
	{context.Canceled, http.StatusBadRequest}, // the client is gone, or has ended its side of the connection
}

// StatusOf returns the status that tells the truth about err: that of an *Error in its chain, else what the errors of
// io/fs and of the operating system mean to a client, else 500. For nil it is 200.
func StatusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return AsError(err).Status
}

// AsError returns the *Error in err's chain, or makes one with the status that StatusOf describes and, where space ran out,
// the condition of RFC 4331 §6. It returns nil for nil.
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
	if fullVolume(err) {
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

// Failure returns the Response that says that the resource at href failed with err: the (href, status) form, the
// condition kept.
func Failure(href string, err error) Response {
	e := AsError(err)
	return Response{Href: href, Status: e.Status, Error: e.Condition, Description: e.Description}
}
