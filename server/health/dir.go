package health

import (
	"context"
	"errors"
	"io"
	"os"
)

// Dir returns a check of a directory: it is still the one of the call of Dir, and can be read and,
// if write is set, written to. It leaves nothing behind. Where the system has no files without a
// name (O_TMPFILE) it asks only for permission to write.
func Dir(name string, write bool) func(context.Context) error {
	first, firstErr := os.Stat(name)
	return func(context.Context) error {
		if firstErr != nil {
			return firstErr
		}
		d, err := os.Open(name)
		if err != nil {
			return err
		}
		defer d.Close()
		now, err := d.Stat()
		if err == nil && !os.SameFile(first, now) {
			return &Error{"another directory has its name", errors.New(name)}
		}
		if err == nil {
			_, err = d.Readdirnames(1)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if write {
			return writable(name)
		}
		return nil
	}
}
