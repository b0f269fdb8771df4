//go:build unix

package health

import (
	"os"

	"golang.org/x/sys/unix"
)

// access asks the system whether files can be created in a directory.
func access(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}
