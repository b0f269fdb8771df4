//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package main

import (
	"errors"
	"os"
)

// echoOff does not know how to keep a terminal of this system from showing what is typed.
func echoOff(f *os.File) (restore func(), terminal bool, err error) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, false, nil
	}
	return nil, true, errors.New("this is not known for the system")
}
