package fsbackend_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// A link to the server's own files, made by somebody on the host, is a broken link: nothing comes out of them through it, and
// nothing in.
func TestLinksToOwnFiles(t *testing.T) {
	aside := davpath.TempName()
	for _, tt := range []struct {
		what, link, target string
		below              string // what there would be below the link, "" where it leads to a file
	}{
		{"the state directory", "l", ".dav207", "/state"},
		{"with a slash", "l", ".dav207/", "/state"},
		{"with dots", "l", "./d/.././.dav207/.", "/state"},
		{"from below", "d/l", "../.dav207", "/state"},
		{"the state file", "l", ".dav207/state", ""},
		{"what is written aside", "l", aside, ""},
		{"a collection set aside", "l", aside + "s", "/f"},
		{"through another link", "l", "other", "/state"},
		{"through two links", "d/l", "../through/../.dav207/state", ""},
		{"through a link to a directory above", "d/l", "up/.dav207", "/state"},
		{"another case", "l", ".DAV207", "/state"},
		{"in a directory", "l", "d/.dav207", "/state"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			d, root, _ := served(t)
			for _, dir := range []string{".dav207", ".DAV207", "d/.dav207", aside + "s"} {
				must(t, os.MkdirAll(filepath.Join(root, dir), 0o777))
			}
			for _, f := range []string{".dav207/state", ".DAV207/state", "d/.dav207/state", aside, aside + "s/f"} {
				write(t, filepath.Join(root, f), "secret")
			}
			write(t, filepath.Join(root, "f"), "public")
			must(t, os.Mkdir(filepath.Join(root, "e"), 0o777))
			for name, target := range map[string]string{"other": ".dav207", "through": "d", "d/up": "..", tt.link: tt.target} {
				symlink(t, target, filepath.Join(root, name))
			}
			name := "/" + tt.link
			real := must2(os.Stat(filepath.Join(root, tt.link)))
			if fi, err := d.Lstat(ctx, name); err != nil || fi.Mode().Type() != fs.ModeSymlink {
				t.Errorf("Lstat = %v, %v, want the link", fi, err)
			}
			for _, at := range []string{name, name + tt.below, name + "/../" + filepath.Base(name)} {
				_, statErr := d.Stat(ctx, at)
				_, readErr := readAll(d, at)
				_, realErr := d.Real(ctx, at)
				_, _, spaceErr := d.Space(ctx, at)
				for what, err := range map[string]error{
					"Stat": statErr, "open": readErr, "Real": realErr, "Space": spaceErr,
					"CopyFile from": d.CopyFile(ctx, at, "/copy"), "Chtimes": d.Chtimes(ctx, at, time.Unix(1, 0)),
				} {
					if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("%s %s = %v, want %v", what, at, err, fs.ErrNotExist)
					}
				}
				for what, err := range map[string]error{
					"create": create(d, at), "Stage": stage(d, at, "mine"), "CopyFile to": d.CopyFile(ctx, "/f", at),
				} {
					if !errors.Is(err, fs.ErrPermission) {
						t.Errorf("%s %s = %v, want %v", what, at, err, fs.ErrPermission)
					}
				}
			}
			if tt.below != "" {
				for _, in := range []string{name + tt.below, name + "/new"} {
					_, lstatErr := d.Lstat(ctx, in)
					for what, err := range map[string]error{
						"Lstat": lstatErr, "Remove": d.Remove(ctx, in), "Rename out": d.Rename(ctx, in, "/got"),
					} {
						if !errors.Is(err, fs.ErrNotExist) {
							t.Errorf("%s %s = %v, want %v", what, in, err, fs.ErrNotExist)
						}
					}
					for what, err := range map[string]error{
						"Mkdir": d.Mkdir(ctx, in, 0o777), "Rename in": d.Rename(ctx, "/f", in), "Rename of a directory in": d.Rename(ctx, "/e", in),
					} {
						if !errors.Is(err, fs.ErrPermission) {
							t.Errorf("%s %s = %v, want %v", what, in, err, fs.ErrPermission)
						}
					}
					must(t, d.RemoveAll(ctx, in)) // nothing is there
				}
			}
			if after := must2(os.Stat(filepath.Join(root, tt.link))); !os.SameFile(real, after) || !after.ModTime().Equal(real.ModTime()) {
				t.Error("what the link leads to was changed")
			}
			for _, f := range []string{".dav207/state", ".DAV207/state", "d/.dav207/state", aside, aside + "s/f"} {
				if got := read(t, filepath.Join(root, f)); got != "secret" {
					t.Errorf("%s holds %q", f, got)
				}
			}
			// The link itself is like any other.
			must(t, d.Rename(ctx, name, "/moved"))
			must(t, d.Remove(ctx, "/moved"))
		})
	}
}

// Links to anything else are followed as before, and what the server writes aside is its own to use.
func TestLinksBesideOwnFiles(t *testing.T) {
	d, root, _ := served(t)
	must(t, os.MkdirAll(filepath.Join(root, "d", "dav207"), 0o777))
	write(t, filepath.Join(root, "d", "dav207", "f"), "file")
	symlink(t, "d/dav207", filepath.Join(root, "l"))
	symlink(t, "..", filepath.Join(root, "d", "up"))
	for _, name := range []string{"/l/f", "/d/up/l/f", "/d/up/d/up/d/dav207/f"} {
		if got, err := readAll(d, name); got != "file" || err != nil {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	holder := "/l/" + davpath.TempName()
	must(t, d.Mkdir(ctx, holder, 0o777))
	must(t, d.Rename(ctx, "/l/f", holder+"/f"))
	if got, err := readAll(d, holder+"/f"); got != "file" || err != nil {
		t.Errorf("what was set aside = %q, %v", got, err)
	}
	must(t, d.RemoveAll(ctx, holder))
}

func TestShortNames(t *testing.T) {
	for name, want := range map[string]bool{
		"DAV207~1": true, "dav207~4": true, "DAV20~12": true, "DA0F3C~1": true, "DA0F3~10": true, "dav207~1.": true,
		"DAV207": false, "DAV208~1": false, "DAVID~1": false, "DAV207~": false, "DAV207~x": false, "XDAV207~1": false, "D~1": false, "~1": false,
		"data~1": false, "DAV207~1.TXT": false,
	} {
		if got := fsbackend.ShortName(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func BenchmarkStatDeep(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b", "c", "d", "e"), 0o777); err != nil {
		b.Fatal(err)
	}
	d, err := fsbackend.Root(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		if _, err := d.Stat(context.Background(), "/a/b/c/d/e"); err != nil {
			b.Fatal(err)
		}
	}
}
