//go:build !unix

package cli

import (
	"os"
)

// sameOwner does nothing: new files inherit the permissions of their directory.
func sameOwner(*os.File, os.FileInfo) error { return nil }

// Writable reports whether files can be created in a directory, without creating one. Here that is
// a guess.
func Writable(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}
