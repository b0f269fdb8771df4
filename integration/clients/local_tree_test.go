package clients

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"dav207/integration/harness"
)

// oddNames are names that clients and servers get wrong: special characters of URLs, XML, shells
// and format strings, a letter in its two normal forms, characters outside of the BMP, dots, and
// long names.
var oddNames = []string{
	"plain.txt", "with space.txt", " leading", "100%", "a%20b", "%2e%2e", "a&b;c=d", "a+b", "a#b", "what?", "<x>'y'\"z\"", "$HOME!",
	"(paren)[bracket]{brace}", "semi;colon,comma", "at@colon:", "tilde~^`|", "*star*", ".hidden", "..three", "-dash", "é", "e\u0301",
	"日本語.txt", "😀", string(bytes.Repeat([]byte("long"), 60)),
}

// oddTree creates a tree for clients to send: each odd name as a file and, below "dirs", as a
// directory; empty files and directories, many files, and one that is larger than a buffer.
func oddTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range oddNames {
		harness.WriteFile(t, filepath.Join(dir, name), i*100)
		harness.WriteFile(t, filepath.Join(dir, "dirs", name, "file in it"), i)
	}
	for i := range 20 {
		harness.WriteFile(t, filepath.Join(dir, "many", fmt.Sprintf("file %02d", i)), i)
	}
	harness.WriteFile(t, filepath.Join(dir, "deep", "1", "2", "3", "4", "5", "6", "file"), 1)
	harness.WriteFile(t, filepath.Join(dir, "large"), 3<<20+1)
	if err := os.MkdirAll(filepath.Join(dir, "empty", "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// localTree returns a description of each file below a directory by name: "directory", or the size and
// the hash of a file, and its modification time if times is true.
func localTree(t testing.TB, dir string, times bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			out[rel] = "directory"
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		hash := sha256.New()
		n, err := io.Copy(hash, f)
		out[rel] = fmt.Sprintf("%d bytes, %x", n, hash.Sum(nil))
		if fi, statErr := f.Stat(); times {
			err = errors.Join(err, statErr)
			out[rel] += fi.ModTime().UTC().Format(" 2006-01-02 15:04:05")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameTree fails the test for each difference between two directories.
func sameTree(t testing.TB, got, want string, times bool) {
	t.Helper()
	g, w := localTree(t, got, times), localTree(t, want, times)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if g[name] != w[name] {
			t.Errorf("%q = %q, want %q", name, g[name], w[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if _, ok := w[name]; !ok {
			t.Errorf("%q exists, want it missing", name)
		}
	}
}
