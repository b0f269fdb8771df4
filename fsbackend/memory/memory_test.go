package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

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

func write(t *testing.T, m *memory.Fs, name, content string) {
	t.Helper()
	must(t, afero.WriteFile(m, name, []byte(content), 0o666))
}

// The errors of rename(2), open(2), mkdir(2) and unlink(2), which afero.MemMapFs does not return.
func TestIsPOSIX(t *testing.T) {
	for _, tt := range []struct {
		why  string
		do   func(m *memory.Fs) error
		want error
		left string
	}{
		{"mkdir without a parent", func(m *memory.Fs) error { return m.Mkdir("/none/x", 0o777) }, syscall.ENOENT, ""},
		{"mkdir below a file", func(m *memory.Fs) error { return m.Mkdir("/f/x", 0o777) }, syscall.ENOTDIR, ""},
		{"mkdir of what exists", func(m *memory.Fs) error { return m.Mkdir("/d", 0o777) }, syscall.EEXIST, ""},
		{"mkdir of the root", func(m *memory.Fs) error { return m.Mkdir("/", 0o777) }, syscall.EEXIST, ""},
		{"mkdirall over a file", func(m *memory.Fs) error { return m.MkdirAll("/f/x", 0o777) }, syscall.ENOTDIR, ""},
		{"mkdirall", func(m *memory.Fs) error { return m.MkdirAll("/d/x/y", 0o777) }, nil, "/d /d/1 /d/x /d/x/y /e /f"},
		{"create without a parent", func(m *memory.Fs) error { _, err := m.Create("/none/x"); return err }, syscall.ENOENT, ""},
		{"create below a file", func(m *memory.Fs) error { _, err := m.Create("/f/x"); return err }, syscall.ENOTDIR, ""},
		{"create over a directory", func(m *memory.Fs) error { _, err := m.Create("/d"); return err }, syscall.EISDIR, ""},
		{"open what is below a file", func(m *memory.Fs) error { _, err := m.Open("/f/x"); return err }, syscall.ENOTDIR, ""},
		{"remove with members", func(m *memory.Fs) error { return m.Remove("/d") }, syscall.ENOTEMPTY, ""},
		{"remove nothing", func(m *memory.Fs) error { return m.Remove("/none") }, syscall.ENOENT, ""},
		{"remove the root", func(m *memory.Fs) error { return m.Remove("/") }, syscall.EBUSY, ""},
		{"remove all of the root", func(m *memory.Fs) error { return m.RemoveAll("/") }, syscall.EBUSY, ""},
		{"remove all of nothing", func(m *memory.Fs) error { return m.RemoveAll("/none/x") }, nil, ""},
		{"rename nothing", func(m *memory.Fs) error { return m.Rename("/none", "/x") }, syscall.ENOENT, ""},
		{"rename to itself", func(m *memory.Fs) error { return m.Rename("/d", "/d") }, nil, ""},
		{"file over file", func(m *memory.Fs) error { return m.Rename("/f", "/d/1") }, nil, "/d /d/1 /e"},
		{"file over directory", func(m *memory.Fs) error { return m.Rename("/f", "/e") }, syscall.EISDIR, ""},
		{"directory over file", func(m *memory.Fs) error { return m.Rename("/d", "/f") }, syscall.ENOTDIR, ""},
		{"directory over empty one", func(m *memory.Fs) error { return m.Rename("/d", "/e") }, nil, "/e /e/1 /f"},
		{"directory over full one", func(m *memory.Fs) error { return m.Rename("/e", "/d") }, syscall.ENOTEMPTY, ""},
		{"directory into itself", func(m *memory.Fs) error { return m.Rename("/d", "/d/x") }, syscall.EINVAL, ""},
		{"into a missing parent", func(m *memory.Fs) error { return m.Rename("/d", "/none/x") }, syscall.ENOENT, ""},
		{"into a file", func(m *memory.Fs) error { return m.Rename("/d", "/f/x") }, syscall.ENOTDIR, ""},
		{"file below itself", func(m *memory.Fs) error { return m.Rename("/f", "/f/x") }, syscall.ENOTDIR, ""},
		{"a sibling with the same beginning", func(m *memory.Fs) error { return m.Rename("/d", "/dd") }, nil, "/dd /dd/1 /e /f"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			m := memory.New(nil)
			must(t, m.Mkdir("/d", 0o777))
			must(t, m.Mkdir("/e", 0o777))
			write(t, m, "/d/1", "one")
			write(t, m, "/f", "file")
			if err := tt.do(m); !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			var left []string
			must(t, afero.Walk(m, "/", func(p string, _ fs.FileInfo, err error) error {
				left = append(left, p)
				return err
			}))
			want := tt.left
			if want == "" {
				want = "/d /d/1 /e /f"
			}
			if got := strings.Join(left[1:], " "); got != want {
				t.Errorf("left %q, want %q", got, want)
			}
		})
	}
}

