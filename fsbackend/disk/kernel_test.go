package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Whether the kernel goes directly or os.Root does everything, the same is found and the same is
// refused, for the same reason.
func TestKernelOrRoot(t *testing.T) {
	b, root, outside := served(t)
	must(t, os.MkdirAll(filepath.Join(root, "d", "e"), 0o777))
	for _, f := range []string{"f", "d/f", "d/e/f", "d/read-only"} {
		write(t, filepath.Join(root, f), f)
	}
	must(t, os.Chmod(filepath.Join(root, "d", "read-only"), 0o444))
	for name, target := range map[string]string{
		"to-file": "d/f", "to-dir": "d", "d/up": "../f", "d/updir": "..", "out": "../outside", "abs": outside, "broken": "none",
		"loop": "loop", "dots": "d/../f", "d/beyond": "../../outside/secret", "state": ".dav207/x",
	} {
		symlink(t, target, filepath.Join(root, name))
	}
	other := open(t, root, nil).b
	other.noKernel = true
	for _, name := range []string{
		"/", "/f", "/d", "/d/f", "/d/e/f", "/d/read-only", "/none", "/d/none", "/none/none", "/f/none", "/d/f/none/none",
		"/to-file", "/to-dir", "/to-dir/f", "/to-dir/none", "/to-dir/e/f", "/d/up", "/d/updir", "/d/updir/d/f", "/out", "/out/secret",
		"/out/none", "/abs", "/abs/secret", "/broken", "/broken/x", "/loop", "/loop/x", "/dots", "/d/beyond", "/state", "/" + strings.Repeat("x", 300), strings.Repeat("/d", 2100),
	} {
		p := davpath.Must(name)
		for what, ask := range map[string]func(b *backend) (any, error){
			"Stat":     func(b *backend) (any, error) { return summary(b.Stat(ctx, p)) },
			"Lstat":    func(b *backend) (any, error) { return summary(b.Lstat(ctx, p)) },
			"RealPath": func(b *backend) (any, error) { return b.RealPath(ctx, p) },
			"Open": func(b *backend) (any, error) {
				f, err := b.Open(ctx, p)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				return summary(f.Stat())
			},
			"OpenDir": func(b *backend) (any, error) {
				d, err := b.OpenDir(ctx, p)
				if err != nil {
					return nil, err
				}
				defer d.Close()
				names, err := d.Names()
				slices.Sort(names)
				return strings.Join(names, "/"), err
			},
			"Create":   func(b *backend) (any, error) { return nil, put(b, name, "") },
			"Mkdir":    func(b *backend) (any, error) { return nil, b.Mkdir(ctx, p.Child("none").Child("x")) },
			"Rename":   func(b *backend) (any, error) { return nil, b.Rename(ctx, p, davpath.Must("/none/x")) },
			"CopyFile": func(b *backend) (any, error) { return nil, b.CopyFile(ctx, p, davpath.Must("/none/x")) },
		} {
			got, gotErr := ask(b)
			want, wantErr := ask(other)
			if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Errorf("%s %.40q = %v, %v, by os.Root %v, %v", what, name, got, gotErr, want, wantErr)
			}
			if gotErr == nil && what == "Stat" {
				if real, err := b.RealPath(ctx, p); must2(b.Stat(ctx, p)).Direct && (err != nil || real != p) {
					t.Errorf("%q was found directly, and is really %q, %v", name, real, err)
				}
			}
		}
	}
	noTemps(t, root, outside, filepath.Join(root, "d"), filepath.Join(root, "d", "e"))
	if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
		t.Errorf("the secret is %q now", got)
	}
}

func summary(fi *fsbackend.Info, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	size := fi.Size()
	if fi.IsDir() {
		size = 0 // whatever that is
	}
	return fmt.Sprint(fi.Name(), " ", fi.Mode(), " ", size, " ", fi.ModTime().UnixNano()), nil
}

// A path may be longer than the system takes at a time: it leads to what is there, and through
// links no further than others do.
func TestLongPaths(t *testing.T) {
	b, root, _ := served(t)
	const segment = "d8888888"
	must(t, os.Mkdir(filepath.Join(root, "deep"), 0o777))
	write(t, filepath.Join(root, "deep", "f"), "deep")
	write(t, filepath.Join(root, "top"), "top")
	symlink(t, "../outside", filepath.Join(root, "deep", "out"))
	symlink(t, "f", filepath.Join(root, "deep", "near"))
	symlink(t, strings.Repeat("../", 481)+"top", filepath.Join(root, "deep", "far"))
	in, err := os.OpenRoot(root)
	must(t, err)
	defer in.Close()
	for range 480 {
		must(t, in.Mkdir("next", 0o777))
		must(t, in.Rename("deep", "next/"+segment))
		must(t, in.Rename("next", "deep"))
	}
	deep := "/deep" + strings.Repeat("/"+segment, 480)
	for name, want := range map[string]string{
		"/f": "deep", "/near": "deep", "/far": "top", "/out": "", "/out/secret": "", "/none": "", "/f/x": "", "/none/none": "",
		"/" + strings.Repeat("x", 5000): "",
	} {
		fi, err := b.Stat(ctx, davpath.Must(deep+name))
		if want == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Stat of %.20s = %v, want %v", name, err, fs.ErrNotExist)
			}
			continue
		}
		must(t, err)
		content, err := get(b, deep+name)
		must(t, err)
		if content != want || fi.Size() != int64(len(want)) {
			t.Errorf("%s holds %q, want %q", name, content, want)
		}
	}
	must(t, b.Remove(ctx, davpath.Must(deep+"/f")))
	must(t, b.Remove(ctx, davpath.Must(deep+"/far")))
	if err := b.Remove(ctx, davpath.Must(deep[:len(deep)-len(segment)-1])); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("Remove of a directory with members = %v, want %v", err, syscall.ENOTEMPTY)
	}
	if got := read(t, filepath.Join(root, "top")); got != "top" {
		t.Errorf("what a link leads to holds %q", got)
	}
}
