//go:build !linux

package rfc4918

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// protect makes the removal of a file fail until the end of the test.
func protect(t *testing.T, name string) {
	t.Helper()
	dir := filepath.Dir(name)
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("root can remove every file on this system")
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o777) })
}