func TestHandles(t *testing.T) {
	m := memory.New(nil)
	write(t, m, "/f", "0123456789")
	open := func(flag int) afero.File {
		t.Helper()
		f, err := m.OpenFile("/f", flag, 0o666)
		must(t, err)
		return f
	}
	content := func() string { return string(must2(afero.ReadFile(m, "/f"))) }

	r := open(os.O_RDONLY)
	if _, err := r.Write([]byte("x")); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Write on O_RDONLY = %v", err)
	}
	if err := r.Truncate(0); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Truncate on O_RDONLY = %v", err)
	}
	w := open(os.O_WRONLY)
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Read on O_WRONLY = %v", err)
	}
	if _, err := w.WriteAt([]byte("AB"), 9); err != nil || content() != "012345678AB" {
		t.Errorf("WriteAt over the end: %q, %v", content(), err)
	}
	if _, err := w.WriteAt([]byte("C"), 13); err != nil || content() != "012345678AB\x00\x00C" {
		t.Errorf("WriteAt behind the end: %q, %v", content(), err)
	}
	must(t, w.Truncate(3))
	must(t, w.Truncate(5))
	if content() != "012\x00\x00" {
		t.Errorf("cut and extended: %q, want zeros where the old content was", content())
	}
	a := open(os.O_WRONLY | os.O_APPEND)
	must2(w.WriteAt([]byte("#"), 6))
	must2(a.WriteString("end"))
	if content() != "012\x00\x00\x00#end" {
		t.Errorf("appended: %q", content())
	}
	if _, err := a.WriteAt([]byte("x"), 0); err == nil {
		t.Error("WriteAt with O_APPEND succeeded")
	}
	for _, size := range []int64{-1, 1 << 50} {
		if err := w.Truncate(size); err == nil {
			t.Errorf("Truncate(%d) succeeded", size)
		}
	}
	if _, err := w.WriteAt([]byte("x"), 1<<60); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("WriteAt far behind the end = %v", err)
	}
	if _, err := r.Seek(-1, io.SeekStart); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Seek before the begin = %v", err)
	}
	if _, err := m.OpenFile("/f", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); !errors.Is(err, fs.ErrExist) {
		t.Errorf("O_EXCL = %v", err)
	}
	if f, err := m.OpenFile("/f", os.O_WRONLY|os.O_EXCL, 0); err != nil {
		t.Errorf("O_EXCL without O_CREATE = %v", err)
	} else {
		f.Close()
	}
	must(t, m.Remove("/f"))
	if b, err := io.ReadAll(r); string(b) != "012\x00\x00\x00#end" || err != nil {
		t.Errorf("read after removal = %q, %v", b, err)
	}
	must(t, r.Close())
	if err := r.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close = %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read after Close = %v", err)
	}
}

func TestCapacity(t *testing.T) {
	m := memory.New(&memory.Options{Capacity: 100})
	space := func(used uint64) {
		t.Helper()
		if u, free, err := m.Backend().Usage(ctx, at("/")); u != used || free != 100-used || err != nil {
			t.Errorf("Usage = %d, %d, %v, want %d, %d", u, free, err, used, 100-used)
		}
	}
	write(t, m, "/a", strings.Repeat("a", 60))
	f := must2(m.Create("/b"))
	if n, err := f.Write(make([]byte, 50)); n != 40 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %d, %v, want 40, %v", n, err, syscall.ENOSPC)
	}
	if n, err := f.Write(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %d, %v, want 0, %v", n, err, syscall.ENOSPC)
	}
	if n, err := f.WriteAt(make([]byte, 40), 0); n != 40 || err != nil {
		t.Errorf("Write over what is there = %d, %v", n, err)
	}
	if err := f.Truncate(41); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Truncate = %v", err)
	}
	space(100)
	must(t, m.Rename("/b", "/a")) // what /a held is gone
	space(40)
	must(t, m.Remove("/a")) // still open
	space(40)
	must(t, f.Close())
	space(0)
	must(t, m.MkdirAll("/d/e", 0o777))
	write(t, m, "/d/e/f", "12345")
	write(t, m, "/d/e/f", "123")
	space(3)
	must(t, m.RemoveAll("/d"))
	space(0)

	// For the server: the old content stays and nothing else is left.
	b := m.Backend()
	write(t, m, "/f", strings.Repeat("o", 60))
	u, err := b.Create(ctx, at("/f"))
	must(t, err)
	if _, err := u.Write(make([]byte, 50)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %v, want %v", err, syscall.ENOSPC)
	}
	must(t, u.Close())
	if _, err := u.Commit(ctx); err == nil {
		t.Error("Commit after Close succeeded")
	}
	if err := b.CopyFile(ctx, at("/f"), at("/g")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	space(60)
}

