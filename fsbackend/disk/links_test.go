package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/server/davpath"
)

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		link   string
		target string // "ROOT" and "OUTSIDE" stand for the host's paths
		leads  string // to this file of the tree, which then holds its own name; "" where it leads nowhere
	}{
		{"to a file", "l", "f", "/f"},
		{"to a file elsewhere", "l", "d/e/f", "/d/e/f"},
		{"up and down", "d/l", "../d/e/f", "/d/e/f"},
		{"through a linked directory", "l", "dir/f", "/d/e/f"},
		{"inside of a linked directory, up", "d/e/l", "../f", "/d/f"},
		{"with a dot", "l", "./d/./f", "/d/f"},
		{"chain", "l", "chain", "/d/f"},
		{"absolute, although it stays inside", "l", "ROOT/f", ""},
		{"absolute and out", "l", "OUTSIDE/secret", ""},
		{"out", "l", "../outside/secret", ""},
		{"out by way of a directory", "d/l", "../../outside/secret", ""},
		{"out and back in", "l", "../served/f", ""},
		{"out through a chain", "l", "out", ""},
		{"out through a linked directory", "l", "outdir/secret", ""},
		{"broken", "l", "none", ""},
		{"broken, parent missing", "l", "none/none", ""},
		{"below a file", "l", "f/x", ""},
		{"loop", "l", "l", ""},
		{"loop of two", "l", "loop", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, noKernel bool) {
				b, root, outside := served(t)
				b.noKernel = noKernel
				must(t, os.MkdirAll(filepath.Join(root, "d", "e"), 0o777))
				for _, f := range []string{"/f", "/d/f", "/d/e/f"} {
					write(t, filepath.Join(root, f), f)
				}
				for name, target := range map[string]string{
					"dir": "d/e", "chain": "chain2", "chain2": "d/chain3", "d/chain3": "f", "loop": "l",
					"out": "../outside/secret", "outdir": "../outside",
				} {
					symlink(t, target, filepath.Join(root, name))
				}
				target := strings.NewReplacer("ROOT", root, "OUTSIDE", outside).Replace(tt.target)
				link := filepath.Join(root, tt.link)
				symlink(t, target, link)

				name := "/" + tt.link
				p := davpath.Must(name)
				if fi, err := b.Lstat(ctx, p); err != nil || fi.Mode().Type() != fs.ModeSymlink || fi.Name() != "l" {
					t.Errorf("Lstat = %v, %v, want the link", fi, err)
				}
				fi, err := b.Stat(ctx, p)
				if tt.leads == "" {
					_, openErr := get(b, name)
					for what, err := range map[string]error{
						"Stat": err, "Open": openErr, "CopyFile from it": b.CopyFile(ctx, p, davpath.Must("/copy")),
						"SetModTime": b.SetModTime(ctx, p, time.Unix(1, 0)),
					} {
						if !errors.Is(err, fs.ErrNotExist) {
							t.Errorf("%s = %v, want %v", what, err, fs.ErrNotExist)
						}
					}
					for what, err := range map[string]error{
						"Create": put(b, name, "new"), "CopyFile to it": b.CopyFile(ctx, davpath.Must("/f"), p),
					} {
						if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
							t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
						}
					}
				} else {
					if err != nil || fi.Size() != int64(len(tt.leads)) || !fi.Mode().IsRegular() || fi.Name() != "l" || fi.Direct {
						t.Errorf("Stat = %v, %v, want the file", fi, err)
					}
					if got, err := get(b, name); got != tt.leads || err != nil {
						t.Errorf("content = %q, %v, want %q", got, err, tt.leads)
					}
					if real, err := b.RealPath(ctx, p); real.String() != tt.leads || err != nil {
						t.Errorf("RealPath = %s, %v, want %s", real, err, tt.leads)
					}
					must(t, put(b, name, "through"))
					if got := read(t, filepath.Join(root, tt.leads)); got != "through" {
						t.Errorf("file behind the link = %q, want what was written through it", got)
					}
					if err := b.CopyFile(ctx, p, davpath.Must(tt.leads)); !errors.Is(err, fs.ErrInvalid) {
						t.Errorf("CopyFile of a link onto its file = %v, want %v", err, fs.ErrInvalid)
					}
				}
				if got, err := os.Readlink(link); got != target || err != nil {
					t.Errorf("the link is %q, %v now, want %q", got, err, target)
				}
				noTemps(t, root, outside, filepath.Join(root, "d"), filepath.Join(root, "d", "e"))
				must(t, b.Remove(ctx, p))
				if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
					t.Errorf("the secret is %q now", got)
				}
				if got := namesIn(t, outside); len(got) != 1 {
					t.Errorf("outside holds %v now", got)
				}
			})
		})
	}
}

