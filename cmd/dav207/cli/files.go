package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// RealDir returns name with the links in the path of its directory resolved: package control
// follows none.
func RealDir(name string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		return filepath.Join(dir, filepath.Base(name))
	}
	return name
}

// ReadFile reads a regular file. It does not open others: opening a pipe would block.
func ReadFile(name string) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file")
	}
	text, err := os.ReadFile(name)
	return text, info, err
}

// FileError returns an error that says what cannot be done with a file, and what to do about it.
func FileError(what, name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) && what == "write":
		return fmt.Errorf("there is no directory for %q: make it first", name)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %q", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to %s %q: change the permissions", what, name)
	}
	return fmt.Errorf("cannot %s %q: %w", what, name, Cause(err))
}

// Show returns the absolute path of a file for messages, quoted if it has characters that are not
// printable.
func Show(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if OneLine(dir) != dir {
		return fmt.Sprintf("%q", dir)
	}
	return dir
}

// Cause returns the innermost wrapped error. The errors of net and os around it repeat the address
// or the name.
func Cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
