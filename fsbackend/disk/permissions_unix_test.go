//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/server/davpath"
)

func TestModes(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		at := davpath.Must
		old := syscall.Umask(0o027)
		defer syscall.Umask(old)
		stat := func(name string) fs.FileInfo { return must2(os.Stat(filepath.Join(root, name))) }

		must(t, put(b, "/new", "x"))
		if got := stat("new").Mode(); got != 0o640 {
			t.Errorf("mode of a new file = %v, want 0666 less the umask", got)
		}
		must(t, b.Mkdir(ctx, at("/dir")))
		if got := stat("dir").Mode().Perm(); got != 0o750 {
			t.Errorf("mode of a new directory = %v", got)
		}
		for _, perm := range []fs.FileMode{0o600, 0o644, 0o666, 0o777, 0o755, 0o755 | fs.ModeSetuid} {
			must(t, os.Chmod(filepath.Join(root, "new"), perm))
			must(t, put(b, "/new", "y"))
			if got := stat("new").Mode(); got != perm.Perm() {
				t.Errorf("mode of a replaced file = %v, want %v", got, perm.Perm())
			}
			must(t, os.Chmod(filepath.Join(root, "new"), perm))
			must(t, b.CopyFile(ctx, at("/new"), at("/copy")))
			if got := stat("copy").Mode(); got != perm.Perm() {
				t.Errorf("mode of a copy = %v, want %v", got, perm.Perm())
			}
		}
		if os.Getuid() == 0 {
			write(t, filepath.Join(root, "other"), "x")
			for what, replace := range map[string]func() error{
				"Create":   func() error { return put(b, "/new", "z") },
				"CopyFile": func() error { return b.CopyFile(ctx, at("/other"), at("/new")) },
			} {
				must(t, os.Chown(filepath.Join(root, "new"), 12345, 54321))
				must(t, replace())
				if st := stat("new").Sys().(*syscall.Stat_t); st.Uid != 12345 || st.Gid != 54321 {
					t.Errorf("owner of a file that %s replaced = %d:%d", what, st.Uid, st.Gid)
				}
			}
		}
	})
}

func TestPermissions(t *testing.T) {
	asUser := func(f func()) { f() }
	if os.Getuid() == 0 {
		if asUser = otherUser(t); asUser == nil {
			t.Skip("root may do everything")
		}
	}
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		at := davpath.Must
		for _, dir := range []string{"closed", "fixed"} {
			must(t, os.Mkdir(filepath.Join(root, dir), 0o777))
		}
		for _, f := range []string{"closed/f", "fixed/f", "unreadable", "fixed-content"} {
			write(t, filepath.Join(root, f), "x")
		}
		if os.Getuid() == 0 {
			must(t, filepath.WalkDir(filepath.Dir(root), func(p string, _ fs.DirEntry, err error) error {
				if err == nil {
					err = os.Chown(p, 65534, 65534)
				}
				return err
			}))
		}
		for name, mode := range map[string]fs.FileMode{"closed": 0, "fixed": 0o555, "unreadable": 0o200, "fixed-content": 0o444} {
			must(t, os.Chmod(filepath.Join(root, name), mode))
			t.Cleanup(func() { os.Chmod(filepath.Join(root, name), 0o777) })
		}
		asUser(func() {
			_, statErr := b.Stat(ctx, at("/closed/f"))
			_, listErr := b.OpenDir(ctx, at("/closed"))
			_, openErr := b.Open(ctx, at("/unreadable"))
			for what, err := range map[string]error{
				"Stat in a closed directory":            statErr,
				"listing a closed directory":            listErr,
				"reading an unreadable file":            openErr,
				"copying an unreadable file":            b.CopyFile(ctx, at("/unreadable"), at("/copy")),
				"uploading over a file that is fixed":   put(b, "/fixed-content", "y"),
				"uploading into a read-only directory":  put(b, "/fixed/new", "y"),
				"replacing in a read-only one":          put(b, "/fixed/f", "y"),
				"Mkdir in a read-only directory":        b.Mkdir(ctx, at("/fixed/d")),
				"Remove in a read-only directory":       b.Remove(ctx, at("/fixed/f")),
				"Rename out of a read-only one":         b.Rename(ctx, at("/fixed/f"), at("/f")),
				"Rename into a read-only directory":     b.Rename(ctx, at("/fixed-content"), at("/fixed/u")),
				"Fs.RemoveAll in a closed directory":    (&Fs{b}).RemoveAll("/closed"),
				"CleanTemp of a closed directory":       (&Fs{b}).CleanTemp(ctx, false, nil),
				"Fs.OpenFile for writing of fixed file": second((&Fs{b}).OpenFile("/fixed-content", os.O_WRONLY, 0)),
			} {
				if !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
				}
				if err != nil && strings.Contains(err.Error(), root) {
					t.Errorf("%s: %q tells a path of the host", what, err)
				}
			}
			if _, err := b.Stat(ctx, at("/unreadable")); err != nil {
				t.Errorf("Stat of an unreadable file: %v", err)
			}
		})
		noTemps(t, root, filepath.Join(root, "fixed"))
	})
}

func second[T any](_ T, err error) error { return err }
