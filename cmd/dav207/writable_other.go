//go:build !unix

package main

import "os"

// writable reports whether files can be created in a directory, without creating one. Here that is
// a guess.
func writable(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}
