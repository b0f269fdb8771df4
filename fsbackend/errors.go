package fsbackend

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"dav207/server/davpath"
)

// Cause unwraps the layers of an error that may contain paths of the host.
func Cause(err error) error {
	for {
		switch e := err.(type) {
		case *fs.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		default:
			return err
		}
	}
}

// ReadError returns err as the failure of an operation on an existing resource. A path through a
// file, a loop of links, and a name that the system cannot have are fs.ErrNotExist. nil stays nil,
// as with CreateError and RenameError, and io.EOF stays io.EOF.
func ReadError(op string, p davpath.Path, err error) error {
	switch err = Cause(err); err {
	case nil, io.EOF:
		return err
	case syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EILSEQ:
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: p.String(), Err: err}
}

// CreateError returns err as the failure of an operation that creates p.
func CreateError(op string, p davpath.Path, err error) error {
	switch err = Cause(err); err {
	case nil:
		return nil
	case syscall.ELOOP:
		err = fs.ErrPermission
	case syscall.EILSEQ:
		err = fs.ErrInvalid
	}
	return &fs.PathError{Op: op, Path: p.String(), Err: err}
}

// RenameError returns err as the failure of a rename.
func RenameError(from, to davpath.Path, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "rename", Old: from.String(), New: to.String(), Err: Cause(err)}
}
