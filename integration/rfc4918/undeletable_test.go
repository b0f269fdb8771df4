package rfc4918

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

// If the file system reports beforehand that a member of the destination cannot be removed, COPY
// and MOVE of a collection over it change neither the destination nor the source (RFC 4918 §9.8.4,
// §9.9.3).
func TestOverwriteKnownUndeletable(t *testing.T) {
	before := []string{"/", "/c/", "/c/1", "/c/d/", "/c/d/2", "/f", "/t/", "/t/a", "/t/d/", "/t/d/b", "/t/d/stays", "/t/z"}
	for _, tt := range []struct {
		rule, method, src string
		across            bool // renames out of the source fail
		stays             string
		want              string
		left              []string // nil for the tree before
	}{
		{"MOVE of a file", "MOVE", "/f", false, "/t/d/stays", "207 /t/d/stays=403", nil},
		{"MOVE of a file across file systems", "MOVE", "/f", true, "/t/d/stays", "207 /t/d/stays=403", nil},
		{"MOVE of a collection", "MOVE", "/c/", false, "/t/d/stays", "207 /t/d/stays=403", nil},
		{"MOVE of a collection, a collection stays", "MOVE", "/c/", false, "/t/d", "207 /t/d/=403", nil},
		{"COPY of a file", "COPY", "/f", false, "/t/d/stays", "207 /t/d/stays=403", nil},
		{"all that stays is answers", "COPY", "/f", false, "/t/d/*", "207 /t/d/b=403 /t/d/stays=403", nil},
		{"COPY of a collection replaces member by member", "COPY", "/c/", false, "/t/d/stays", "207 /t/d/stays=403",
			[]string{"/", "/c/", "/c/1", "/c/d/", "/c/d/2", "/f", "/t/", "/t/1", "/t/d/", "/t/d/2", "/t/d/stays"}},
		{"MOVE of a collection across file systems", "MOVE", "/c/", true, "/t/d/stays", "207 /t/d/stays=403", nil},
	} {
		for _, b := range harness.Backends {
			t.Run(harness.NoSlash(tt.rule+" "+b.Name), func(t *testing.T) {
				inner, dir := b.Open(t)
				files := faultfs.New(inner)
				s := harness.Serve(t, files, nil)
				for _, name := range before[1:] {
					if strings.HasSuffix(name, "/") {
						s.Want(201, "MKCOL", name, "")
					} else {
						s.Want(201, "PUT", name, "content of "+name)
					}
				}
				s.Want(207, "PROPPATCH", "/t/a", harness.SetMark)
				etag := s.ETag("/t/a")
				files.Fail(faultfs.Undeletable, tt.stays, syscall.EACCES)
				files.Fail(faultfs.Remove, tt.stays, syscall.EACCES)
				if tt.across {
					files.Fail(faultfs.Rename, tt.src, syscall.EXDEV)
					files.Fail(faultfs.Rename, path.Join(tt.src, "**"), syscall.EXDEV)
				}
				if got := harness.OneLine(t, s.Do(tt.method, tt.src, "", "Destination", "dest:/t")); got != tt.want {
					t.Errorf("%s %s = %s, want %s", tt.method, tt.src, got, tt.want)
				}
				want := tt.left
				if want == nil {
					want = before
					if got := s.ETag("/t/a"); got != etag {
						t.Errorf("the entity tag of /t/a is %s, want %s", got, etag)
					}
					if got := s.Want(200, "GET", "/t/z", "").Body; got != "content of /t/z" {
						t.Errorf("/t/z = %q", got)
					}
				}
				if got := s.Tree("/"); !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q", got, want)
				}
				harness.NoTemps(t, dir)
			})
		}
	}
}

// The disk reports such members itself. As root the test uses an immutable file, otherwise a
// directory without write permission.
func TestOverwriteUndeletableOnDisk(t *testing.T) {
	s, dir := harness.ServeDir(t, nil, "/f", "/c/1", "/t/a", "/t/d/stays", "/t/z")
	protect(t, filepath.Join(dir, "t", "d", "stays"))
	before := harness.ListDir(t, dir)
	for _, tt := range [][2]string{{"COPY", "/f"}, {"MOVE", "/f"}, {"MOVE", "/c/"}} {
		if got, want := harness.OneLine(t, s.Do(tt[0], tt[1], "", "Destination", "dest:/t")), "207 /t/d/stays=403"; got != want {
			t.Errorf("%s %s = %s, want %s", tt[0], tt[1], got, want)
		}
		if got := harness.ListDir(t, dir); got != before {
			t.Errorf("tree after %s %s = %s, want %s", tt[0], tt[1], got, before)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "t", "a")); string(b) != "/t/a" || err != nil {
		t.Errorf("/t/a = %q, %v", b, err)
	}
}
