package fsbackend_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/afero/tarfs"
	"github.com/spf13/afero/zipfs"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/server/davpath"
)

var ctx = context.Background()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func at(name string) davpath.Path { return davpath.Must(name) }

func put(b fsbackend.Backend, name, content string) error {
	u, err := b.Create(ctx, at(name))
	if err != nil {
		return err
	}
	defer u.Close()
	if _, err := io.WriteString(u, content); err != nil {
		return err
	}
	_, err = u.Commit(ctx)
	return err
}

func get(b fsbackend.Backend, name string) (string, error) {
	f, err := b.Open(ctx, at(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	return string(content), err
}

func list(b fsbackend.Backend, name string) (string, error) {
	d, err := b.OpenDir(ctx, at(name))
	if err != nil {
		return "", err
	}
	defer d.Close()
	names, err := d.Names()
	slices.Sort(names)
	return strings.Join(names, " "), err
}

// afero.MemMapFs crashes the process when two goroutines rename one file. Behind New one of them
// succeeds.
func TestMemMapFsDoesNotCrash(t *testing.T) {
	back := afero.NewMemMapFs()
	b := fsbackend.New(back)
	for range 200 {
		must(t, afero.WriteFile(back, "/f", nil, 0o666))
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wg.Go(func() { errs[i] = b.Rename(ctx, at("/f"), at("/g")) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("%v and %v, want one to win", errs[0], errs[1])
		}
	}
}

// afero.CopyOnWriteFs reports success when it removes or renames a file of the lower layer, and
// still shows the file.
func TestRemovalIsVerified(t *testing.T) {
	base := afero.NewMemMapFs()
	must(t, base.MkdirAll("/d/e", 0o777))
	must(t, afero.WriteFile(base, "/d/f", []byte("x"), 0o666))
	b := fsbackend.New(afero.NewCopyOnWriteFs(base, afero.NewMemMapFs()))
	for what, err := range map[string]error{
		"Remove of a file":       b.Remove(ctx, at("/d/f")),
		"Remove of a collection": b.Remove(ctx, at("/d/e")),
		"Rename of a file":       b.Rename(ctx, at("/d/f"), at("/g")),
		"Rename of a collection": b.Rename(ctx, at("/d/e"), at("/e")),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
		}
	}
	must(t, put(b, "/d/f", "new"))
	if got := must2(get(b, "/d/f")); got != "new" {
		t.Errorf("a file of the layer below was replaced by %q", got)
	}
	if got := must2(list(b, "/")); got != "d" {
		t.Errorf("the root holds %q", got)
	}
}

func TestReadOnlyBackend(t *testing.T) {
	base := memory.New(nil)
	must(t, base.Mkdir("/d", 0o777))
	must(t, afero.WriteFile(base, "/f", []byte("x"), 0o666))
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o777))
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o666))
	for name, below := range map[string]afero.Fs{"memory": base, "disk": openDisk(t, dir, nil)} {
		b := fsbackend.New(afero.NewReadOnlyFs(below))
		for what, err := range map[string]error{
			"Create over a file": put(b, "/f", "new"), "Create": put(b, "/new", "new"),
			"Mkdir": b.Mkdir(ctx, at("/x")), "Remove": b.Remove(ctx, at("/f")), "Remove of a collection": b.Remove(ctx, at("/d")),
			"Rename": b.Rename(ctx, at("/f"), at("/g")), "CopyFile": b.CopyFile(ctx, at("/f"), at("/g")),
			"SetModTime": b.SetModTime(ctx, at("/f"), time.Now()),
		} {
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %s = %v, want %v", name, what, err, fs.ErrPermission)
			}
		}
		if content, listed := must2(get(b, "/f")), must2(list(b, "/")); content != "x" || listed != "d f" {
			t.Errorf("%s: /f holds %q, the root %q", name, content, listed)
		}
		if _, ok := b.(fsbackend.Bulk); ok {
			t.Errorf("%s: Bulk goes around the layer that refuses changes", name)
		}
	}
}

// noOverwrite refuses to rename over a file, as many SFTP servers do.
type noOverwrite struct {
	afero.Fs
	broken bool // a new file gets no other name at all
}

func (s *noOverwrite) Rename(from, to string) error {
	if _, err := s.Fs.Stat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: errors.New("failure")}
	}
	if content, _ := afero.ReadFile(s.Fs, from); s.broken && string(content) == "new" {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EIO}
	}
	return s.Fs.Rename(from, to)
}

