//go:build !linux

package rfc4918

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// protect keeps a file from being removed until the test ends.
func protect(t *testing.T, name string) {
	t.Helper()
	dir := filepath.Dir(name)
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("nothing can be protected here")
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o777) })
}
