package folders

import (
	"os"
	"path/filepath"
	"testing"

	"dav207/cmd/dav207/config"
)

// No file may have two URLs.
func TestCheckApart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b", "ab", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct {
		one, other string
		apart      bool
	}{
		{"a", "ab", true},
		{"a", "a", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"link", "a/b", false},
		{"link/b", "a", false},
		{"a/../ab", "ab", false},
		{".", "home/{user}", false},
		{"home", "home/{user}", false},
		{"home/anna", "home/{user}", false},
		{"home/{user}", "home/{user}/x", false},
		{"home/{user}/y", "home/{user}/x", true},
		{"home/anna/y", "home/{user}/x", true},
		{"home/{user}", "a", true},
	} {
		list := []config.Mount{{At: "/one", Dir: filepath.Join(dir, tt.one)}, {At: "/other", Dir: filepath.Join(dir, tt.other), Line: 2}}
		if err := CheckApart(list); (err == nil) != tt.apart {
			t.Errorf("%s and %s: %v", tt.one, tt.other, err)
		}
	}
}