func TestBackendThatDoesNotReplace(t *testing.T) {
	mem := memory.New(nil)
	b := fsbackend.New(&noOverwrite{Fs: mem})
	for _, content := range []string{"one", "two", "three"} {
		must(t, put(b, "/f", content))
		if got := must2(get(b, "/f")); got != content {
			t.Errorf("content = %q, want %q", got, content)
		}
	}
	b = fsbackend.New(&noOverwrite{Fs: mem, broken: true})
	if err := put(b, "/f", "new"); !errors.Is(err, syscall.EIO) {
		t.Errorf("Commit = %v, want %v", err, syscall.EIO)
	}
	if content, listed := must2(get(b, "/f")), must2(list(b, "/")); content != "three" || listed != "f" {
		t.Errorf("/f holds %q, want what was there; the root holds %q", content, listed)
	}
}

// The entity tag and the content type of an adapted file system are used, and so is its *os.File.
func TestPassThrough(t *testing.T) {
	mem := memory.New(nil)
	must(t, afero.WriteFile(mem, "/f", []byte("x"), 0o666))
	want := must2(must2(mem.Stat("/f")).(webdav.ETager).ETag(ctx))
	for _, back := range []afero.Fs{mem, afero.NewReadOnlyFs(mem), afero.NewBasePathFs(mem, "/")} {
		b := fsbackend.New(back)
		fi := must2(b.Stat(ctx, at("/f")))
		if got := must2(fi.ETag(ctx)); got != want {
			t.Errorf("%s: ETag = %s, want %s", back.Name(), got, want)
		}
		if fi.SameFile(must2(b.Stat(ctx, at("/")))) {
			t.Errorf("%s: SameFile takes the root for the file", back.Name())
		}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o666))
	for name, b := range map[string]fsbackend.Backend{
		"BasePathFs":            fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), dir)),
		"BasePathFs over it":    fsbackend.New(afero.NewBasePathFs(afero.NewBasePathFs(afero.NewOsFs(), dir), "/")),
		"BasePathFs over disk":  fsbackend.New(afero.NewBasePathFs(openDisk(t, dir, nil), "/")),
		"webdav.Dir":            fsbackend.FromWebDAV(webdav.Dir(dir)),
		"the directory, opened": openDisk(t, dir, nil).Backend(),
	} {
		f, err := b.Open(ctx, at("/f"))
		must(t, err)
		if _, ok := f.(syscall.Conn); !ok {
			t.Errorf("%s opened a %T: sendfile wants a syscall.Conn", name, f)
		}
		got := must2(must2(f.Stat()).ETag(ctx))
		if want := must2(must2(b.Stat(ctx, at("/f"))).ETag(ctx)); got != want {
			t.Errorf("%s: ETag by the handle = %s, want %s", name, got, want)
		}
		must(t, f.Close())
	}
}

// The removal of a link to a collection above does not remove what the link leads to.
func TestRemoveLinkOverWebDAV(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "kept"), 0o777))
	must(t, os.WriteFile(filepath.Join(dir, "kept", "f"), nil, 0o666))
	if err := os.Symlink("kept", filepath.Join(dir, "link")); err != nil {
		t.Skip(err) // a privilege on Windows
	}
	b := fsbackend.FromWebDAV(struct{ webdav.FileSystem }{webdav.Dir(dir)})
	if fi := must2(b.Lstat(ctx, at("/link"))); !fi.IsLink() {
		t.Errorf("Lstat = %v, want a link", fi.Mode())
	}
	must(t, b.Remove(ctx, at("/link")))
	if left := must2(list(b, "/")) + ", " + must2(list(b, "/kept")); left != "kept, f" {
		t.Errorf("left %s", left)
	}
}

// noSeek has files like those of a zip archive, which can be read from start to end only.
type noSeek struct{ fs.FS }

func (n noSeek) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	if fi, _ := fs.Stat(n.FS, name); err == nil && !fi.IsDir() {
		return struct{ fs.File }{f}, nil
	}
	return f, err
}

func TestSeekInIOFS(t *testing.T) {
	files := fstest.MapFS{"d/f": {Data: []byte("0123456789")}}
	for name, back := range map[string]fs.FS{"that can seek": files, "that cannot": noSeek{files}} {
		b := fsbackend.New(afero.FromIOFS{FS: back})
		if got := must2(list(b, "/")) + " " + must2(list(b, "/d")); got != "d f" {
			t.Errorf("%s: listed %q", name, got)
		}
		f, err := b.Open(ctx, at("/d/f"))
		must(t, err)
		for _, step := range []struct {
			offset int64
			whence int
			read   int
			want   string
		}{
			{0, io.SeekCurrent, 3, "012"}, {1, io.SeekCurrent, 2, "45"}, {-2, io.SeekEnd, 9, "89"}, {0, io.SeekEnd, 1, ""},
			{2, io.SeekStart, 2, "23"}, {-1, io.SeekCurrent, 1, "3"}, {20, io.SeekStart, 1, ""}, {0, io.SeekStart, 10, "0123456789"},
		} {
			must2(f.Seek(step.offset, step.whence))
			buf := make([]byte, step.read)
			n, err := io.ReadFull(f, buf)
			if string(buf[:n]) != step.want || err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("%s: after Seek(%d, %d) read %q, %v, want %q", name, step.offset, step.whence, buf[:n], err, step.want)
			}
		}
		must(t, f.Close())
		for what, err := range map[string]error{"Create": put(b, "/d/f", "x"), "Mkdir": b.Mkdir(ctx, at("/x")),
			"Remove": b.Remove(ctx, at("/d/f")), "Rename": b.Rename(ctx, at("/d"), at("/e"))} {
			if err == nil {
				t.Errorf("%s: %s succeeded", name, what)
			}
		}
	}
}

