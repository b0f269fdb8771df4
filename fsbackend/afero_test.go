package fsbackend_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
)

// afero.MemMapFs crashes the process when two goroutines rename one file; behind New one of them wins.
func TestMemMapFsDoesNotCrash(t *testing.T) {
	for _, back := range []afero.Fs{afero.NewMemMapFs(), fsbackend.Memory()} {
		d := fsbackend.New(back)
		for range 200 {
			must(t, afero.WriteFile(back, "/f", nil, 0o666))
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for i := range errs {
				wg.Go(func() { errs[i] = d.Rename(ctx, "/f", "/g") })
			}
			wg.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("%s: %v and %v, want one to win", back.Name(), errs[0], errs[1])
			}
		}
	}
}

// afero.CopyOnWriteFs says that it removed what is only in the layer below, and shows it still.
func TestRemovalIsVerified(t *testing.T) {
	base := afero.NewMemMapFs()
	must(t, base.MkdirAll("/d/e", 0o777))
	must(t, afero.WriteFile(base, "/d/f", []byte("x"), 0o666))
	d := fsbackend.New(afero.NewCopyOnWriteFs(base, afero.NewMemMapFs()))
	for what, err := range map[string]error{
		"RemoveAll":           d.RemoveAll(ctx, "/d"),
		"Remove of a file":    d.Remove(ctx, "/d/f"),
		"Remove of directory": d.Remove(ctx, "/d/e"),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
		}
	}
}

func TestReadOnlyBackend(t *testing.T) {
	base := fsbackend.Memory()
	must(t, base.Mkdir("/d", 0o777))
	must(t, afero.WriteFile(base, "/f", []byte("x"), 0o666))
	d := fsbackend.New(afero.NewReadOnlyFs(base))
	_, _, stageErr := d.Stage(ctx, "/f")
	_, createErr := d.OpenFile(ctx, "/new", os.O_WRONLY|os.O_CREATE, 0o666)
	for what, err := range map[string]error{
		"Stage": stageErr, "create": createErr, "Mkdir": d.Mkdir(ctx, "/x", 0o777), "Remove": d.Remove(ctx, "/f"),
		"RemoveAll": d.RemoveAll(ctx, "/d"), "Rename": d.Rename(ctx, "/f", "/g"), "CopyFile": d.CopyFile(ctx, "/f", "/g"),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
		}
	}
	f, err := d.OpenFile(ctx, "/f", os.O_RDONLY, 0)
	must(t, err)
	must(t, f.Close())
}

// stubborn does not rename over a file, as many SFTP servers do not.
type stubborn struct {
	afero.Fs
	broken bool // a file that was staged gets no other name at all
}

func (s *stubborn) Rename(from, to string) error {
	if _, err := s.Fs.Stat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: errors.New("failure")}
	}
	if content, _ := afero.ReadFile(s.Fs, from); s.broken && string(content) == "staged" {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EIO}
	}
	return s.Fs.Rename(from, to)
}

func TestBackendThatDoesNotReplace(t *testing.T) {
	mem := fsbackend.Memory()
	d := fsbackend.New(&stubborn{Fs: mem})
	for _, content := range []string{"one", "two", "three"} {
		w, commit, err := d.Stage(ctx, "/f")
		must(t, err)
		must2(w.Write([]byte(content)))
		must(t, commit())
		if got := string(must2(afero.ReadFile(mem, "/f"))); got != content {
			t.Errorf("content = %q, want %q", got, content)
		}
	}
	broken := fsbackend.New(&stubborn{Fs: mem, broken: true})
	w, commit, err := broken.Stage(ctx, "/f")
	must(t, err)
	must2(w.Write([]byte("staged")))
	if err := commit(); !errors.Is(err, syscall.EIO) {
		t.Errorf("commit = %v, want %v", err, syscall.EIO)
	}
	if got := string(must2(afero.ReadFile(mem, "/f"))); got != "three" {
		t.Errorf("content = %q, want what was there", got)
	}
	if names := must2(must2(mem.Open("/")).Readdirnames(-1)); len(names) != 1 {
		t.Errorf("the tree holds %q", names)
	}
}

// What the infos of a back end know besides gets through, and so does the file of the system.
func TestPassThrough(t *testing.T) {
	mem := fsbackend.Memory()
	must(t, afero.WriteFile(mem, "/f", []byte("x"), 0o666))
	for _, back := range []afero.Fs{mem, afero.NewReadOnlyFs(mem), afero.NewBasePathFs(mem, "/")} {
		d := fsbackend.New(back)
		fi := must2(d.Stat(ctx, "/f"))
		want := must2(must2(mem.Stat("/f")).(webdav.ETager).ETag(ctx))
		if got := must2(fi.(webdav.ETager).ETag(ctx)); got != want {
			t.Errorf("%s: ETag = %s, want %s", back.Name(), got, want)
		}
		if fi.(interface{ SameFile(fs.FileInfo) bool }).SameFile(must2(d.Stat(ctx, "/"))) {
			t.Errorf("%s: SameFile takes the root for the file", back.Name())
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "f"), "x")
	for _, back := range []afero.Fs{
		afero.NewBasePathFs(afero.NewOsFs(), dir), afero.NewBasePathFs(afero.NewBasePathFs(afero.NewOsFs(), dir), "/"),
	} {
		d := fsbackend.New(back)
		f, err := d.OpenFile(ctx, "/f", os.O_RDONLY, 0)
		must(t, err)
		if _, ok := f.(*os.File); !ok {
			t.Errorf("opened %T: sendfile wants *os.File", f)
		}
		tag, ok := fsbackend.ETag(must2(f.Stat()))
		if want := must2(must2(d.Stat(ctx, "/f")).(webdav.ETager).ETag(context.Background())); tag != want || !ok {
			t.Errorf("ETag by the handle = %s, want %s", tag, want)
		}
		must(t, f.Close())
	}
}
