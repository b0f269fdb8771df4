package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// A directory gives the names that package os gives, of all lengths, and more than the system
// gives at a time.
func TestNames(t *testing.T) {
	b, root, _ := served(t)
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
	d, err := b.OpenDir(ctx, davpath.Must("/many"))
	must(t, err)
	got, err := d.Names()
	must(t, err)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %d names, want %d", len(got), len(want))
	}
	must(t, d.Close())
	if names, err := d.Names(); err == nil {
		t.Errorf("closed: %d names and no error", len(names))
	}
}

// A directory is the one that was opened, whatever has its name since; and no name leads out of it.
func TestMembersByHandle(t *testing.T) {
	b, root, _ := served(t)
	must(t, os.MkdirAll(filepath.Join(root, "d", "e"), 0o777))
	write(t, filepath.Join(root, "d", "f"), "file")
	write(t, filepath.Join(root, "top"), "top")
	d, err := b.OpenDir(ctx, davpath.Must("/d"))
	must(t, err)
	defer d.Close()
	names := []string{"f", "none", "..", ".", "", "../top", "e/../f", "/", "nul\x00", strings.Repeat("x", 300), "e"}
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	errs[0] = errors.New("of the last call")
	infos[0].Attr.Size = 99
	d.Lstat(names, infos, errs)
	for i, name := range names {
		if name == "f" || name == "e" {
			if errs[i] != nil || infos[i].Name() != name || infos[i].IsDir() != (name == "e") {
				t.Errorf("Lstat %q = %v, %v", name, infos[i].Name(), errs[i])
			}
		} else if !errors.Is(errs[i], fs.ErrNotExist) {
			t.Errorf("Lstat %q = %v, want %v", name, errs[i], fs.ErrNotExist)
		}
	}
	if infos[0].Size() != 4 {
		t.Errorf("Lstat f = %d bytes, want 4", infos[0].Size())
	}
}

// A path may be longer than what the system takes in one piece.
func TestDeepTree(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, _, _ := served(t)
		b.noKernel = noKernel
		name := ""
		for range 30 {
			name += "/" + strings.Repeat("n", 200)
			must(t, b.Mkdir(ctx, davpath.Must(name)))
		}
		must(t, put(b, name+"/f", "deep"))
		if got, err := get(b, name+"/f"); got != "deep" || err != nil {
			t.Errorf("content = %q, %v", got, err)
		}
		f := &Fs{b}
		must(t, f.CleanTemp(ctx, false, nil))
		must(t, f.RemoveAll("/"+strings.Repeat("n", 200)))
	})
}

func BenchmarkListing(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	d, err := Open(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.ReportAllocs()
	for b.Loop() {
		if infos, err := list(d.Backend(), "/"); err != nil || len(infos) != 10_000 {
			b.Fatal(len(infos), err)
		}
	}
}

func BenchmarkStatDeep(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b", "c", "d", "e"), 0o777); err != nil {
		b.Fatal(err)
	}
	d, err := Open(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		if _, err := d.Backend().Stat(ctx, davpath.Must("/a/b/c/d/e")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	d, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	content := strings.Repeat("x", 1024)
	for b.Loop() {
		if err := put(d.Backend(), "/f", content); err != nil {
			b.Fatal(err)
		}
	}
}