// archives returns a zip and a tar archive of the same files, without entries for directories.
func archives(t *testing.T) map[string]fsbackend.Backend {
	t.Helper()
	var zipped, tarred bytes.Buffer
	z, w := zip.NewWriter(&zipped), tar.NewWriter(&tarred)
	for name, content := range map[string]string{"top": "top", "d/f": strings.Repeat("0123456789", 1000), "d/e/g": "g"} {
		must2(must2(z.Create(name)).Write([]byte(content)))
		must(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg}))
		must2(w.Write([]byte(content)))
	}
	must(t, z.Close())
	must(t, w.Close())
	r := must2(zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len())))
	return map[string]fsbackend.Backend{
		"zipfs": fsbackend.New(zipfs.New(r)),
		"tarfs": fsbackend.New(tarfs.New(tar.NewReader(&tarred))),
	}
}

func TestArchives(t *testing.T) {
	for name, b := range archives(t) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for dir, want := range map[string]string{"/": "d top", "/d": "e f", "/d/e": "g"} {
					if got, err := list(b, dir); got != want || err != nil {
						t.Errorf("%s: %s lists %q, %v, want %q", name, dir, got, err, want)
					}
				}
				for range 5 {
					if got, err := get(b, "/d/f"); got != strings.Repeat("0123456789", 1000) || err != nil {
						t.Errorf("%s: /d/f holds %.20q, %v", name, got, err)
					}
				}
				f, err := b.Open(ctx, at("/d/f"))
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				for _, offset := range []int64{9000, 15, 5001} {
					buf := make([]byte, 3)
					if _, err := f.Seek(offset, io.SeekStart); err != nil {
						t.Errorf("%s: Seek(%d): %v", name, offset, err)
					}
					want := "0123456789012"[offset%10 : offset%10+3]
					if _, err := io.ReadFull(f, buf); string(buf) != want || err != nil {
						t.Errorf("%s: at %d there is %q, %v, want %q", name, offset, buf, err, want)
					}
				}
				if fi, err := b.Stat(ctx, at("/d/e")); err != nil || !fi.IsDir() {
					t.Errorf("%s: Stat of a directory without an entry = %v, %v", name, fi, err)
				}
			})
		}
		wg.Wait()
		for what, err := range map[string]error{"Create": put(b, "/new", "x"), "Create over a file": put(b, "/top", "x"),
			"Mkdir": b.Mkdir(ctx, at("/x")), "Remove": b.Remove(ctx, at("/top")), "Rename": b.Rename(ctx, at("/d"), at("/e"))} {
			if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
				t.Errorf("%s: %s = %v, want %v or %v", name, what, err, fs.ErrPermission, syscall.EROFS)
			}
		}
	}
}

// unreadableMember is an OsFs in which one member cannot be looked at, as in a directory that may be
// listed and not searched.
type unreadableMember struct {
	afero.Fs
	name string
}

func (f unreadableMember) Open(name string) (afero.File, error) {
	file, err := f.Fs.Open(name)
	return unreadableDir{file}, err
}

func (f unreadableMember) Stat(name string) (fs.FileInfo, error) {
	if name == f.name {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrPermission}
	}
	return f.Fs.Stat(name)
}

type unreadableDir struct{ afero.File }

func (unreadableDir) Readdir(int) ([]fs.FileInfo, error) { return nil, fs.ErrPermission }

// TestUnreadableMember lists the others, and gives the member its own error.
func TestUnreadableMember(t *testing.T) {
	tree := afero.NewMemMapFs()
	for _, name := range []string{"/c/a", "/c/b"} {
		if err := afero.WriteFile(tree, name, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := fsbackend.New(unreadableMember{tree, "/c/b"}).OpenDir(t.Context(), davpath.Must("/c"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Names()
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Fatalf("Names = %q, %v", names, err)
	}
	infos, errs := make([]fsbackend.Info, 2), make([]error, 2)
	dir.Lstat(names, infos, errs)
	if errs[0] != nil || infos[0].Size() != 4 || !errors.Is(errs[1], fs.ErrPermission) {
		t.Errorf("Lstat = %v, %v", infos, errs)
	}
}
