//go:build unix

package fsbackend_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// within runs f and fails if it takes longer than anything here may: it waits then for somebody at a FIFO.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s blocks", what)
	}
}

func TestSpecialFilesAreNotOpened(t *testing.T) {
	d, root, _ := served(t)
	must(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o666))
	symlink(t, "fifo", filepath.Join(root, "link"))
	write(t, filepath.Join(root, "f"), "file")
	kinds := map[string]fs.FileMode{"/fifo": fs.ModeNamedPipe, "/link": fs.ModeNamedPipe}
	t.Chdir(root) // the name of a socket is short
	if l, err := net.Listen("unix", "socket"); err == nil {
		defer l.Close()
		kinds["/socket"] = fs.ModeSocket
	}
	if syscall.Mknod(filepath.Join(root, "null"), syscall.S_IFCHR|0o666, 1<<8|3) == nil {
		kinds["/null"] = fs.ModeDevice | fs.ModeCharDevice
	}
	for name, kind := range kinds {
		if fi, err := d.Stat(ctx, name); err != nil || fi.Mode().Type() != kind {
			t.Errorf("Stat %s = %v, %v, want %v", name, fi, err, kind)
		}
		within(t, name, func() {
			for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREATE | os.O_TRUNC} {
				if _, err := d.OpenFile(ctx, name, flag, 0o666); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("OpenFile %s, %#x = %v, want %v", name, flag, err, fs.ErrPermission)
				}
			}
			for what, err := range map[string]error{
				"Stage":         stage(d, name, "x"),
				"CopyFile from": d.CopyFile(ctx, name, "/copy"),
				"CopyFile to":   d.CopyFile(ctx, "/f", name),
			} {
				if !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s %s = %v, want %v", what, name, err, fs.ErrPermission)
				}
			}
		})
	}
	noneAside(t, root)
	f, err := d.OpenFile(ctx, "/", os.O_RDONLY, 0)
	must(t, err)
	defer f.Close()
	infos, err := f.Readdir(-1)
	must(t, err)
	if len(infos) != len(kinds)+1 {
		t.Errorf("%d members are listed, want %d", len(infos), len(kinds)+1)
	}
	for _, fi := range infos {
		if kind, ok := kinds["/"+fi.Name()]; ok && fi.Name() != "link" && fi.Mode().Type() != kind {
			t.Errorf("%s is listed as %v, want %v", fi.Name(), fi.Mode(), kind)
		}
	}
	for name := range kinds {
		must(t, d.Remove(ctx, name))
	}
}

// Somebody on the host puts a FIFO in the place of the file between the look and the opening.
func TestFIFOSwappedIn(t *testing.T) {
	d, root, _ := served(t)
	file, fifo, name := filepath.Join(root, "file"), filepath.Join(root, "fifo"), filepath.Join(root, "x")
	write(t, file, "file")
	must(t, syscall.Mkfifo(fifo, 0o666))
	stop := swap(t, func() {
		os.Link(file, name+"1")
		os.Rename(name+"1", name)
		os.Link(fifo, name+"2")
		os.Rename(name+"2", name)
	})
	within(t, "a FIFO that was swapped in", func() {
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			for _, flag := range []int{os.O_RDONLY, os.O_WRONLY} {
				f, err := d.OpenFile(ctx, "/x", flag, 0)
				if err != nil {
					continue
				}
				if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
					t.Errorf("opened %v, %v", fi.Mode(), err)
				}
				f.Close()
			}
		}
	})
	stop()
}

// swap runs f again and again until the returned function is called.
func swap(t *testing.T, f func()) (stop func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			f()
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { done.Store(true); wg.Wait() }) }
	t.Cleanup(stop)
	return stop
}