// What is asked for below a link that leads out neither shows nor changes anything outside.
func TestBelowOutwardLink(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, outside := served(t)
		b.noKernel = noKernel
		write(t, filepath.Join(root, "f"), "file")
		must(t, os.Mkdir(filepath.Join(root, "dir"), 0o777))
		must(t, os.Mkdir(filepath.Join(outside, "sub"), 0o777))
		symlink(t, "../outside", filepath.Join(root, "out"))
		at := davpath.Must
		_, openErr := get(b, "/out/secret")
		_, openLinkErr := get(b, "/out")
		_, listErr := list(b, "/out")
		_, listBelowErr := list(b, "/out/sub")
		_, statErr := b.Stat(ctx, at("/out/secret"))
		_, lstatErr := b.Lstat(ctx, at("/out/secret"))
		_, realErr := b.RealPath(ctx, at("/out/secret"))
		_, _, usageErr := b.Usage(ctx, at("/out"))
		for what, tt := range map[string]struct{ err, want error }{
			"Stat":               {statErr, fs.ErrNotExist},
			"Lstat":              {lstatErr, fs.ErrNotExist},
			"RealPath":           {realErr, fs.ErrNotExist},
			"Open":               {openErr, fs.ErrNotExist},
			"Open the link":      {openLinkErr, fs.ErrNotExist},
			"OpenDir the link":   {listErr, fs.ErrNotExist},
			"OpenDir":            {listBelowErr, fs.ErrNotExist},
			"Usage":              {usageErr, fs.ErrNotExist},
			"Create new":         {put(b, "/out/new", ""), fs.ErrPermission},
			"Create":             {put(b, "/out/secret", ""), fs.ErrPermission},
			"Mkdir":              {b.Mkdir(ctx, at("/out/new")), fs.ErrPermission},
			"Mkdir of the link":  {b.Mkdir(ctx, at("/out")), fs.ErrExist},
			"Rename out":         {b.Rename(ctx, at("/f"), at("/out/f")), fs.ErrPermission},
			"Rename over":        {b.Rename(ctx, at("/f"), at("/out/secret")), fs.ErrPermission},
			"Rename a directory": {b.Rename(ctx, at("/dir"), at("/out/dir")), fs.ErrPermission},
			"Rename in":          {b.Rename(ctx, at("/out/secret"), at("/secret")), fs.ErrNotExist},
			"CopyFile out":       {b.CopyFile(ctx, at("/f"), at("/out/f")), fs.ErrPermission},
			"CopyFile in":        {b.CopyFile(ctx, at("/out/secret"), at("/secret")), fs.ErrNotExist},
			"Remove":             {b.Remove(ctx, at("/out/secret")), fs.ErrNotExist},
			"SetModTime":         {b.SetModTime(ctx, at("/out/secret"), time.Unix(1, 0)), fs.ErrNotExist},
		} {
			if what == "Usage" && errors.Is(tt.err, errors.ErrUnsupported) {
				continue
			}
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("%s = %v, want %v", what, tt.err, tt.want)
			}
		}
		never := func(p davpath.Path) { t.Errorf("%s", p) }
		if b.RemoveTree(ctx, at("/out/sub"), never) || b.RemoveTree(ctx, at("/out"), never) {
			t.Error("RemoveTree through the link")
		}
		if b.CopyTree(ctx, at("/out"), at("/dir"), never) || b.CopyTree(ctx, at("/dir"), at("/out/sub"), never) {
			t.Error("CopyTree through the link")
		}
		for name, err := range b.Undeletable(ctx, at("/out")) {
			t.Errorf("Undeletable yields %s, %v", name, err)
		}
		if b.UnchangedSince(ctx, at("/out/secret"), time.Now().Add(time.Hour)) {
			t.Error("UnchangedSince through the link")
		}
		must(t, b.Rename(ctx, at("/f"), at("/g")))
		must(t, b.Rename(ctx, at("/out"), at("/moved")))
		must(t, b.Remove(ctx, at("/moved")))
		if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
			t.Errorf("the secret is %q now", got)
		}
		if got := namesIn(t, outside); len(got) != 2 {
			t.Errorf("outside holds %v now", got)
		}
	})
}

// A link over which a file is renamed is replaced itself.
func TestRenameOverLink(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, outside := served(t)
		b.noKernel = noKernel
		write(t, filepath.Join(root, "f"), "file")
		symlink(t, "../outside/secret", filepath.Join(root, "l"))
		must(t, b.Rename(ctx, davpath.Must("/f"), davpath.Must("/l")))
		if fi, err := b.Lstat(ctx, davpath.Must("/l")); err != nil || !fi.Mode().IsRegular() {
			t.Errorf("Lstat = %v, %v", fi, err)
		}
		if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
			t.Errorf("the secret is %q now", got)
		}
	})
}
