package fsbackend_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/server/tree"
)

// A directory gives the names that package os gives, of all lengths, more than the system gives at a time, and also those that are
// left when some were asked for before.
func TestNames(t *testing.T) {
	d, root, _ := served(t)
	dir := filepath.Join(root, "many")
	must(t, os.Mkdir(dir, 0o755))
	var want []string
	for i := range 2000 {
		name := fmt.Sprintf("%d%s", i, strings.Repeat("x", i%250))
		if i < 10 {
			name = fmt.Sprint(i)
		}
		write(t, filepath.Join(dir, name), "")
		want = append(want, name)
	}
	slices.Sort(want)
	for _, first := range []int{0, 1, 10, 1999} {
		f, err := d.OpenFile(t.Context(), "/many", os.O_RDONLY, 0)
		must(t, err)
		names := f.(tree.NameLister)
		var got []string
		if first > 0 {
			got, err = names.Readdirnames(first)
			must(t, err)
		}
		rest, err := names.Readdirnames(-1)
		must(t, err)
		got = append(got, rest...)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d and the rest: got %d names, want %d", first, len(got), len(want))
		}
		if again, err := names.Readdirnames(-1); len(again) != 0 || err != nil {
			t.Errorf("at the end: got %d names, %v", len(again), err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if again, err := names.Readdirnames(-1); len(again) != len(want) || err != nil {
			t.Errorf("from the start again: got %d names, %v", len(again), err)
		}
		must(t, f.Close())
		if _, err := names.Readdirnames(-1); err == nil {
			t.Error("closed: got no error")
		}
	}
}
