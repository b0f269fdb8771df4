//go:build !unix

package control

import (
	"io/fs"
	"net"
	"os"
)

// bind makes the socket. Its permissions are those that its directory hands down.
func bind(_ *os.Root, path string) (net.Listener, error) { return net.Listen("unix", path) }

func dial(path string) (net.Conn, error) { return dialPath(path) }

// ours cannot know who made the file: the permissions of the directory have to do.
func ours(fs.FileInfo) bool { return true }
