package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind makes the socket in dir by way of /proc, so that its path can be longer than 107 bytes, and
// no directory can be exchanged on the way. Without /proc, as in a chroot, it uses the path.
func bind(dir *os.Root, path string) (net.Listener, error) {
	handle, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	// On Linux a socket gets the mode of its handle when it is bound, so at no time can others
	// connect to it.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var mode error
		err := c.Control(func(fd uintptr) { mode = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, mode)
	}}
	ln, err := config.Listen(context.Background(), "unix", fmt.Sprintf("/proc/self/fd/%d/%s", handle.Fd(), filepath.Base(path)))
	if errors.Is(err, fs.ErrNotExist) {
		ln, err = config.Listen(context.Background(), "unix", path)
	}
	return ln, err
}

// dial connects to a socket by way of /proc, for the reasons of bind.
func dial(path string) (net.Conn, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "dial", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, &fs.PathError{Op: "dial", Path: path, Err: errNoSocket}
	}
	conn, err := net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	if errors.Is(err, fs.ErrNotExist) {
		return dialPath(path)
	}
	return conn, err
}
