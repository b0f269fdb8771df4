package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// The server tells the log what failed: with the name that was asked for, and never with where
// that is on the host or with the name of a temp file.
func TestErrorsNameWhatWasAskedFor(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		at := davpath.Must
		must(t, os.Mkdir(filepath.Join(root, "d"), 0o777))
		write(t, filepath.Join(root, "d", "f"), "x")
		write(t, filepath.Join(root, "d", "large"), strings.Repeat("x", 1<<20))
		symlink(t, "../outside/secret", filepath.Join(root, "out"))
		dir, err := b.OpenDir(ctx, at("/d"))
		must(t, err)
		infos, errs := make([]fsbackend.Info, 1), make([]error, 1)
		dir.Lstat([]string{"none"}, infos, errs)
		lstatErr := errs[0]
		must(t, dir.Close())
		_, namesErr := dir.Names()
		dir.Lstat([]string{"f"}, infos, errs)
		_, statErr := b.Stat(ctx, at("/none"))
		_, realErr := b.RealPath(ctx, at("/out"))
		_, _, usageErr := b.Usage(ctx, at("/none"))
		_, openErr := b.Open(ctx, at("/none"))
		_, openDirErr := b.Open(ctx, at("/d"))
		_, listErr := b.OpenDir(ctx, at("/none"))
		_, listFileErr := b.OpenDir(ctx, at("/d/f"))
		type failure struct {
			err  error
			name string
		}
		failures := map[string]failure{
			"Stat": {statErr, "/none"}, "Open": {openErr, "/none"}, "Open of a directory": {openDirErr, "/d"},
			"OpenDir": {listErr, "/none"}, "OpenDir of a file": {listFileErr, "/d/f"}, "RealPath": {realErr, "/out"},
			"Lstat of a member": {lstatErr, "/d/none"}, "Names after Close": {namesErr, "/d"}, "Lstat after Close": {errs[0], "/d/f"},
			"Close after Close": {dir.Close(), "/d"},
			"Mkdir":             {b.Mkdir(ctx, at("/none/x")), "/none/x"}, "Mkdir of what is there": {b.Mkdir(ctx, at("/d/f")), "/d/f"},
			"Mkdir of the root": {b.Mkdir(ctx, at("/")), "/"},
			"Create":            {put(b, "/none/x", ""), "/none/x"}, "Create out": {put(b, "/out", ""), "/out"},
			"Create of a directory": {put(b, "/d", ""), "/d"}, "Create of the root": {put(b, "/", ""), "/"},
			"Remove": {b.Remove(ctx, at("/d")), "/d"}, "Remove of nothing": {b.Remove(ctx, at("/none")), "/none"},
			"SetModTime": {b.SetModTime(ctx, at("/none"), time.Now()), "/none"},
			"CopyFile":   {b.CopyFile(ctx, at("/none"), at("/x")), "/none"},
			// The source is blamed for what is wrong with it, the destination for anything else.
			"CopyFile of a directory":     {b.CopyFile(ctx, at("/d"), at("/x")), "/d"},
			"CopyFile onto a directory":   {b.CopyFile(ctx, at("/d/f"), at("/d")), "/d"},
			"CopyFile into nothing":       {b.CopyFile(ctx, at("/d/f"), at("/none/x")), "/none/x"},
			"CopyFile onto itself":        {b.CopyFile(ctx, at("/d/f"), at("/d/f")), "/d/f"},
			"Rename":                      {b.Rename(ctx, at("/none"), at("/x")), "/none /x"},
			"Rename into nothing":         {b.Rename(ctx, at("/d"), at("/none/x")), "/d /none/x"},
			"Rename of a file over a dir": {b.Rename(ctx, at("/d/f"), at("/d")), "/d/f /d"},
		}
		if !errors.Is(usageErr, errors.ErrUnsupported) {
			failures["Usage"] = failure{usageErr, "/none"}
		}
		for _, name := range []string{"/d/f", "/d/large"} { // which are opened differently
			f, err := b.Open(ctx, at(name))
			must(t, err)
			_, seekErr := f.Seek(-1, 0)
			must(t, f.Close())
			_, readErr := f.Read(make([]byte, 1))
			f.Stat()
			_, statErr := f.Stat()
			failures["Seek in "+name] = failure{seekErr, name}
			failures["Read of closed "+name] = failure{readErr, name}
			failures["Stat of closed "+name] = failure{statErr, name}
			failures["Close of closed "+name] = failure{f.Close(), name}
		}
		u, err := b.Create(ctx, at("/d/new"))
		must(t, err)
		must(t, u.Close())
		_, writeErr := u.Write([]byte("x"))
		_, commitErr := u.Commit(ctx)
		failures["Write after Close"], failures["Commit after Close"] = failure{writeErr, "/d/new"}, failure{commitErr, "/d/new"}

		for what, f := range failures {
			if f.err == nil {
				t.Errorf("%s: no error", what)
				continue
			}
			if s := f.err.Error(); strings.Contains(s, filepath.Dir(root)) || strings.Contains(s, davpath.TempPrefix) {
				t.Errorf("%s: %q tells a path of the host", what, f.err)
			}
			name := ""
			switch e := f.err.(type) {
			case *fs.PathError:
				name = e.Path
			case *os.LinkError:
				name = e.Old + " " + e.New
			default:
				t.Errorf("%s: %T, want *fs.PathError", what, f.err)
			}
			if name != f.name {
				t.Errorf("%s: %q blames %s, want %s", what, f.err, name, f.name)
			}
		}
	})
}

// A tree that is closed says so, in whichever way it is asked.
func TestClosed(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		write(t, filepath.Join(root, "f"), "x")
		fsys := &Fs{b}
		must(t, fsys.Close())
		p := davpath.Must("/f")
		_, statErr := b.Stat(ctx, p)
		_, openErr := b.Open(ctx, p)
		_, aferoErr := fsys.Open("/f")
		for what, err := range map[string]error{"Stat": statErr, "Open": openErr, "Create": put(b, "/f", ""), "Mkdir": b.Mkdir(ctx, davpath.Must("/d")),
			"Remove": b.Remove(ctx, p), "Fs.Open": aferoErr} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s = %v, want %v", what, err, fs.ErrClosed)
			}
		}
	})
}
