//go:build unix

package serve

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// socketDir returns a directory with a short name: the path of a socket has about 100 bytes at
// most.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "dav")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestListenUnix replaces nothing but a socket without a process.
func TestListenUnix(t *testing.T) {
	dir := socketDir(t)
	left := filepath.Join(dir, "left")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	killed.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		left:                         "",
		file:                         "is in use",
		filepath.Join(dir, "a", "b"): "cannot listen on the socket",
	} {
		ln, err := Listen(t.Context(), "unix:"+name)
		if err == nil {
			ln.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "x" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}
