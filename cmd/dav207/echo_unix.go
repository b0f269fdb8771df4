//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// echoOff keeps a terminal from showing what is typed, until restore is called. What is no terminal stays as it is.
func echoOff(f *os.File) (restore func(), terminal bool, err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, false, nil
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTermios, &quiet); err != nil {
		return nil, true, err
	}
	return func() { unix.IoctlSetTermios(fd, setTermios, old) }, true, nil
}
