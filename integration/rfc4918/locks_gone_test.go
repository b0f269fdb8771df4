package rfc4918

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
)

// A lock ends with its resource, also if that was removed outside of the server. Otherwise the
// server would require a token that no client can submit, because the URL is unmapped (RFC 4918
// §6.1, §10.4.4).
func TestLockOfRemovedFile(t *testing.T) {
	for _, tt := range []struct {
		method string
		status int
		header []string
		body   string
	}{
		{"PUT", 201, nil, "x"},
		{"LOCK", 201, nil, harness.ExclusiveLock},
		{"MKCOL", 201, nil, ""},
		{"MOVE", 201, []string{"Destination", "/f"}, ""},
		{"COPY", 201, []string{"Destination", "/f"}, ""},
	} {
		dir := t.TempDir()
		s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
		s.Want(201, "PUT", "/f", "x")
		s.Want(201, "PUT", "/other", "x")
		s.Lock("/f", "0")
		if err := os.Remove(filepath.Join(dir, "f")); err != nil {
			t.Fatal(err)
		}
		name := "/f"
		if tt.header != nil {
			name = "/other"
		}
		if a := s.Do(tt.method, name, tt.body, tt.header...); a.Status != tt.status {
			t.Errorf("%s after the locked file was removed = %d, want %d: %s", tt.method, a.Status, tt.status, a.Body)
		}
	}
}

// DAV:supportedlock has no entry if every LOCK is refused (RFC 4918 §15.10), so that clients open
// the file for reading only.
func TestSupportedLockOfReadOnly(t *testing.T) {
	const ask = `<propfind xmlns="DAV:"><prop><supportedlock/></prop></propfind>`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for readOnly, want := range map[bool]bool{false: true, true: false} {
		s := harness.Serve(t, harness.DiskTree(t, dir, nil), &server.Options{ReadOnly: readOnly})
		if got := strings.Contains(s.Want(207, "PROPFIND", "/f", ask, "Depth", "0").Body, "lockentry"); got != want {
			t.Errorf("read-only %v: supportedlock has an entry: %v, want %v", readOnly, got, want)
		}
	}
}
