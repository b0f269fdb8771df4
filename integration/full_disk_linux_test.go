package integration

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// small mounts a volume of that size, such as "256k", until the test ends.
func small(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a small volume: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// A disk that is really full: everything that there was is there, under its entity tag, and what did not fit is told of
// (RFC 4331 §6, RFC 4918 §9.8.3).
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, "256k")
	s := serve(t, diskTree(t, dir), nil)
	s.want(201, "PUT", "/old", "old")
	s.want(201, "MKCOL", "/c", "")
	s.want(201, "PUT", "/c/big", strings.Repeat("b", 100<<10))
	s.want(201, "PUT", "/c/small", "small")
	etag, before := s.etag("/old"), s.tree("/")
	const full = "507 sufficient-disk-space()"
	large := strings.Repeat("x", 200<<10)
	if got := says(t, s.do("PUT", "/old", large)); got != full {
		t.Errorf("PUT = %s, want %s", got, full)
	}
	body, feed := io.Pipe() // of a length that nobody knows
	go func() {
		io.WriteString(feed, large)
		feed.Close()
	}()
	if a, err := s.try("PUT", "/old", body); err != nil || says(t, a) != full {
		t.Errorf("PUT without a length = %v, %v, want %s", a.Status, err, full)
	}
	s.want(201, "PUT", "/filler", strings.Repeat("f", 100<<10))
	before = append(before, "/filler")
	slices.Sort(before)
	if got := says(t, s.do("COPY", "/c/big", "", "Destination", "dest:/old")); got != full {
		t.Errorf("COPY = %s, want %s", got, full)
	}
	if got, want := says(t, s.do("COPY", "/c/", "", "Destination", "dest:/copy/")), "207 /copy/big=507 sufficient-disk-space"; got != want {
		t.Errorf("COPY of the collection = %s, want %s", got, want)
	}
	if got := s.want(200, "GET", "/copy/small", "").Body; got != "small" {
		t.Errorf("what did fit holds %q", got)
	}
	s.want(204, "DELETE", "/copy/", "")
	if a := s.want(200, "GET", "/old", ""); a.Body != "old" || a.Header.Get("ETag") != etag {
		t.Errorf("/old = %.20q with the tag %s, want the old content with %s", a.Body, a.Header.Get("ETag"), etag)
	}
	if got := s.tree("/"); !slices.Equal(got, before) {
		t.Errorf("there is %q, want %q", got, before)
	}
	noAsides(t, dir)
}

// MOVE to another volume that is full takes nothing from where it is, and nothing from what it was to replace (RFC 4918 §9.9.4).
func TestMoveToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o777); err != nil {
		t.Fatal(err)
	}
	small(t, filepath.Join(dir, "m"), "64k")
	s := serve(t, diskTree(t, dir), nil)
	large := strings.Repeat("x", 100<<10)
	s.want(201, "PUT", "/big", large)
	s.want(201, "MKCOL", "/c", "")
	s.want(201, "PUT", "/c/big", large)
	s.want(201, "PUT", "/c/small", "small")
	s.want(201, "PUT", "/m/old", "old")
	for _, dst := range []string{"/m/old", "/m/new"} {
		if got, want := says(t, s.do("MOVE", "/big", "", "Destination", "dest:"+dst)), "507 sufficient-disk-space()"; got != want {
			t.Errorf("MOVE to %s = %s, want %s", dst, got, want)
		}
	}
	if got, want := says(t, s.do("MOVE", "/c/", "", "Destination", "dest:/m/c/")), "207 /m/c/big=507 sufficient-disk-space"; got != want {
		t.Errorf("MOVE of the collection = %s, want %s", got, want)
	}
	for name, want := range map[string]string{"/big": large, "/c/big": large, "/m/c/small": "small", "/m/old": "old"} {
		if got := s.want(200, "GET", name, "").Body; got != want {
			t.Errorf("%s holds %.20q (%d bytes), want %.20q", name, got, len(got), want)
		}
	}
	if got, want := s.tree("/"), []string{"/", "/big", "/c/", "/c/big", "/m/", "/m/c/", "/m/c/small", "/m/old"}; !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	noAsides(t, dir)
}

// A chunked upload that does not fit is found to be too large only after the client was told to send it: it is answered all the
// same, each time.
func TestUploadToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	small(t, dir, "256k")
	s := serve(t, diskTree(t, dir), nil)
	file, _ := upload(t, 4<<20)
	for range 30 {
		status, _, body, trace := s.curl("/f", "--upload-file", file, "--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue")
		if status != 507 || !strings.Contains(body, "sufficient-disk-space") {
			t.Fatalf("PUT = %d %s, want 507\n%s", status, body, trace)
		}
	}
	noAsides(t, dir)
}
