package health

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writable writes a block to a file that has no name, so that the directory does not change and
// nothing is left if the process is killed.
func writable(dir string) error {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_WRONLY, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) { // such as NFS
		return access(dir)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(make([]byte, 4096))
	return err
}
