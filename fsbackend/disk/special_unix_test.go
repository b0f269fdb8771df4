//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dav207/server/davpath"
)

// inTime runs f and fails if it takes longer than anything here may: it waits then for somebody
// at a FIFO.
func inTime(t *testing.T, what string, f func()) {
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
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
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
		at := davpath.Must
		for name, kind := range kinds {
			if fi, err := b.Stat(ctx, at(name)); err != nil || fi.Mode().Type() != kind {
				t.Errorf("Stat %s = %v, %v, want %v", name, fi, err, kind)
			}
			inTime(t, name, func() {
				for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREATE | os.O_TRUNC} {
					if _, err := (&Fs{b}).OpenFile(name, flag, 0o666); !errors.Is(err, fs.ErrPermission) {
						t.Errorf("Fs.OpenFile %s, %#x = %v, want %v", name, flag, err, fs.ErrPermission)
					}
				}
				_, openErr := b.Open(ctx, at(name))
				for what, err := range map[string]error{
					"Open":          openErr,
					"Create":        put(b, name, "x"),
					"CopyFile from": b.CopyFile(ctx, at(name), at("/copy")),
					"CopyFile to":   b.CopyFile(ctx, at("/f"), at(name)),
				} {
					if !errors.Is(err, fs.ErrPermission) {
						t.Errorf("%s %s = %v, want %v", what, name, err, fs.ErrPermission)
					}
				}
				if _, err := b.OpenDir(ctx, at(name)); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("OpenDir %s = %v", name, err)
				}
			})
		}
		noTemps(t, root)
		infos, err := list(b, "/")
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
			must(t, b.Remove(ctx, at(name)))
		}
	})
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

// Somebody on the host puts a FIFO in the place of the file between the look and the opening.
func TestFIFOSwappedIn(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		file, fifo, name := filepath.Join(root, "file"), filepath.Join(root, "fifo"), filepath.Join(root, "x")
		write(t, file, "file")
		must(t, syscall.Mkfifo(fifo, 0o666))
		stop := swap(t, func() {
			os.Link(file, name+"1")
			os.Rename(name+"1", name)
			os.Link(fifo, name+"2")
			os.Rename(name+"2", name)
		})
		inTime(t, "a FIFO that was swapped in", func() {
			for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
				if f, err := b.Open(ctx, davpath.Must("/x")); err == nil {
					if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
						t.Errorf("opened %v, %v", fi, err)
					}
					f.Close()
				}
				for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREATE} {
					f, err := (&Fs{b}).OpenFile("/x", flag, 0o666)
					if err != nil {
						continue
					}
					if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
						t.Errorf("opened %v, %v", fi, err)
					}
					f.Close()
				}
			}
		})
		stop()
	})
}

// Somebody on the host swaps a directory and a link that leads out, as fast as he can: the secret
// is neither read nor changed, and nothing comes into being beside it.
func TestSwappedDirectory(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, outside := served(t)
		b.noKernel = noKernel
		f := &Fs{b}
		at := davpath.Must
		dir, away, link := filepath.Join(root, "d"), filepath.Join(root, "away"), filepath.Join(root, "link")
		must(t, os.Mkdir(dir, 0o777))
		write(t, filepath.Join(dir, "secret"), "public")
		symlink(t, outside, filepath.Join(root, "abs"))
		symlink(t, "../outside", link)
		write(t, filepath.Join(outside, "only-outside"), "")
		before := must2(os.Stat(filepath.Join(outside, "secret"))).ModTime()
		var swaps atomic.Int64
		stop := swap(t, func() {
			os.Rename(dir, away)
			os.Rename(link, dir)
			os.Rename(dir, link)
			os.Rename(away, dir)
			swaps.Add(1)
		})
		var reads, writes, listings atomic.Int64
		var wg sync.WaitGroup
		end := time.Now().Add(time.Second)
		for _, try := range []func(){
			func() {
				if got, err := get(b, "/d/secret"); err == nil {
					if reads.Add(1); got == "secret" {
						t.Error("the secret was read")
					}
				}
				if b.CopyFile(ctx, at("/d/secret"), at("/copy")) == nil {
					if got, _ := get(b, "/copy"); got == "secret" {
						t.Error("the secret was copied")
					}
				}
			},
			func() {
				if put(b, "/d/secret", "public") == nil {
					writes.Add(1)
				}
				if file, err := f.Create("/d/secret"); err == nil {
					file.WriteString("public")
					file.Close()
				}
				b.Mkdir(ctx, at("/d/new"))
				b.RemoveTree(ctx, at("/d/new"), func(davpath.Path) {})
				f.RemoveAll("/d/new")
				b.SetModTime(ctx, at("/d/secret"), time.Unix(1, 0))
				b.Rename(ctx, at("/copy"), at("/d/copy"))
				b.Remove(ctx, at("/d/copy"))
				f.CleanTemp(ctx, true, nil)
			},
			func() {
				infos, err := list(b, "/d")
				if err == nil {
					listings.Add(1)
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
		wg.Wait()
		stop()
		if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
			t.Errorf("the secret is %q now", got)
		}
		if after := must2(os.Stat(filepath.Join(outside, "secret"))).ModTime(); !after.Equal(before) {
			t.Error("the time of the secret was changed")
		}
		if got := namesIn(t, outside); len(got) != 2 {
			t.Errorf("outside holds %v now", got)
		}
		t.Logf("%d swaps, %d reads, %d writes, %d listings", swaps.Load(), reads.Load(), writes.Load(), listings.Load())
		if swaps.Load() == 0 || reads.Load() == 0 || writes.Load() == 0 || listings.Load() == 0 {
			t.Error("nothing was tried")
		}
	})
}

// A directory that is gone needs no sync, whatever has its name by then.
func TestSyncOfWhatIsGone(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, &Options{Sync: true}).b
	batch, sync := b.Batch(ctx)
	for _, err := range []error{
		b.Mkdir(batch, davpath.Must("/d")), b.Mkdir(batch, davpath.Must("/d/e")),
		b.Remove(batch, davpath.Must("/d/e")), b.Remove(batch, davpath.Must("/d")),
		syscall.Mkfifo(filepath.Join(root, "d"), 0o666),
	} {
		must(t, err)
	}
	if err := sync(); err != nil {
		t.Errorf("sync = %v", err)
	}
}
