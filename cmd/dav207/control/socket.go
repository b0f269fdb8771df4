package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// socket is a Unix socket with the directory that holds it.
type socket struct {
	net.Listener
	dir  *os.Root
	name string
	made os.FileInfo // the socket itself, which may be replaced by something else
}

// errLink reports that the directory of a socket is a symbolic link, or not a directory.
var errLink = errors.New("is no directory, or a symbolic link, which is not followed")

// listen makes a socket that only this user can use. It replaces one that a killed process of this
// user has left.
func listen(path string) (_ *socket, err error) {
	dir, err := openDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	s := &socket{dir: dir, name: filepath.Base(path)}
	s.Listener, err = bind(dir, path)
	if inUse(err) && s.abandoned(path) && dir.Remove(s.name) == nil {
		s.Listener, err = bind(dir, path)
	}
	if inUse(err) {
		err = fmt.Errorf("%q exists, and is not left from a process of this user: %w", path, syscall.EADDRINUSE)
	}
	if err == nil {
		s.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
		if s.made, err = dir.Lstat(s.name); err != nil {
			s.Listener.Close()
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return s, nil
}

// inUse reports whether err says that something has the name of the socket.
func inUse(err error) bool {
	const wsaeaddrinuse = syscall.Errno(10048)
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, wsaeaddrinuse)
}

// openDir opens a directory that is no symbolic link itself.
func openDir(name string) (*os.Root, error) {
	before, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errLink}
	}
	dir, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := dir.Stat(".")
	if err == nil && !os.SameFile(before, opened) {
		err = &fs.PathError{Op: "open", Path: name, Err: errLink}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// abandoned reports whether the socket was made by this user, and no process listens on it.
func (s *socket) abandoned(path string) bool {
	info, err := s.dir.Lstat(s.name)
	if err != nil || info.Mode().Type() != fs.ModeSocket || !ours(info) {
		return false
	}
	conn, err := dial(path)
	if err == nil {
		conn.Close()
	}
	return refused(err)
}

// refused reports whether err says that no process listens on a socket.
func refused(err error) bool {
	const wsaeconnrefused = syscall.Errno(10061)
	return errors.Is(err, syscall.ECONNREFUSED) || runtime.GOOS == "windows" && errors.Is(err, wsaeconnrefused)
}

// remove removes the socket, unless something else has its name now.
func (s *socket) remove() error {
	defer s.dir.Close()
	now, err := s.dir.Lstat(s.name)
	if err != nil || !os.SameFile(s.made, now) {
		return nil
	}
	return s.dir.Remove(s.name)
}

// dialPath connects to the socket with that path, which must be none by way of a link.
func dialPath(path string) (net.Conn, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, &fs.PathError{Op: "dial", Path: path, Err: errNoSocket}
	}
	return net.Dial("unix", path)
}

var errNoSocket = errors.New("is not a socket")
