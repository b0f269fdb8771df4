package rfc4918

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/afero/tarfs"
	"github.com/spf13/afero/zipfs"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
)

// aferoFiles are the files of every back end.
var aferoFiles = map[string]string{
	"top.txt": "top", "a/one.txt": strings.Repeat("0123456789", 5000), "a/b/two.txt": "two", "a/b/c/é d.txt": "deep", "z/only/here.txt": "here",
}

// zipped returns a zip archive. If dirs is false it has no entries for directories, like the
// archives of many programs.
func zipped(t *testing.T, files map[string]string, dirs bool) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range archived(files, dirs) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tarred(t *testing.T, files map[string]string, dirs bool) *tar.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range archived(files, dirs) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Now()}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return tar.NewReader(&b)
}

// archived returns the names of the entries of an archive.
func archived(files map[string]string, dirs bool) []string {
	names := map[string]bool{}
	for name := range files {
		names[name] = true
		for dir := path.Dir(name); dirs && dir != "."; dir = path.Dir(dir) {
			names[dir+"/"] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// aferoDir writes the files below a new directory.
func aferoDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	withAferoFiles(t, afero.NewBasePathFs(afero.NewOsFs(), dir))
	return dir
}

func withAferoFiles(t *testing.T, fs afero.Fs) afero.Fs {
	t.Helper()
	for name, content := range aferoFiles {
		if err := fs.MkdirAll(filepath.FromSlash("/"+path.Dir(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := afero.WriteFile(fs, filepath.FromSlash("/"+name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

func mapFS() fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range aferoFiles {
		m[name] = &fstest.MapFile{Data: []byte(content), ModTime: time.Now()}
	}
	return m
}

// The back ends of afero can all be served. Those that cannot be changed answer a change with 403.
func TestAferoBackends(t *testing.T) {
	inMemory := func(t *testing.T) afero.Fs { return withAferoFiles(t, memory.New(nil)) }
	for _, tt := range []struct {
		name string
		open func(t *testing.T) afero.Fs
		// can lists the changes that the back end supports: "all", or words of the requests below.
		can string
	}{
		{"FromIOFS of a MapFS", func(t *testing.T) afero.Fs { return afero.FromIOFS{FS: mapFS()} }, ""},
		{"FromIOFS of a DirFS", func(t *testing.T) afero.Fs { return afero.FromIOFS{FS: os.DirFS(aferoDir(t))} }, ""},
		{"FromIOFS of a zip", func(t *testing.T) afero.Fs { return afero.FromIOFS{FS: zipped(t, aferoFiles, false)} }, ""},
		{"FromIOFS, a pointer", func(t *testing.T) afero.Fs { return &afero.FromIOFS{FS: mapFS()} }, ""},
		{"ReadOnlyFs of FromIOFS", func(t *testing.T) afero.Fs { return afero.NewReadOnlyFs(afero.FromIOFS{FS: mapFS()}) }, ""},
		{"BasePathFs of FromIOFS", func(t *testing.T) afero.Fs {
			m := fstest.MapFS{}
			for name, f := range mapFS() {
				m["below/it/"+name] = f
			}
			return afero.NewBasePathFs(afero.FromIOFS{FS: m}, "below/it")
		}, ""},
		{"zipfs", func(t *testing.T) afero.Fs { return zipfs.New(zipped(t, aferoFiles, true)) }, ""},
		{"zipfs without directories", func(t *testing.T) afero.Fs { return zipfs.New(zipped(t, aferoFiles, false)) }, ""},
		{"tarfs", func(t *testing.T) afero.Fs { return tarfs.New(tarred(t, aferoFiles, true)) }, ""},
		{"tarfs without directories", func(t *testing.T) afero.Fs { return tarfs.New(tarred(t, aferoFiles, false)) }, ""},
		{"ReadOnlyFs", func(t *testing.T) afero.Fs { return afero.NewReadOnlyFs(inMemory(t)) }, ""},
		{"ReadOnlyFs of a disk", func(t *testing.T) afero.Fs {
			return afero.NewReadOnlyFs(afero.NewBasePathFs(afero.NewOsFs(), aferoDir(t)))
		}, ""},
		{"CopyOnWriteFs", func(t *testing.T) afero.Fs { return afero.NewCopyOnWriteFs(inMemory(t), memory.New(nil)) }, "put mkcol copy"},
		{"CacheOnReadFs", func(t *testing.T) afero.Fs { return afero.NewCacheOnReadFs(inMemory(t), memory.New(nil), 0) }, "all"},
		{"CacheOnReadFs for some time", func(t *testing.T) afero.Fs {
			return afero.NewCacheOnReadFs(inMemory(t), afero.NewMemMapFs(), time.Minute)
		}, "all"},
		{"BasePathFs", func(t *testing.T) afero.Fs { return afero.NewBasePathFs(afero.NewOsFs(), aferoDir(t)) }, "all"},
		{"BasePathFs in memory", func(t *testing.T) afero.Fs {
			m := memory.New(nil)
			if err := m.MkdirAll("/below/it", 0o777); err != nil {
				t.Fatal(err)
			}
			return withAferoFiles(t, afero.NewBasePathFs(m, "/below/it"))
		}, "all"},
		{"RegexpFs", func(t *testing.T) afero.Fs { return afero.NewRegexpFs(inMemory(t), regexp.MustCompile(`\.txt$`)) }, "mkcol move delete"},
		{"MemMapFs", func(t *testing.T) afero.Fs { return withAferoFiles(t, afero.NewMemMapFs()) }, "all"},
		{"Memory", inMemory, "all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := harness.Serve(t, fsbackend.New(tt.open(t)), nil)
			reads := func() {
				t.Helper()
				want := []string{"/"}
				for _, name := range archived(aferoFiles, true) {
					want = append(want, "/"+name)
				}
				slices.Sort(want)
				if got := s.Tree("/"); !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q", got, want)
				}
				for name, content := range aferoFiles {
					name = "/" + name
					for range 2 {
						if got := s.Want(200, "GET", name, "").Body; got != content {
							t.Errorf("GET %s = %.20q (%d bytes), want %.20q", name, got, len(got), content)
						}
					}
					if a := s.Want(200, "HEAD", name, ""); a.Header.Get("Content-Length") == "" {
						t.Errorf("HEAD %s has no length", name)
					}
					for _, r := range [][2]string{{"bytes=1-2", content[1:3]}, {"bytes=-1", content[len(content)-1:]}, {"bytes=2-", content[2:]}} {
						if got := s.Want(206, "GET", name, "", "Range", r[0]).Body; got != r[1] {
							t.Errorf("GET %s of %s = %.20q, want %.20q", r[0], name, got, r[1])
						}
					}
				}
				for _, name := range []string{"/none", "/a/none", "/a/b/none/none", "/top.txt/x", "/a/one.txt/x"} {
					s.Want(404, "GET", name, "")
					s.Want(404, "PROPFIND", name, "", "Depth", "0")
				}
				s.Want(200, "GET", "/a/b/", "")
			}
			reads()
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 5 {
						if a := s.Do("GET", "/a/one.txt", ""); a.Body != aferoFiles["a/one.txt"] {
							t.Errorf("concurrent GET = %d, %d bytes", a.Status, len(a.Body))
						}
					}
				})
			}
			all.Wait()
			// Each is undone by the next or by the last, so a back end may support only some.
			for _, r := range []struct{ word, method, name, to, body, status string }{
				{"put", "PUT", "/a/new.txt", "", "new", "201"},
				{"put", "PUT", "/a/new.txt", "", "newer", "204"},
				{"put", "PUT", "/top.txt", "", "other", "204"},
				{"put", "PUT", "/top.txt", "", "top", "204"},
				{"mkcol", "MKCOL", "/m", "", "", "201"},
				{"copy", "COPY", "/a/one.txt", "/copy.txt", "", "201"},
				{"copy", "COPY", "/a/b/", "/copies/", "", "201"},
				{"move", "MOVE", "/top.txt", "/moved.txt", "", "201"},
				{"move", "MOVE", "/moved.txt", "/top.txt", "", "201"},
				{"move", "MOVE", "/a/", "/longer name/", "", "201"},
				{"move", "MOVE", "/longer name/", "/a/", "", "201"},
				{"delete", "DELETE", "/z/", "", "", "204"},
			} {
				want := "403"
				if tt.can == "all" || slices.Contains(strings.Fields(tt.can), r.word) {
					want = r.status
				} else if slices.Contains([]string{"/moved.txt", "/longer name/"}, r.name) {
					want = "404" // the request that should have created it failed
				}
				var header []string
				if r.to != "" {
					header = []string{"Destination", "dest:" + r.to}
				}
				got := harness.OneLine(t, s.Do(r.method, r.name, r.body, header...))
				if want == "403" && strings.HasPrefix(got, "207 ") { // members that cannot be removed
					if rest := strings.ReplaceAll(got, "=403", ""); strings.Contains(rest, "=") {
						t.Errorf("%s %s = %s, want only 403s", r.method, r.name, got)
					}
					continue
				}
				if got != want {
					t.Errorf("%s %s %s = %s, want %s", r.method, r.name, r.to, got, want)
				}
			}
			if tt.can == "" {
				reads() // nothing was changed
			}
			if tt.can == "all" {
				want := []string{"/", "/a/", "/a/b/", "/a/b/c/", "/a/b/c/é d.txt", "/a/b/two.txt", "/a/new.txt", "/a/one.txt", "/copies/", "/copies/c/",
					"/copies/c/é d.txt", "/copies/two.txt", "/copy.txt", "/m/", "/top.txt"}
				slices.Sort(want)
				if got := s.Tree("/"); !slices.Equal(got, want) {
					t.Errorf("tree afterwards = %q, want %q", got, want)
				}
				for name, content := range map[string]string{"/a/new.txt": "newer", "/copies/c/é d.txt": "deep", "/top.txt": "top"} {
					if got := s.Want(200, "GET", name, "").Body; got != content {
						t.Errorf("%s holds %q, want %q", name, got, content)
					}
				}
			}
		})
	}
}