// A directory that is renamed back and forth is never listed under both names or under none.
func TestRenameIsAtomic(t *testing.T) {
	m := memory.New(nil)
	must(t, m.MkdirAll("/a/x", 0o777))
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !done.Load() {
				f := must2(m.Open("/"))
				names, err := f.Readdirnames(-1)
				f.Close()
				if err != nil || len(names) != 1 {
					t.Errorf("listed %q, %v", names, err)
					return
				}
			}
		})
	}
	for range 500 {
		must(t, m.Rename("/a", "/b"))
		must(t, m.Rename("/b", "/a"))
	}
	done.Store(true)
	wg.Wait()
}

func TestTimes(t *testing.T) {
	m := memory.New(nil)
	must(t, m.Mkdir("/d", 0o777))
	long := must2(m.Stat("/d")).ModTime().AddDate(-1, 0, 0)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"a new member", func() error { return afero.WriteFile(m, "/d/f", nil, 0o666) }},
		{"a renamed member", func() error { return m.Rename("/d/f", "/d/g") }},
		{"a removed member", func() error { return m.Remove("/d/g") }},
	} {
		must(t, m.Chtimes("/d", long, long))
		must(t, step.do())
		if got := must2(m.Stat("/d")).ModTime(); got.Equal(long) {
			t.Errorf("%s does not change the time of the directory", step.what)
		}
	}
	must(t, m.Chmod("/d", 0o700|fs.ModeDir))
	if got := must2(m.Stat("/d")).Mode(); got != fs.ModeDir|0o700 {
		t.Errorf("mode = %v", got)
	}
}

func TestListsInOrder(t *testing.T) {
	m := memory.New(nil)
	const n = 20_000
	for i := range n {
		write(t, m, fmt.Sprint("/", i*7919%n), "")
	}
	f := must2(m.Open("/"))
	defer f.Close()
	names := must2(f.Readdirnames(-1))
	if len(names) != n || !slices.IsSorted(names) {
		t.Errorf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
}

// TestSameSeed: with one clock and one seed the same changes make the same infos, also after Reset.
func TestSameSeed(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	opts := &memory.Options{Now: func() time.Time { return now }, Seed: 7}
	describe := func(m *memory.Fs) (all string) {
		for _, name := range []string{"/d/1", "/d/2"} {
			if err := m.MkdirAll("/d", 0o777); err != nil {
				t.Fatal(err)
			}
			if err := afero.WriteFile(m, name, []byte(name), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"/", "/d", "/d/1", "/d/2"} {
			info, err := m.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			all += fmt.Sprintf("%+v\n", *info.(*fsbackend.Info))
		}
		return all
	}
	m := memory.New(opts)
	want := describe(m)
	if got := describe(memory.New(opts)); got != want {
		t.Errorf("another tree:\n%swant\n%s", got, want)
	}
	left, err := m.Create("/left")
	if err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if got := m.OpenHandles(); !slices.Equal(got, []string{"/left"}) {
		t.Errorf("open handles = %q", got)
	}
	if _, err := left.WriteString("x"); err != nil {
		t.Errorf("an open file after Reset: %v", err)
	}
	left.Close()
	m.Reset()
	if got := describe(m); got != want || len(m.OpenHandles()) != 0 {
		t.Errorf("after Reset:\n%swant\n%s, open: %q", got, want, m.OpenHandles())
	}
	if other := describe(memory.New(&memory.Options{Now: opts.Now})); other == want {
		t.Error("a tree without a seed has the tags of another one")
	}
}

// TestReset: the capacity is free again.
func TestReset(t *testing.T) {
	m := memory.New(&memory.Options{Capacity: 10})
	for range 3 {
		if err := afero.WriteFile(m, "/f", make([]byte, 10), 0o666); err != nil {
			t.Fatal(err)
		}
		m.Reset()
		if _, err := m.Stat("/f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat after Reset: %v", err)
		}
	}
}
