//go:build !unix

package main

import "os"

// writable reports whether files can be made in a directory, as far as the system tells before one is.
func writable(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}