// Somebody on the host swaps a directory and a link that leads out, as fast as he can: the secret is neither read nor
// changed, and nothing comes into being beside it.
func TestSwappedDirectory(t *testing.T) {
	d, root, outside := served(t)
	dir, away, link := filepath.Join(root, "d"), filepath.Join(root, "away"), filepath.Join(root, "link")
	must(t, os.Mkdir(dir, 0o777))
	write(t, filepath.Join(dir, "secret"), "public")
	symlink(t, outside, filepath.Join(root, "abs"))
	symlink(t, "../outside", link)
	var swaps atomic.Int64
	stop := swap(t, func() {
		os.Rename(dir, away)
		os.Rename(link, dir)
		os.Rename(dir, link)
		os.Rename(away, dir)
		swaps.Add(1)
	})
	var read, written, listed atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(time.Second)
	for _, try := range []func(){
		func() {
			if got, err := readAll(d, "/d/secret"); err == nil {
				if read.Add(1); got == "secret" {
					t.Error("the secret was read")
				}
			}
			if d.CopyFile(ctx, "/d/secret", "/copy") == nil {
				if got, _ := readAll(d, "/copy"); got == "secret" {
					t.Error("the secret was copied")
				}
			}
		},
		func() {
			if stage(d, "/d/secret", "public") == nil {
				written.Add(1)
			}
			if f, err := d.OpenFile(ctx, "/d/secret", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err == nil {
				io.WriteString(f, "public")
				f.Close()
			}
			d.Mkdir(ctx, "/d/new", 0o777)
			d.RemoveAll(ctx, "/d/new")
			d.Chtimes(ctx, "/d/secret", time.Unix(1, 0))
			d.Rename(ctx, "/copy", "/d/copy")
			d.Remove(ctx, "/d/copy")
		},
		func() {
			f, err := d.OpenFile(ctx, "/d", os.O_RDONLY, 0)
			if err != nil {
				return
			}
			defer f.Close()
			infos, err := f.Readdir(-1)
			if err == nil {
				listed.Add(1)
			}
			for _, fi := range infos {
				if fi.Name() == "only-outside" {
					t.Error("the outside was listed")
				}
			}
		},
	} {
		wg.Go(func() {
			for time.Now().Before(end) {
				try()
			}
		})
	}
	write(t, filepath.Join(outside, "only-outside"), "")
	before := must2(os.Stat(filepath.Join(outside, "secret"))).ModTime()
	wg.Wait()
	stop()
	if got := must2(os.ReadFile(filepath.Join(outside, "secret"))); string(got) != "secret" {
		t.Errorf("the secret is %q now", got)
	}
	if after := must2(os.Stat(filepath.Join(outside, "secret"))).ModTime(); !after.Equal(before) {
		t.Error("the time of the secret was changed")
	}
	if entries := must2(os.ReadDir(outside)); len(entries) != 2 {
		t.Errorf("outside holds %v now", entries)
	}
	t.Logf("%d swaps, %d reads, %d writes, %d listings", swaps.Load(), read.Load(), written.Load(), listed.Load())
	if swaps.Load() == 0 || read.Load() == 0 || written.Load() == 0 || listed.Load() == 0 {
		t.Error("nothing was tried")
	}
}

func TestModes(t *testing.T) {
	d, root, _ := served(t)
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	mode := func(name string) fs.FileMode { return must2(os.Stat(filepath.Join(root, name))).Mode() }

	must(t, stage(d, "/new", "x"))
	if got := mode("new"); got != 0o640 {
		t.Errorf("mode of a new file = %v, want 0666 less the umask", got)
	}
	must(t, d.Mkdir(ctx, "/dir", 0o777))
	if got := mode("dir").Perm(); got != 0o750 {
		t.Errorf("mode of a new directory = %v", got)
	}
	for _, perm := range []fs.FileMode{0o600, 0o666, 0o755, 0o755 | fs.ModeSetuid} {
		must(t, os.Chmod(filepath.Join(root, "new"), perm))
		must(t, stage(d, "/new", "y"))
		if got := mode("new"); got != perm.Perm() {
			t.Errorf("mode of a replaced file = %v, want %v", got, perm.Perm())
		}
		must(t, os.Chmod(filepath.Join(root, "new"), perm))
		must(t, d.CopyFile(ctx, "/new", "/copy"))
		if got := mode("copy"); got != perm.Perm() {
			t.Errorf("mode of a copy = %v, want %v", got, perm.Perm())
		}
	}
	if os.Getuid() == 0 {
		must(t, os.Chown(filepath.Join(root, "new"), 12345, 54321))
		must(t, stage(d, "/new", "z"))
		st := must2(os.Stat(filepath.Join(root, "new"))).Sys().(*syscall.Stat_t)
		if st.Uid != 12345 || st.Gid != 54321 {
			t.Errorf("owner of a replaced file = %d:%d", st.Uid, st.Gid)
		}
		write(t, filepath.Join(root, "other"), "x")
		must(t, d.CopyFile(ctx, "/other", "/new"))
		st = must2(os.Stat(filepath.Join(root, "new"))).Sys().(*syscall.Stat_t)
		if st.Uid != 12345 || st.Gid != 54321 {
			t.Errorf("owner of a file that a copy replaced = %d:%d", st.Uid, st.Gid)
		}
	}
}

func TestPermissions(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may do everything")
	}
	d, root, _ := served(t)
	must(t, os.Mkdir(filepath.Join(root, "closed"), 0o777))
	must(t, os.Mkdir(filepath.Join(root, "fixed"), 0o777))
	for _, f := range []string{"closed/f", "fixed/f", "unreadable", "fixed-content"} {
		write(t, filepath.Join(root, f), "x")
	}
	for name, mode := range map[string]fs.FileMode{"closed": 0, "fixed": 0o555, "unreadable": 0o200, "fixed-content": 0o444} {
		must(t, os.Chmod(filepath.Join(root, name), mode))
		t.Cleanup(func() { os.Chmod(filepath.Join(root, name), 0o777) })
	}
	_, statErr := d.Stat(ctx, "/closed/f")
	_, dirErr := d.OpenFile(ctx, "/closed", os.O_RDONLY, 0)
	_, openErr := d.OpenFile(ctx, "/unreadable", os.O_RDONLY, 0)
	for what, err := range map[string]error{
		"Stat in a closed directory":        statErr,
		"listing a closed directory":        dirErr,
		"reading an unreadable file":        openErr,
		"copying an unreadable file":        d.CopyFile(ctx, "/unreadable", "/copy"),
		"staging a file that is read-only":  stage(d, "/fixed-content", "y"),
		"staging in a read-only directory":  stage(d, "/fixed/new", "y"),
		"replacing in a read-only one":      stage(d, "/fixed/f", "y"),
		"Mkdir in a read-only directory":    d.Mkdir(ctx, "/fixed/d", 0o777),
		"Remove in a read-only directory":   d.Remove(ctx, "/fixed/f"),
		"RemoveAll in a closed directory":   d.RemoveAll(ctx, "/closed"),
		"Rename out of a read-only one":     d.Rename(ctx, "/fixed/f", "/f"),
		"Rename into a read-only directory": d.Rename(ctx, "/unreadable", "/fixed/u"),
		"Sweep of a closed directory":       d.Sweep(ctx, nil),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
		}
		if err != nil && strings.Contains(err.Error(), root) {
			t.Errorf("%s: %q tells a path of the host", what, err)
		}
	}
	if _, err := d.Stat(ctx, "/unreadable"); err != nil {
		t.Errorf("Stat of an unreadable file: %v", err)
	}
	noneAside(t, root, filepath.Join(root, "fixed"))
}

