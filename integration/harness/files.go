package harness

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/server"
	"dav207/server/davpath"
)

// NoTemps fails the test if a temp file is left in a served directory or below. dir may be "".
func NoTemps(t testing.TB, dir string) {
	t.Helper()
	if n := CountTemps(t, dir); n != 0 {
		t.Errorf("%d temp files are left over, want none", n)
	}
}

// CountTemps returns the number of temp files in a directory and below. dir may be "".
func CountTemps(t testing.TB, dir string) int {
	t.Helper()
	if dir == "" {
		return 0
	}
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err == nil && davpath.IsTemp(d.Name()) {
			n++
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// ServeDir serves a directory with the given resources: "/c/" is a collection, "/c/f" a file whose
// content is its name, "/l -> c" a symbolic link.
func ServeDir(t *testing.T, opts *server.Options, resources ...string) (*Site, string) {
	t.Helper()
	dir := t.TempDir()
	for _, r := range resources {
		name, target, isLink := strings.Cut(r, " -> ")
		p := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(p), 0o777)
		switch {
		case err != nil:
		case isLink:
			if err := os.Symlink(target, p); err != nil {
				t.Skip("no symbolic links here: ", err)
			}
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o777)
		default:
			err = os.WriteFile(p, []byte(name), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Serve(t, DiskTree(t, dir, nil), opts), dir
}

// ListDir returns all names in a directory and below, sorted: "c/ c/f l".
func ListDir(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && p != dir {
			rel, _ := filepath.Rel(dir, p)
			if d.IsDir() {
				rel += "/"
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// WriteFile creates a file and its missing parents. The content depends on the size only, and so
// does the modification time, which is in the last two weeks of 2020 in whole seconds.
func WriteFile(t testing.TB, name string, size int) {
	t.Helper()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)}).Read(content)
	err := os.MkdirAll(filepath.Dir(name), 0o777)
	if err == nil {
		err = os.WriteFile(name, content, 0o666)
	}
	modified := time.Date(2020, 12, 18, 0, 0, size%1_000_000, 0, time.UTC)
	if err == nil {
		err = os.Chtimes(name, modified, modified)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// WaitFor waits until done returns true, at most 10 s. It is for what a server does after its
// client has disconnected.
func WaitFor(t *testing.T, done func() bool) {
	for start := time.Now(); !done() && time.Since(start) < 10*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
}

// Mkdir makes a collection, also where the server refuses the name.
func Mkdir(t testing.TB, files fsbackend.Backend, name string) {
	t.Helper()
	if err := files.Mkdir(t.Context(), davpath.Must(name)); err != nil {
		t.Fatal(err)
	}
}

// PutContent makes a file, also where the server refuses the name.
func PutContent(t testing.TB, files fsbackend.Backend, name, content string) {
	t.Helper()
	u, err := files.Create(t.Context(), davpath.Must(name))
	if err == nil {
		defer u.Close()
		_, err = io.WriteString(u, content)
	}
	if err == nil {
		_, err = u.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ReadContent returns what is in a file.
func ReadContent(t testing.TB, files fsbackend.Backend, name string) string {
	t.Helper()
	f, err := files.Open(t.Context(), davpath.Must(name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ListMembers describes the members of a collection, in any order: also those that the server does
// not show.
func ListMembers(t testing.TB, files fsbackend.Backend, name string) []fsbackend.Info {
	t.Helper()
	d, err := files.OpenDir(t.Context(), davpath.Must(name))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		t.Fatal(err)
	}
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return infos
}
