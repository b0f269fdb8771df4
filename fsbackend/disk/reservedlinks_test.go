package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dav207/server/davpath"
)

// A link to the server's own files, made by somebody on the host, is a broken link: nothing comes
// out of them through it, and nothing in.
func TestLinksToReservedNames(t *testing.T) {
	temp := davpath.TempName()
	own := []string{".dav207/state", ".DAV207/state", "d/.dav207/state", temp, temp + "s/f"}
	for _, tt := range []struct {
		what, link, target string
		below              string // what there would be below the link, "" where it leads to a file
	}{
		{"the state directory", "l", ".dav207", "/state"},
		{"with a slash", "l", ".dav207/", "/state"},
		{"with dots", "l", "./d/.././.dav207/.", "/state"},
		{"from below", "d/l", "../.dav207", "/state"},
		{"the state file", "l", ".dav207/state", ""},
		{"a temp file", "l", temp, ""},
		{"a collection at a temp name", "l", temp + "s", "/f"},
		{"through another link", "l", "other", "/state"},
		{"through two links", "d/l", "../through/../.dav207/state", ""},
		{"through a link to a directory above", "d/l", "up/.dav207", "/state"},
		{"another case", "l", ".DAV207", "/state"},
		{"in a directory", "l", "d/.dav207", "/state"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, noKernel bool) {
				b, root, _ := served(t)
				b.noKernel = noKernel
				for _, f := range own {
					must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o777))
					write(t, filepath.Join(root, f), "secret")
				}
				write(t, filepath.Join(root, "f"), "public")
				for _, dir := range []string{"e", "empty"} {
					must(t, os.Mkdir(filepath.Join(root, dir), 0o777))
				}
				for name, target := range map[string]string{"other": ".dav207", "through": "d", "d/up": "..", tt.link: tt.target} {
					symlink(t, target, filepath.Join(root, name))
				}
				at := davpath.Must
				name := "/" + tt.link
				before := must2(os.Stat(filepath.Join(root, tt.link)))
				if fi, err := b.Lstat(ctx, at(name)); err != nil || fi.Mode().Type() != fs.ModeSymlink {
					t.Errorf("Lstat = %v, %v, want the link", fi, err)
				}
				never := func(p davpath.Path) { t.Errorf("a tree was changed: %s", p) }
				for _, name := range []string{name, name + tt.below} {
					p := at(name)
					_, statErr := b.Stat(ctx, p)
					_, openErr := get(b, name)
					_, listErr := list(b, name)
					_, realErr := b.RealPath(ctx, p)
					_, _, usageErr := b.Usage(ctx, p)
					for what, err := range map[string]error{
						"Stat": statErr, "Open": openErr, "OpenDir": listErr, "RealPath": realErr, "Usage": usageErr,
						"CopyFile from": b.CopyFile(ctx, p, at("/copy")), "SetModTime": b.SetModTime(ctx, p, time.Unix(1, 0)),
					} {
						if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
							t.Errorf("%s %s = %v, want %v", what, name, err, fs.ErrNotExist)
						}
					}
					for what, err := range map[string]error{
						"Create": put(b, name, "mine"), "CopyFile to": b.CopyFile(ctx, at("/f"), p),
					} {
						if !errors.Is(err, fs.ErrPermission) {
							t.Errorf("%s %s = %v, want %v", what, name, err, fs.ErrPermission)
						}
					}
					if b.CopyTree(ctx, p, at("/empty"), never) || b.CopyTree(ctx, at("/e"), p, never) || b.RemoveTree(ctx, p, never) {
						t.Errorf("a tree at %s was copied or removed", name)
					}
					for member := range b.Undeletable(ctx, p) {
						t.Errorf("Undeletable shows %s", member)
					}
					if found, ok, _ := b.Exceeding(ctx, p, -1, -1); ok {
						t.Errorf("Exceeding shows %s", found)
					}
				}
				if tt.below != "" {
					for _, in := range []string{name + tt.below, name + "/new"} {
						_, lstatErr := b.Lstat(ctx, at(in))
						for what, err := range map[string]error{
							"Lstat": lstatErr, "Remove": b.Remove(ctx, at(in)), "Rename out": b.Rename(ctx, at(in), at("/got")),
						} {
							if !errors.Is(err, fs.ErrNotExist) {
								t.Errorf("%s %s = %v, want %v", what, in, err, fs.ErrNotExist)
							}
						}
						for what, err := range map[string]error{
							"Create": put(b, in, "mine"), "Mkdir": b.Mkdir(ctx, at(in)), "Rename in": b.Rename(ctx, at("/f"), at(in)),
							"Rename of a directory in": b.Rename(ctx, at("/e"), at(in)),
						} {
							if !errors.Is(err, fs.ErrPermission) {
								t.Errorf("%s %s = %v, want %v", what, in, err, fs.ErrPermission)
							}
						}
					}
				}
				if after := must2(os.Stat(filepath.Join(root, tt.link))); !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
					t.Error("what the link leads to was changed")
				}
				for _, f := range own {
					if got := read(t, filepath.Join(root, f)); got != "secret" {
						t.Errorf("%s holds %q", f, got)
					}
				}
				// The link itself is like any other.
				must(t, b.Rename(ctx, at(name), at("/moved")))
				must(t, b.Remove(ctx, at("/moved")))
			})
		})
	}
}

// Links to anything else are followed, and the server itself may use temp names.
func TestLinksBesideReservedNames(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		must(t, os.MkdirAll(filepath.Join(root, "d", "dav207"), 0o777))
		write(t, filepath.Join(root, "d", "dav207", "f"), "file")
		symlink(t, "d/dav207", filepath.Join(root, "l"))
		symlink(t, "..", filepath.Join(root, "d", "up"))
		for _, name := range []string{"/l/f", "/d/up/l/f", "/d/up/d/up/d/dav207/f"} {
			if got, err := get(b, name); got != "file" || err != nil {
				t.Errorf("%s = %q, %v", name, got, err)
			}
		}
		temp := davpath.Must("/l/" + davpath.TempName())
		must(t, b.Mkdir(ctx, temp))
		must(t, b.Rename(ctx, davpath.Must("/l/f"), temp.Child("f")))
		if got, err := get(b, temp.Child("f").String()); got != "file" || err != nil {
			t.Errorf("what was moved to a temp name = %q, %v", got, err)
		}
		must(t, b.Remove(ctx, temp.Child("f")))
		must(t, b.Remove(ctx, temp))
	})
}

func TestShortNames(t *testing.T) {
	for name, want := range map[string]bool{
		"DAV207~1": true, "dav207~4": true, "DAV20~12": true, "DA0F3C~1": true, "DA0F3~10": true, "dav207~1.": true,
		"DAV207": false, "DAV208~1": false, "DAVID~1": false, "DAV207~": false, "DAV207~x": false, "XDAV207~1": false, "D~1": false, "~1": false,
		"data~1": false, "DAV207~1.TXT": false,
	} {
		if got := shortName(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
