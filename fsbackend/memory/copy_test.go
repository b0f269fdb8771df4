package memory_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend/memory"
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
			b := m.Backend()
			must(t, m.Mkdir("/src", 0o777))
			must(t, m.Mkdir("/dst", 0o777))
			write(t, m, "/src/f", "0123456789")
			must(t, b.CopyFile(ctx, at("/src/f"), at("/dst/f")))
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

// A copy has the mode of its source, also over a file with another, and needs its capacity.
func TestCopyFile(t *testing.T) {
	m := memory.New(&memory.Options{Capacity: 100})
	b := m.Backend()
	write(t, m, "/a", "a")
	must(t, m.Chmod("/a", 0o640))
	write(t, m, "/old", "old")
	write(t, m, "/large", strings.Repeat("l", 60))
	for _, name := range []string{"/new", "/old"} {
		must(t, b.CopyFile(ctx, at("/a"), at(name)))
		if got := must2(m.Stat(name)).Mode(); got != 0o640 {
			t.Errorf("the copy %s has %v", name, got)
		}
	}
	if err := b.CopyFile(ctx, at("/large"), at("/old")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	if got, used := must2(afero.ReadFile(m, "/old")), uint64(63); string(got) != "a" {
		t.Errorf("a copy that failed left %q", got)
	} else if now, _, _ := b.Usage(ctx, at("/")); now != used {
		t.Errorf("%d bytes are used, want %d", now, used)
	}
}

// A listing after a change shows the change.
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
		for range 2 {
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
