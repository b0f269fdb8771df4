package server

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
)

// A file whose time is still to come is shown with the time of its last change. That date stays
// its validator when its time has come, since nothing has changed (RFC 9110 §13.1.3, §13.1.4).
func TestConditionsAfterFutureTime(t *testing.T) {
	dir := t.TempDir()
	files, err := disk.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	h := New(fsbackend.New(files), nil)
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, []byte("1"), 0o666); err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Truncate(time.Second).Add(3 * time.Second)
	if err := os.Chtimes(name, soon, soon); err != nil {
		t.Fatal(err)
	}
	given := do(h, "HEAD", "/f", "").Header.Get("Last-Modified")
	time.Sleep(time.Until(soon) + 10*time.Millisecond)
	if last := do(h, "HEAD", "/f", "").Header.Get("Last-Modified"); last == given {
		t.Fatalf("Last-Modified is still %s", last)
	}
	if res := do(h, "GET", "/f", "", "If-Modified-Since", given); res.StatusCode != http.StatusNotModified {
		t.Errorf("GET with the date given before = %s", res.Status)
	}
	if res := do(h, "PUT", "/f", "2", "If-Unmodified-Since", given); res.StatusCode != http.StatusNoContent {
		t.Errorf("PUT with the date given before = %s", res.Status)
	}
	time.Sleep(time.Second)
	if res := do(h, "PUT", "/f", "3", "If-Unmodified-Since", given); res.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("PUT with that date after a change = %s", res.Status)
	}
}
