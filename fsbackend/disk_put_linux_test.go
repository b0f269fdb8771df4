package fsbackend_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dav207/fsbackend"
)

// put calls Put, and says what admit was asked about.
func put(d *fsbackend.Disk, name, content string, admit error) (asked string, fi fs.FileInfo, err error) {
	size := func(fi fs.FileInfo) string {
		if fi == nil {
			return "nothing"
		}
		return strings.Repeat("x", int(fi.Size()))
	}
	fi, err = d.Put(ctx, name, []byte(content), func(old fs.FileInfo) error {
		asked += "admit " + size(old) + " "
		return admit
	})
	return strings.TrimSpace(asked), fi, err
}

// What Put does it does as Stage; what it cannot it leaves to Stage, and says so before anything has happened.
func TestPut(t *testing.T) {
	refusal := errors.New("refused")
	for _, tt := range []struct {
		what, name string
		admit      error
		asked      string
		err        error
		left       string // in the directory, and what is in it
	}{
		{"a new file", "/d/new", nil, "admit nothing", nil, "link=old new=content old=old sub"},
		{"a file is replaced", "/d/old", nil, "admit xxx", nil, "link=content old=content sub"},
		{"admit refuses a new one", "/d/new", refusal, "admit nothing", refusal, "link=old old=old sub"},
		{"admit refuses a replacement", "/d/old", refusal, "admit xxx", refusal, "link=old old=old sub"},
		{"a link", "/d/link", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
		{"a directory", "/d/sub", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
		{"a link on the way", "/way/new", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
		{"no parent", "/none/new", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
		{"a file on the way", "/d/old/new", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
		{"out", "/../new", nil, "admit nothing", nil, "link=old old=old sub"}, // which is /new
		{"no name", "/", nil, "", errors.ErrUnsupported, "link=old old=old sub"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			d, root, _ := served(t)
			must(t, os.MkdirAll(filepath.Join(root, "d", "sub"), 0o777))
			write(t, filepath.Join(root, "d", "old"), "old")
			symlink(t, "old", filepath.Join(root, "d", "link"))
			symlink(t, "d", filepath.Join(root, "way"))
			if _, _, err := put(d, "/probe", "", nil); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("without openat2 nothing is put at once")
			}
			asked, fi, err := put(d, tt.name, "content", tt.admit)
			if asked != tt.asked || !errors.Is(err, tt.err) {
				t.Errorf("asked %q, error %v, want %q, %v", asked, err, tt.asked, tt.err)
			}
			var left []string
			for _, e := range must2(os.ReadDir(filepath.Join(root, "d"))) {
				if e.IsDir() {
					left = append(left, e.Name())
				} else {
					left = append(left, e.Name()+"="+read(t, filepath.Join(root, "d", e.Name())))
				}
			}
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("left %q, want %q", got, tt.left)
			}
			if err != nil {
				return
			}
			there := must2(d.Stat(ctx, tt.name))
			want, _ := fsbackend.ETag(there)
			if got, ok := fsbackend.ETag(fi); !ok || got != want || fi.Name() != there.Name() || fi.Size() != 7 {
				t.Errorf("said of it %v %s, want %v %s", fi, got, there, want)
			}
		})
	}
}

func TestPutKeepsMode(t *testing.T) {
	d, root, _ := served(t)
	f := filepath.Join(root, "f")
	write(t, f, "old")
	for _, mode := range []fs.FileMode{0o600, 0o644, 0o666, 0o777} { // with any umask
		must(t, os.Chmod(f, mode))
		owner := os.Getuid() == 0
		if owner {
			must(t, os.Chown(f, 4711, 4712))
		}
		if _, _, err := put(d, "/f", "new", nil); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("without openat2 nothing is put at once")
		} else if err != nil {
			t.Fatal(err)
		}
		fi := must2(os.Stat(f))
		if st := fi.Sys().(*syscall.Stat_t); fi.Mode() != mode || owner && (st.Uid != 4711 || st.Gid != 4712) {
			t.Errorf("mode %v of %d:%d, want %v and the owner as before", fi.Mode(), st.Uid, st.Gid, mode)
		}
	}
}

// Whoever is gone when it comes to the last step has changed nothing.
func TestPutCancelled(t *testing.T) {
	d, root, _ := served(t)
	gone, cancel := context.WithCancel(ctx)
	_, err := d.Put(gone, "/f", []byte("x"), func(fs.FileInfo) error { cancel(); return nil })
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("without openat2 nothing is put at once")
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if names := must2(os.ReadDir(root)); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

// What has to be on the disk before it is answered goes the long way.
func TestPutSync(t *testing.T) {
	d, _, _ := served(t)
	d.Sync = true
	if asked, _, err := put(d, "/f", "x", nil); asked != "" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("asked %q, error %v, want %v", asked, err, errors.ErrUnsupported)
	}
}

// Readers see one content or the other, whole, and never that nothing is there.
func TestPutIsAtomic(t *testing.T) {
	d, _, _ := served(t)
	contents := []string{strings.Repeat("a", 3000), strings.Repeat("b", 5000)}
	if _, _, err := put(d, "/f", contents[0], nil); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("without openat2 nothing is put at once")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range contents {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := put(d, "/f", contents[i], nil); err != nil && !errors.Is(err, errors.ErrUnsupported) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3000 {
		if got, err := readAll(d, "/f"); err != nil || got != contents[0] && got != contents[1] {
			t.Errorf("read %d bytes, %v", len(got), err)
			break
		}
	}
	close(stop)
	wg.Wait()
}

// A small file that is open is one like every other.
func TestBrief(t *testing.T) {
	d, root, _ := served(t)
	write(t, filepath.Join(root, "f"), "0123456789")
	f, err := d.OpenFile(ctx, "/f", os.O_RDONLY, 0)
	must(t, err)
	if got := string(must2(io.ReadAll(f))); got != "0123456789" {
		t.Errorf("read %q", got)
	}
	if at, err := f.Seek(-3, io.SeekEnd); at != 7 || err != nil {
		t.Errorf("Seek = %d, %v, want 7", at, err)
	}
	if _, err := f.Seek(-8, io.SeekCurrent); err == nil {
		t.Error("Seek before the start: no error")
	}
	// By the system, as sendfile does it: it is one place in the file for all.
	conn := must2(f.(syscall.Conn).SyscallConn())
	b := make([]byte, 2)
	must(t, conn.Read(func(fd uintptr) bool {
		_, err = syscall.Read(int(fd), b)
		return true
	}))
	if rest := string(must2(io.ReadAll(f))); string(b) != "78" || rest != "9" {
		t.Errorf("read %q and %q, want 78 and 9", b, rest)
	}
	must2(f.Stat())
	write(t, filepath.Join(root, "f"), "longer than before")
	if fi := must2(f.Stat()); fi.Size() != 18 || fi.Name() != "f" {
		t.Errorf("a second Stat = %v, want that of now", fi)
	}
	if _, err := f.Write(b); err == nil {
		t.Error("Write: no error")
	}
	if _, err := f.Readdir(0); err == nil {
		t.Error("Readdir: no error")
	}
	must(t, f.Close())
	_, readErr := f.Read(b)
	_, seekErr := f.Seek(0, io.SeekStart)
	_, statErr := f.Stat()
	for what, err := range map[string]error{"Read": readErr, "Seek": seekErr, "Stat": statErr, "Close": f.Close(),
		"Control": conn.Control(func(uintptr) { t.Error("called") })} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close = %v, want %v", what, err, fs.ErrClosed)
		}
	}
}
