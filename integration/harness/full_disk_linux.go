package harness

import (
	"syscall"
	"testing"
)

// MountSmall mounts a volume of the given size, such as "256k", until the end of the test.
func MountSmall(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a small volume: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}
