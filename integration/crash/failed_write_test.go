package crash

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

// A PUT or COPY that fails at any step keeps the old content with its entity tag, creates no
// resource and leaves no visible temp file. A full disk is answered with 507 (RFC 4918 §9.7, §9.8,
// §11.5, RFC 4331 §6).
func TestFailedWrite(t *testing.T) {
	var below *harness.PlainFaults
	kinds := append(slices.Clone(harness.Backends),
		harness.Backend{Name: "webdav.Dir", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.TempDir()
			return fsbackend.FromWebDAV(webdav.Dir(dir)), dir
		}},
		harness.Backend{Name: "below FromWebDAV", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.TempDir()
			below = &harness.PlainFaults{FileSystem: webdav.Dir(dir)}
			return fsbackend.FromWebDAV(below), dir
		}})
	content := strings.Repeat("new content ", 20_000)
	for _, tt := range []struct {
		what  string
		op    faultfs.Op
		below string // the operation that fails below FromWebDAV
		name  string // what it fails for; "" for all
		err   error
		after int
		copy  string // the answer to COPY; "" if it does not use the operation that fails
		put   string
	}{
		{"no room for the file", faultfs.Create, "create", "", syscall.ENOSPC, 0, "507 sufficient-disk-space()", "507 sufficient-disk-space()"},
		{"no room for any of it", faultfs.Write, "write", "", syscall.ENOSPC, 0, "507 sufficient-disk-space()", "507 sufficient-disk-space()"},
		{"over quota after some of it", faultfs.Write, "write", "", syscall.EDQUOT, 1, "", "507 quota-not-exceeded()"},
		{"the disk breaks", faultfs.Write, "write", "", syscall.EIO, 0, "500", "500"},
		{"it cannot take its place", faultfs.Commit, "rename", "", syscall.EIO, 0, "500", "500"},
		{"no room when it is closed", faultfs.Commit, "close", "", syscall.ENOSPC, 0, "507 sufficient-disk-space()", "507 sufficient-disk-space()"},
		{"the source cannot be read", faultfs.Read, "read", "/src", syscall.EIO, 0, "500", ""},
		{"the source may not be opened", faultfs.Open, "open", "/src", syscall.EACCES, 0, "403", ""},
	} {
		for _, b := range kinds {
			t.Run(harness.NoSlash(tt.what+" "+b.Name), func(t *testing.T) {
				below = nil
				inner, dir := b.Open(t)
				files := faultfs.New(inner)
				s := harness.Serve(t, files, nil)
				s.Want(201, "PUT", "/src", content)
				s.Want(201, "PUT", "/old", "old")
				etag := s.ETag("/old")
				before := s.Tree("/")
				if below != nil {
					var calls atomic.Int64
					below.SetFail(func(op, name string) error {
						if op == tt.below && (tt.name == "" || tt.name == name) && calls.Add(1) > int64(tt.after) {
							return tt.err
						}
						return nil
					})
				} else {
					files.Fail(tt.op, cmp.Or(tt.name, "/**"), tt.err).After(tt.after)
				}
				for _, name := range []string{"/old", "/fresh"} {
					if tt.put != "" {
						if got := harness.OneLine(t, s.Do("PUT", name, content)); got != tt.put {
							t.Errorf("PUT %s = %s, want %s", name, got, tt.put)
						}
					}
					if tt.copy != "" {
						if got := harness.OneLine(t, s.Do("COPY", "/src", "", "Destination", "dest:"+name)); got != tt.copy {
							t.Errorf("COPY to %s = %s, want %s", name, got, tt.copy)
						}
					}
				}
				files.Reset()
				if below != nil {
					below.SetFail(nil)
				}
				if a := s.Want(200, "GET", "/old", ""); a.Body != "old" || a.Header.Get("ETag") != etag {
					t.Errorf("/old = %.20q with the tag %s, want the old content with %s", a.Body, a.Header.Get("ETag"), etag)
				}
				if got := s.Tree("/"); !slices.Equal(got, before) {
					t.Errorf("tree = %q, want %q", got, before)
				}
				harness.NoTemps(t, dir)
			})
		}
	}
}

// An error while the engine reads the source of a COPY must not be taken for the end of the file.
func TestCopyOfTruncatedSource(t *testing.T) {
	dir := t.TempDir()
	files := &harness.PlainFaults{FileSystem: webdav.Dir(dir)}
	s := harness.Serve(t, fsbackend.FromWebDAV(files), nil)
	s.Want(201, "PUT", "/src", strings.Repeat("x", 1<<20))
	s.Want(201, "PUT", "/old", "old")
	var reads atomic.Int64
	files.SetFail(func(op, name string) error {
		if op == "read" && name == "/src" && reads.Add(1) > 3 {
			return syscall.EIO
		}
		return nil
	})
	if got := harness.OneLine(t, s.Do("COPY", "/src", "", "Destination", "dest:/old")); got != "500" {
		t.Errorf("COPY = %s, want 500", got)
	}
	if got := s.Want(200, "GET", "/old", "").Body; got != "old" {
		t.Errorf("/old = %.20q", got)
	}
	harness.NoTemps(t, dir)
}

// A PUT through a link within the tree replaces the target of the link. The link and the mode of
// the file stay.
func TestPutThroughLink(t *testing.T) {
	s, dir := harness.ServeDir(t, nil, "/d/f", "/src", "/l -> d/f", "/d/new -> ../fresh")
	target := filepath.Join(dir, "d", "f")
	if err := os.Chmod(target, 0o640); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what, want string) {
		t.Helper()
		got, err := os.ReadFile(target)
		if to, linkErr := os.Readlink(filepath.Join(dir, "l")); to != filepath.FromSlash("d/f") || linkErr != nil || err != nil || string(got) != want {
			t.Errorf("after %s the link is %q, %v, and the file holds %q, %v, want %q", what, to, linkErr, got, err, want)
		}
		if now, err := os.Stat(target); err != nil || now.Mode() != fi.Mode() {
			t.Errorf("after %s the mode is %v, %v, want %v", what, now.Mode(), err, fi.Mode())
		}
	}
	s.Want(204, "PUT", "/l", "put")
	check("PUT", "put")
	// COPY replaces the resource at the destination, whose mode is then that of the source
	// (§9.8.4).
	s.Want(204, "PUT", "/d/f", "again")
	check("PUT to the file", "again")
	if got := s.Do("PUT", "/d/new", "x").Status; got != 403 {
		t.Errorf("PUT through a broken link = %d, want 403", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, "fresh")); err == nil {
		t.Error("PUT through a broken link created a file")
	}
	harness.NoTemps(t, dir)
}
