package serve

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that is served could be read and replaced by every client, whatever name it is given by.
func TestOutside(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "users"), filepath.Join(dir, "sub", "users"), filepath.Join(elsewhere, "users")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) string {
		if err := os.Symlink(to, name); err != nil {
			t.Skipf("no links here: %v", err)
		}
		return name
	}
	for _, tt := range []struct {
		rule, dir, file string
		ok              bool
	}{
		{"in it", dir, filepath.Join(dir, "users"), false},
		{"below it", dir, filepath.Join(dir, "sub", "users"), false},
		{"beside it", dir, filepath.Join(elsewhere, "users"), true},
		{"above it", filepath.Join(dir, "sub"), filepath.Join(dir, "users"), true},
		{"by way of it", dir, filepath.Join(dir, "sub", "..", "..", filepath.Base(elsewhere), "users"), true},
		{"a link to it", dir, link(filepath.Join(dir, "users"), filepath.Join(elsewhere, "to")), false},
		{"a link in it", dir, link(filepath.Join(elsewhere, "users"), filepath.Join(dir, "from")), false},
		{"the directory by another name", link(dir, filepath.Join(elsewhere, "dir")), filepath.Join(dir, "users"), false},
		{"none", dir, "", true},
	} {
		if err := outside(tt.dir, "--users", tt.file); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.rule, err)
		}
	}
}
