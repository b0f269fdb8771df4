package fsbackend

import (
	"io/fs"
	"os"
	"syscall"
)

// cause takes off the layers that hold paths of the host.
func cause(err error) error {
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

// reading returns err as the failure of an operation on what should exist. Where the way to it is no way, through a
// file, a loop of links or a name that the system cannot hold, it does not exist.
func reading(op, name string, err error) error {
	if err = cause(err); err == syscall.ENOTDIR || err == syscall.ELOOP || err == syscall.ENAMETOOLONG || err == syscall.EILSEQ {
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// creating returns err as the failure of an operation that makes something new at name.
func creating(op, name string, err error) error {
	switch err = cause(err); err {
	case syscall.ELOOP:
		err = fs.ErrPermission
	case syscall.EILSEQ:
		err = fs.ErrInvalid
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// renaming is the error of a rename with the names the caller used.
func renaming(oldName, newName string, err error) error {
	return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: cause(err)}
}
