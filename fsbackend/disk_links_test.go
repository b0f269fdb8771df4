package fsbackend_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
		{"out and back in", "l", "../root/f", ""},
		{"out through a chain", "l", "out", ""},
		{"out through a linked directory", "l", "outdir/secret", ""},
		{"broken", "l", "none", ""},
		{"broken, parent missing", "l", "none/none", ""},
		{"below a file", "l", "f/x", ""},
		{"loop", "l", "l", ""},
		{"loop of two", "l", "loop", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, root, outside := served(t)
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
			if fi, err := d.Lstat(ctx, name); err != nil || fi.Mode().Type() != fs.ModeSymlink || fi.Name() != "l" {
				t.Errorf("Lstat = %v, %v, want the link", fi, err)
			}
			fi, err := d.Stat(ctx, name)
			if tt.leads == "" {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("Stat = %v, want %v", err, fs.ErrNotExist)
				}
				if _, err := readAll(d, name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("open = %v, want %v", err, fs.ErrNotExist)
				}
				if err := create(d, name); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("create = %v, want %v", err, fs.ErrPermission)
				}
				if err := stage(d, name, "new"); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("Stage = %v, want %v", err, fs.ErrPermission)
				}
				if err := d.CopyFile(ctx, "/f", name); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("CopyFile to it = %v, want %v", err, fs.ErrPermission)
				}
				if err := d.CopyFile(ctx, name, "/copy"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("CopyFile from it = %v, want %v", err, fs.ErrNotExist)
				}
				if err := d.Chtimes(ctx, name, time.Unix(1, 0)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("Chtimes = %v, want %v", err, fs.ErrNotExist)
				}
			} else {
				if err != nil || fi.Size() != int64(len(tt.leads)) || !fi.Mode().IsRegular() || fi.Name() != "l" {
					t.Errorf("Stat = %v, %v, want the file", fi, err)
				}
				if got, err := readAll(d, name); got != tt.leads || err != nil {
					t.Errorf("content = %q, %v, want %q", got, err, tt.leads)
				}
				must(t, stage(d, name, "through"))
				if got := read(t, filepath.Join(root, tt.leads)); got != "through" {
					t.Errorf("file behind the link = %q, want what was written through it", got)
				}
				if err := d.CopyFile(ctx, name, tt.leads); !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("CopyFile of a link onto its file = %v, want %v", err, fs.ErrInvalid)
				}
			}
			if got, err := os.Readlink(link); got != target || err != nil {
				t.Errorf("the link is %q, %v now, want %q", got, err, target)
			}
			noneAside(t, root, outside, filepath.Join(root, "d"), filepath.Join(root, "d", "e"))
			must(t, d.Remove(ctx, name))
			if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
				t.Errorf("the secret is %q now", got)
			}
			if entries, _ := os.ReadDir(outside); len(entries) != 1 {
				t.Errorf("outside holds %v now", entries)
			}
		})
	}
}

// Whatever is asked for below a link that leads out, nothing outside is seen or changed.
func TestBelowOutwardLink(t *testing.T) {
	d, root, outside := served(t)
	write(t, filepath.Join(root, "f"), "file")
	must(t, os.Mkdir(filepath.Join(outside, "sub"), 0o777))
	symlink(t, "../outside", filepath.Join(root, "out"))
	_, _, stageErr := d.Stage(ctx, "/out/new")
	_, _, replaceErr := d.Stage(ctx, "/out/secret")
	_, openErr := d.OpenFile(ctx, "/out/secret", os.O_RDONLY, 0)
	_, dirErr := d.OpenFile(ctx, "/out", os.O_RDONLY, 0)
	_, statErr := d.Stat(ctx, "/out/secret")
	_, lstatErr := d.Lstat(ctx, "/out/secret")
	_, _, spaceErr := d.Space(ctx, "/out")
	for what, tt := range map[string]struct{ err, want error }{
		"Stat":          {statErr, fs.ErrNotExist},
		"Lstat":         {lstatErr, fs.ErrNotExist},
		"open":          {openErr, fs.ErrNotExist},
		"open the link": {dirErr, fs.ErrNotExist},
		"Space":         {spaceErr, fs.ErrNotExist},
		"Stage new":     {stageErr, fs.ErrPermission},
		"Stage":         {replaceErr, fs.ErrPermission},
		"create":        {create(d, "/out/new"), fs.ErrPermission},
		"Mkdir":         {d.Mkdir(ctx, "/out/new", 0o777), fs.ErrPermission},
		"Rename out":    {d.Rename(ctx, "/f", "/out/f"), fs.ErrPermission},
		"Rename in":     {d.Rename(ctx, "/out/secret", "/secret"), fs.ErrNotExist},
		"CopyFile out":  {d.CopyFile(ctx, "/f", "/out/f"), fs.ErrPermission},
		"CopyFile in":   {d.CopyFile(ctx, "/out/secret", "/secret"), fs.ErrNotExist},
		"Remove":        {d.Remove(ctx, "/out/secret"), fs.ErrNotExist},
		"Chtimes":       {d.Chtimes(ctx, "/out/secret", time.Unix(1, 0)), fs.ErrNotExist},
	} {
		if what == "Space" && errors.Is(tt.err, errors.ErrUnsupported) {
			continue
		}
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s = %v, want %v", what, tt.err, tt.want)
		}
	}
	must(t, d.RemoveAll(ctx, "/out/secret"))
	must(t, d.Rename(ctx, "/f", "/g"))
	must(t, d.Rename(ctx, "/out", "/moved"))
	must(t, d.RemoveAll(ctx, "/moved"))
	if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
		t.Errorf("the secret is %q now", got)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 2 {
		t.Errorf("outside holds %v now", entries)
	}
}

// A link over which a file is renamed is replaced itself.
func TestRenameOverLink(t *testing.T) {
	d, root, outside := served(t)
	write(t, filepath.Join(root, "f"), "file")
	symlink(t, "../outside/secret", filepath.Join(root, "l"))
	must(t, d.Rename(ctx, "/f", "/l"))
	if fi, err := d.Lstat(ctx, "/l"); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("Lstat = %v, %v", fi, err)
	}
	if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
		t.Errorf("the secret is %q now", got)
	}
}
