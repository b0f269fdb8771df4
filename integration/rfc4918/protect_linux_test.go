package rfc4918

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// protect makes the removal of a file fail until the end of the test.
func protect(t *testing.T, name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		dir := filepath.Dir(name)
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o777) })
		return
	}
	const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		f.Close()
		t.Skip("this file system has no attributes: ", err)
	}
	t.Cleanup(func() {
		unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
		f.Close()
	})
}
