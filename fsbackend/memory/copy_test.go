package memory_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/server/davpath"
)

// A copy has the content of its source. A later change of one of them does not change the other.
func TestCopiesAreApart(t *testing.T) {
	change := func(m *memory.Fs, name string, flag int, off int64, s string) {
		t.Helper()
		f := must2(m.OpenFile(name, os.O_WRONLY|flag, 0))
		defer f.Close()
		if flag&os.O_APPEND != 0 {
			must2(f.WriteString(s))
		} else {
			must2(f.WriteAt([]byte(s), off))
		}
	}
	truncate := func(m *memory.Fs, name string, size int64) {
		t.Helper()
		f := must2(m.OpenFile(name, os.O_WRONLY, 0))
		defer f.Close()
		must(t, f.Truncate(size))
	}
	for _, tt := range []struct {
		what   string
		change func(m *memory.Fs, name string)
		want   string
	}{
		{"written over", func(m *memory.Fs, name string) { change(m, name, 0, 2, "##") }, "01##456789"},
		{"written over its end", func(m *memory.Fs, name string) { change(m, name, 0, 9, "##") }, "012345678##"},
		{"written behind its end", func(m *memory.Fs, name string) { change(m, name, 0, 11, "##") }, "0123456789\x00##"},
		{"appended to", func(m *memory.Fs, name string) { change(m, name, os.O_APPEND, 0, "##") }, "0123456789##"},
		{"cut", func(m *memory.Fs, name string) { truncate(m, name, 3) }, "012"},
		{"cut and extended", func(m *memory.Fs, name string) { truncate(m, name, 3); truncate(m, name, 5) }, "012\x00\x00"},
		{"emptied", func(m *memory.Fs, name string) { truncate(m, name, 0) }, ""},
		{"emptied and written", func(m *memory.Fs, name string) { change(m, name, os.O_TRUNC, 0, "new") }, "new"},
		{"extended", func(m *memory.Fs, name string) { truncate(m, name, 11) }, "0123456789\x00"},
		{"removed", func(m *memory.Fs, name string) { must(t, m.Remove(name)) }, "-"},
	} {
		for _, changed := range []string{"/src/f", "/dst/f", "/dst/g"} {
			m := memory.New(&memory.Options{Capacity: 1000})
			b := m.Backend().(fsbackend.Bulk)
			must(t, m.Mkdir("/src", 0o777))
			must(t, m.Mkdir("/dst", 0o777))
			write(t, m, "/src/f", "0123456789")
			if !b.CopyTree(ctx, at("/src"), at("/dst"), func(p davpath.Path) { t.Errorf("%s is left", p) }) {
				t.Fatal("not copied")
			}
			must(t, b.CopyFile(ctx, at("/src/f"), at("/dst/g")))
			tt.change(m, changed)
			used := uint64(0)
			for _, name := range []string{"/src/f", "/dst/f", "/dst/g"} {
				want := "0123456789"
				if name == changed {
					want = tt.want
				}
				b, err := afero.ReadFile(m, name)
				used += uint64(len(b))
				if err != nil {
					b = []byte("-")
				}
				if string(b) != want {
					t.Errorf("%s %s: %s holds %q, want %q", changed, tt.what, name, b, want)
				}
			}
			if got, _, _ := b.Usage(ctx, at("/")); got != used {
				t.Errorf("%s %s: %d bytes are used, want %d", changed, tt.what, got, used)
			}
		}
	}
}

// CopyTree skips what exceeds the capacity and copies the rest, with its mode.
func TestCopyTreeLeaves(t *testing.T) {
	m := memory.New(&memory.Options{Capacity: 100})
	b := m.Backend().(fsbackend.Bulk)
	must(t, m.MkdirAll("/src/dir", 0o777))
	must(t, m.Mkdir("/dst", 0o777))
	write(t, m, "/src/a", "a")
	must(t, m.Chmod("/src/a", 0o640))
	write(t, m, "/src/dir/large", strings.Repeat("l", 60))
	write(t, m, "/src/z", "z")
	var left []string
	if !b.CopyTree(ctx, at("/src"), at("/dst"), func(p davpath.Path) { left = append(left, p.String()) }) {
		t.Fatal("not begun")
	}
	if !slices.Equal(left, []string{"/src/dir/large"}) {
		t.Errorf("left %q", left)
	}
	if err := b.CopyFile(ctx, at("/src/dir/large"), at("/dst/dir/large")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	var names []string
	must(t, afero.Walk(m, "/dst", func(name string, _ fs.FileInfo, err error) error {
		names = append(names, name)
		return err
	}))
	if want := []string{"/dst", "/dst/a", "/dst/dir", "/dst/z"}; !slices.Equal(names, want) {
		t.Errorf("there is %q, want %q", names, want)
	}
	if got := must2(m.Stat("/dst/a")).Mode(); got != 0o640 {
		t.Errorf("the copy has %v", got)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	must(t, m.Mkdir("/new", 0o777))
	if b.CopyTree(over, at("/src"), at("/new"), func(p davpath.Path) { t.Errorf("%s is left", p) }) {
		t.Error("copied for a request that was cancelled")
	}
}

// A listing after a change shows the change, although the names are kept.
func TestListsWhatIsThere(t *testing.T) {
	m := memory.New(nil)
	must(t, m.Mkdir("/d", 0o777))
	must(t, m.Mkdir("/e", 0o777))
	list := func(dir string) string {
		f := must2(m.Open(dir))
		defer f.Close()
		return strings.Join(must2(f.Readdirnames(-1)), " ")
	}
	for _, step := range []struct {
		what string
		do   func() error
		d, e string
	}{
		{"nothing", func() error { return nil }, "", ""},
		{"made", func() error { return afero.WriteFile(m, "/d/b", nil, 0o666) }, "b", ""},
		{"made before it", func() error { return m.Mkdir("/d/a", 0o777) }, "a b", ""},
		{"renamed", func() error { return m.Rename("/d/a", "/d/c") }, "b c", ""},
		{"moved", func() error { return m.Rename("/d/c", "/e/c") }, "b", "c"},
		{"replaced", func() error { return afero.WriteFile(m, "/e/a", nil, 0o666) }, "b", "a c"},
		{"moved over", func() error { return m.Rename("/d/b", "/e/a") }, "", "a c"},
		{"copied", func() error { return m.Backend().CopyFile(ctx, at("/e/a"), at("/d/a")) }, "a", "a c"},
		{"removed", func() error { return m.RemoveAll("/e/c") }, "a", "a"},
	} {
		must(t, step.do())
		for range 2 { // sorted, and as they were sorted
			if d, e := list("/d"), list("/e"); d != step.d || e != step.e {
				t.Errorf("%s: listed %q and %q, want %q and %q", step.what, d, e, step.d, step.e)
			}
		}
	}
	f := must2(m.Open("/d"))
	defer f.Close()
	must(t, m.RemoveAll("/d"))
	if names, err := f.Readdirnames(-1); len(names) > 0 || err != nil {
		t.Errorf("a removed directory lists %q, %v", names, err)
	}
}
