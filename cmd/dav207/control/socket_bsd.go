//go:build unix && !linux

package control

import (
	"net"
	"os"
	"syscall"
)

// bind makes the socket. Here only the mask of the process decides its mode when it is bound.
func bind(_ *os.Root, path string) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o177))
	return net.Listen("unix", path)
}

func dial(path string) (net.Conn, error) { return dialPath(path) }
