package crash

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

// A PUT or COPY that fails at any step keeps the old content with its entity tag, creates no
// resource and leaves no visible temp file. A full disk is answered with 507 (RFC 4918 §9.7, §9.8,
// §11.5, RFC 4331 §6).
func TestFailedWrite(t *testing.T) {
	kinds := append(slices.Clone(harness.Backends), harness.Backend{Name: "webdav.Dir", Open: func(t testing.TB) (webdav.FileSystem, string) {
		dir := t.(*testing.T).TempDir()
		return webdav.Dir(dir), dir // can neither stage nor copy a file itself
	}})
	content := strings.Repeat("new content ", 20_000)
	for _, tt := range []struct {
		what  string
		fail  func(*faultfs.FS)
		copy  string // the answer to COPY; "" if it does not use the operation that fails
		put   string
		plain bool // the file system must stage files itself for this to happen
	}{
		{"no room for the file", func(f *faultfs.FS) { f.Fail(faultfs.Create, "/**", syscall.ENOSPC) }, "507 sufficient-disk-space()", "507 sufficient-disk-space()", false},
		{"no room for any of it", func(f *faultfs.FS) { f.Fail(faultfs.Write, "/**", syscall.ENOSPC) }, "507 sufficient-disk-space()", "507 sufficient-disk-space()", false},
		{"over quota after some of it", func(f *faultfs.FS) { f.Fail(faultfs.Write, "/**", syscall.EDQUOT).After(1) }, "", "507 quota-not-exceeded()", false},
		{"the disk breaks", func(f *faultfs.FS) { f.Fail(faultfs.Write, "/**", syscall.EIO) }, "500", "500", false},
		{"it cannot take its place", func(f *faultfs.FS) {
			f.Fail(faultfs.Commit, "/**", syscall.EIO)
			f.Fail(faultfs.Rename, "/**", syscall.EIO)
		}, "500", "500", false},
		{"no room when it is closed", func(f *faultfs.FS) { f.Fail(faultfs.Commit, "/**", syscall.ENOSPC) },
			"507 sufficient-disk-space()", "507 sufficient-disk-space()", true},
		{"the source cannot be read", func(f *faultfs.FS) { f.Fail(faultfs.Read, "/src", syscall.EIO) }, "500", "", false},
		{"the source may not be opened", func(f *faultfs.FS) { f.Fail(faultfs.Open, "/src", syscall.EACCES) }, "403", "", false},
	} {
		for _, b := range kinds {
			if tt.plain && b.Name == "webdav.Dir" {
				continue
			}
			t.Run(harness.NoSlash(tt.what+" "+b.Name), func(t *testing.T) {
				inner, dir := b.Open(t)
				files := faultfs.New(inner)
				s := harness.Serve(t, files, nil)
				s.Want(201, "PUT", "/src", content)
				s.Want(201, "PUT", "/old", "old")
				etag := s.ETag("/old")
				before := s.Tree("/")
				tt.fail(files)
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
	files := faultfs.New(webdav.Dir(dir))
	s := harness.Serve(t, files, nil)
	s.Want(201, "PUT", "/src", strings.Repeat("x", 1<<20))
	s.Want(201, "PUT", "/old", "old")
	files.Fail(faultfs.Read, "/src", syscall.EIO).After(3)
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
