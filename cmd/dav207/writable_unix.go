//go:build unix

package main

import "golang.org/x/sys/unix"

// writable reports whether files can be made in a directory, as far as the system tells before one is.
func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
