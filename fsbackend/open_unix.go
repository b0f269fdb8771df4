//go:build unix

package fsbackend

import "syscall"

// openFlags keeps the opening of a FIFO or a terminal that was not there a moment ago from waiting or doing harm.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY
