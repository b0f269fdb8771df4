package rfc4918

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
)

// chain creates n nested collections and returns the name of the innermost.
func chain(t *testing.T, files fsbackend.Backend, name, segment string, n int) string {
	t.Helper()
	for i := 0; ; i++ {
		harness.Mkdir(t, files, name)
		if i == n {
			return name
		}
		name += "/" + segment
	}
}

// MOVE must not create a resource that is too deep for PUT, also not as a member of the collection
// that it moves: it changes nothing and has the status of the PUT. COPY has this status for the
// first member that is too deep (RFC 4918 §9.8.3, §9.9.4).
func TestMoveIsNotTooDeep(t *testing.T) {
	long := strings.Repeat("d", 250)
	for _, b := range append(slices.Clone(harness.Backends),
		harness.Backend{Name: "webdav.Dir", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.TempDir()
			return fsbackend.FromWebDAV(webdav.Dir(dir)), dir
		}},
		harness.Backend{Name: "BasePathFs", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.TempDir()
			return fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), dir)), dir
		}},
		harness.Backend{Name: "with faults", Open: func(t testing.TB) (fsbackend.Backend, string) {
			files := faultfs.New(memory.New(nil).Backend())
			files.Fail(faultfs.Read, "/src/**", os.ErrPermission) // unused, but makes the server visit the members one by one
			return files, ""
		}},
	) {
		for _, tt := range []struct {
			rule, segment string
			of, into      int    // collections below the source, and below the destination's parent
			file          string // in the last of them, if not empty
			fits          bool
		}{
			{"512 segments", "d", 300, 209, "f", true},
			{"a file has 513 segments", "d", 301, 209, "f", false},
			{"collections have more", "d", 302, 300, "", false},
			{"4096 bytes", long, 7, 8, strings.Repeat("f", 126), true},
			{"a file has 4097", long, 7, 8, strings.Repeat("f", 127), false},
			{"collections have more bytes", long, 9, 8, "", false},
		} {
			if tt.segment == "d" && b.Name != "memory" && (b.Name != "disk" || tt.of > 301) {
				continue // slow, and the limits of segments and bytes share their code
			}
			t.Run(b.Name+" "+tt.rule, func(t *testing.T) {
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				last := chain(t, files, "/src", tt.segment, tt.of)
				if tt.file != "" {
					s.Want(201, "PUT", last+"/"+tt.file, "x")
				}
				to := chain(t, files, "/to", tt.segment, tt.into) + "/" + strings.Repeat("x", 200)
				before := s.Tree("/")
				if tt.fits {
					s.Want(201, "MOVE", "/src", "", "Destination", "dest:"+to)
					return
				}
				put := s.Do("PUT", to+strings.Repeat("/x", 512), "x")
				if tt.segment == long { // PUT is not compared: webdav.Dir cannot stat so long a path
					put.Body = "A new path has at most 4,096 bytes.\n"
				}
				moved := s.Do("MOVE", "/src", "", "Destination", "dest:"+to)
				if moved.Status != 400 || put.Status != 400 || moved.Body != put.Body {
					t.Errorf("MOVE = %d %s, want %d %s as for PUT", moved.Status, moved.Body, put.Status, put.Body)
				}
				if after := s.Tree("/"); !slices.Equal(before, after) {
					t.Errorf("MOVE changed the tree from %d resources to %d", len(before), len(after))
				}
				copied := harness.OneLine(t, s.Do("COPY", "/src", "", "Destination", "dest:"+to))
				if !strings.HasPrefix(copied, "207 "+s.Prefix+to+"/") || !strings.HasSuffix(copied, "=414") || strings.Count(copied, "=") != 1 {
					t.Errorf("COPY = %s, want a 414 for the first member that is too deep", copied)
				}
			})
		}
	}
}

// MOVE accepts a tree that is too deep if it does not become deeper. So a tree created outside of
// the server can be moved up.
func TestMoveUpFromTooDeep(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("os.Root opens every directory on the way, for each of them")
	}
	s, dir := harness.ServeDir(t, nil)
	below := deepTree(t, dir, 880)
	s.Want(207, "PROPFIND", "/a"+below, "", "Depth", "0")
	s.Want(201, "MOVE", "/a/d8888888", "", "Destination", "dest:/b")
	if n := len(s.Tree("/b")); n != 880 {
		t.Errorf("MOVE moved %d collections, want 880", n)
	}
}

// deepTree creates n nested collections below /a, deeper and with longer paths than clients may
// create.
func deepTree(t *testing.T, dir string, n int) (below string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const segment = "d8888888"
	// From the innermost: each step renames the tree into a new collection.
	for _, mkdir := range []string{"a", "a/" + segment} {
		if err := root.Mkdir(mkdir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for range n - 1 {
		if err := root.Rename("a", "inner"); err != nil {
			t.Fatal(err)
		}
		if err := root.Mkdir("a", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := root.Rename("inner", "a/"+segment); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Repeat("/"+segment, n)
}

// A deep member costs about as much as any other, although its path is longer than PATH_MAX. When
// the server walked along the path for each member, PROPFIND took 80 s here and DELETE 169 s.
func TestDeepTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("os.Root opens every directory on the way, for each of them")
	}
	const depth = 880
	s, dir := harness.ServeDir(t, nil, "/locked/f")
	deepTree(t, dir, depth)
	s.Want(200, "LOCK", "/locked/f", harness.ExclusiveLock)
	began := time.Now()
	if n := len(s.Tree("/a")); n != depth+1 {
		t.Errorf("PROPFIND lists %d collections, want %d", n, depth+1)
	}
	if a := s.Do("COPY", "/a", "", "Destination", "dest:/b"); a.Status != 207 {
		t.Errorf("COPY = %d, want 207: a part of it is too deep", a.Status)
	}
	s.Want(204, "DELETE", "/a", "")
	if _, err := os.Lstat(filepath.Join(dir, "a")); !os.IsNotExist(err) {
		t.Errorf("after DELETE: %v, want ErrNotExist", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the requests took %s", took)
	}
}
