package fsbackend_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
)

// Whether the system is asked directly or os.Root walks, the same is found and the same is refused, for the same reason.
func TestDirectOrNot(t *testing.T) {
	d, root, outside := served(t)
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
	walker, err := fsbackend.Root(root)
	must(t, err)
	t.Cleanup(func() { walker.Close() })
	walker.Walk()
	for _, name := range []string{
		"/", "/f", "/d", "/d/f", "/d/e/f", "/d/read-only", "/none", "/d/none", "/none/none", "/f/none", "/d/f/none/none",
		"/to-file", "/to-dir", "/to-dir/f", "/to-dir/none", "/to-dir/e/f", "/d/up", "/d/updir", "/d/updir/d/f", "/out", "/out/secret",
		"/out/none", "/abs", "/abs/secret", "/broken", "/broken/x", "/loop", "/loop/x", "/dots", "/d/beyond", "/state", "/f/", "/d/../f",
		"/../f", "f", "/d//f", "/nul\x00", "/" + strings.Repeat("x", 300), strings.Repeat("/d", 2100),
	} {
		for what, ask := range map[string]func(*fsbackend.Disk) (any, error){
			"Stat":  func(d *fsbackend.Disk) (any, error) { return described(d.Stat(ctx, name)) },
			"Lstat": func(d *fsbackend.Disk) (any, error) { return described(d.Lstat(ctx, name)) },
			"Real":  func(d *fsbackend.Disk) (any, error) { return d.Real(ctx, name) },
			"open": func(d *fsbackend.Disk) (any, error) {
				f, err := d.OpenFile(ctx, name, os.O_RDONLY, 0)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				return described(f.Stat())
			},
			"Stage": func(d *fsbackend.Disk) (any, error) {
				w, commit, err := d.Stage(ctx, name)
				if err != nil {
					return nil, err
				}
				defer w.Close()
				return nil, commit()
			},
		} {
			got, gotErr := ask(d)
			want, wantErr := ask(walker)
			if what != "Stage" && got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Errorf("%s %.40q = %v, %v, by walking %v, %v", what, name, got, gotErr, want, wantErr)
			}
			if gotErr == nil && what == "Stat" {
				direct := must2(d.Stat(ctx, name)).(interface{ Direct() bool }).Direct()
				if real, err := d.Real(ctx, name); direct && (err != nil || real != "/"+strings.Trim(filepath.ToSlash(filepath.Clean("/"+name)), "/")) {
					t.Errorf("%q was found directly, and is really %q, %v", name, real, err)
				}
			}
		}
	}
	noneAside(t, root, outside, filepath.Join(root, "d"), filepath.Join(root, "d", "e"))
	if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
		t.Errorf("the secret is %q now", got)
	}
}

func described(fi fs.FileInfo, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	size := fi.Size()
	if fi.IsDir() {
		size = 0 // whatever that is
	}
	return fmt.Sprint(fi.Name(), " ", fi.Mode(), " ", size, " ", fi.ModTime().UnixNano()), nil
}

// A tree that is closed says so, whichever way it is asked.
func TestDirectClosed(t *testing.T) {
	d, root, _ := served(t)
	write(t, filepath.Join(root, "f"), "x")
	must(t, d.Close())
	_, statErr := d.Stat(ctx, "/f")
	_, openErr := d.OpenFile(ctx, "/f", os.O_RDONLY, 0)
	_, _, stageErr := d.Stage(ctx, "/f")
	for what, err := range map[string]error{"Stat": statErr, "open": openErr, "Stage": stageErr} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrClosed)
		}
	}
}

// A path may be longer than the system takes at a time: it leads to what is there, and through
// links no further than others do.
func TestLongPaths(t *testing.T) {
	d, root, _ := served(t)
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
		fi, err := d.Stat(ctx, deep+name)
		if want == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Stat of %.20s = %v, want %v", name, err, fs.ErrNotExist)
			}
			continue
		}
		must(t, err)
		f, err := d.OpenFile(ctx, deep+name, os.O_RDONLY, 0)
		must(t, err)
		content := string(must2(io.ReadAll(f)))
		must(t, f.Close())
		if content != want || fi.Size() != int64(len(want)) {
			t.Errorf("%s holds %q, want %q", name, content, want)
		}
	}
	must(t, d.Remove(ctx, deep+"/f"))
	must(t, d.Remove(ctx, deep+"/far"))
	if err := d.Remove(ctx, deep[:len(deep)-len(segment)-1]); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("Remove of a directory with members = %v, want %v", err, syscall.ENOTEMPTY)
	}
	if got := read(t, filepath.Join(root, "top")); got != "top" {
		t.Errorf("what a link leads to holds %q", got)
	}
}
