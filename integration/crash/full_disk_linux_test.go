package crash

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// On a disk that is really full all existing files stay, with their entity tags, and every file
// that did not fit has a 507 (RFC 4331 §6, RFC 4918 §9.8.3).
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	harness.MountSmall(t, dir, "256k")
	s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
	s.Want(201, "PUT", "/old", "old")
	s.Want(201, "MKCOL", "/c", "")
	s.Want(201, "PUT", "/c/big", strings.Repeat("b", 100<<10))
	s.Want(201, "PUT", "/c/small", "small")
	etag, before := s.ETag("/old"), s.Tree("/")
	const full = "507 sufficient-disk-space()"
	large := strings.Repeat("x", 200<<10)
	if got := harness.OneLine(t, s.Do("PUT", "/old", large)); got != full {
		t.Errorf("PUT = %s, want %s", got, full)
	}
	body, feed := io.Pipe() // without a Content-Length
	go func() {
		io.WriteString(feed, large)
		feed.Close()
	}()
	if a, err := s.Try("PUT", "/old", body); err != nil || harness.OneLine(t, a) != full {
		t.Errorf("PUT without a length = %v, %v, want %s", a.Status, err, full)
	}
	s.Want(201, "PUT", "/filler", strings.Repeat("f", 100<<10))
	before = append(before, "/filler")
	slices.Sort(before)
	if got := harness.OneLine(t, s.Do("COPY", "/c/big", "", "Destination", "dest:/old")); got != full {
		t.Errorf("COPY = %s, want %s", got, full)
	}
	if got, want := harness.OneLine(t, s.Do("COPY", "/c/", "", "Destination", "dest:/copy/")), "207 /copy/big=507 sufficient-disk-space"; got != want {
		t.Errorf("COPY of the collection = %s, want %s", got, want)
	}
	if got := s.Want(200, "GET", "/copy/small", "").Body; got != "small" {
		t.Errorf("the content of the file that did fit = %q", got)
	}
	s.Want(204, "DELETE", "/copy/", "")
	if a := s.Want(200, "GET", "/old", ""); a.Body != "old" || a.Header.Get("ETag") != etag {
		t.Errorf("/old = %.20q with the tag %s, want the old content with %s", a.Body, a.Header.Get("ETag"), etag)
	}
	if got := s.Tree("/"); !slices.Equal(got, before) {
		t.Errorf("tree = %q, want %q", got, before)
	}
	harness.NoTemps(t, dir)
}

// MOVE to another volume that is full changes neither the source nor the destination (RFC 4918
// §9.9.4).
func TestMoveToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o777); err != nil {
		t.Fatal(err)
	}
	harness.MountSmall(t, filepath.Join(dir, "m"), "64k")
	s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
	large := strings.Repeat("x", 100<<10)
	s.Want(201, "PUT", "/big", large)
	s.Want(201, "MKCOL", "/c", "")
	s.Want(201, "PUT", "/c/big", large)
	s.Want(201, "PUT", "/c/small", "small")
	s.Want(201, "PUT", "/m/old", "old")
	for _, dst := range []string{"/m/old", "/m/new"} {
		if got, want := harness.OneLine(t, s.Do("MOVE", "/big", "", "Destination", "dest:"+dst)), "507 sufficient-disk-space()"; got != want {
			t.Errorf("MOVE to %s = %s, want %s", dst, got, want)
		}
	}
	if got, want := harness.OneLine(t, s.Do("MOVE", "/c/", "", "Destination", "dest:/m/c/")), "207 /m/c/big=507 sufficient-disk-space"; got != want {
		t.Errorf("MOVE of the collection = %s, want %s", got, want)
	}
	for name, want := range map[string]string{"/big": large, "/c/big": large, "/m/c/small": "small", "/m/old": "old"} {
		if got := s.Want(200, "GET", name, "").Body; got != want {
			t.Errorf("%s holds %.20q (%d bytes), want %.20q", name, got, len(got), want)
		}
	}
	if got, want := s.Tree("/"), []string{"/", "/big", "/c/", "/c/big", "/m/", "/m/c/", "/m/c/small", "/m/old"}; !slices.Equal(got, want) {
		t.Errorf("tree = %q, want %q", got, want)
	}
	harness.NoTemps(t, dir)
}

// A chunked upload shows that it does not fit only after the 100 (Continue). It must still be
// answered, each time.
func TestUploadToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	harness.MountSmall(t, dir, "256k")
	s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
	file, _ := harness.Upload(t, 4<<20)
	for range 30 {
		status, _, body, trace := s.Curl("/f", "--upload-file", file, "--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue")
		if status != 507 || !strings.Contains(body, "sufficient-disk-space") {
			t.Fatalf("PUT = %d %s, want 507\n%s", status, body, trace)
		}
	}
	harness.NoTemps(t, dir)
}