// A copy that is cancelled on its way leaves what was there, whether the file is copied as a whole
// or between its holes.
func TestCopyCancelled(t *testing.T) {
	d, root, _ := served(t)
	src, err := os.Create(filepath.Join(root, "src"))
	must(t, err)
	defer src.Close()
	for i := range int64(4) {
		must2(src.WriteAt([]byte("data"), i<<30))
	}
	if err := src.Truncate(1 << 40); err != nil { // where holes are copied this takes for ever
		t.Skip("no large files here:", err)
	}
	write(t, filepath.Join(root, "dst"), "old")
	ending := &endingContext{Context: ctx}
	if err := d.CopyFile(ending, "/src", "/dst"); !errors.Is(err, context.Canceled) || ending.asked > 5 {
		t.Errorf("CopyFile = %v after %d looks at the context, want %v after the third", err, ending.asked, context.Canceled)
	}
	if got := read(t, filepath.Join(root, "dst")); got != "old" {
		t.Errorf("dst = %.10q, want what was there", got)
	}
	noneAside(t, root)
}

// endingContext is done when it is asked for the third time.
type endingContext struct {
	context.Context
	asked int
}

func (c *endingContext) Err() error {
	if c.asked++; c.asked < 3 {
		return nil
	}
	return context.Canceled
}
