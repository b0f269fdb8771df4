package fsbackend_test

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
)

// A copy has the content of its source, and whatever is done to one of them afterwards does not show in the other.
func TestMemoryCopiesAreApart(t *testing.T) {
	write := func(m *fsbackend.Mem, name string, flag int, off int64, s string) {
		t.Helper()
		f := must2(m.OpenFile(name, os.O_WRONLY|flag, 0))
		defer f.Close()
		if flag&os.O_APPEND != 0 {
			must2(f.WriteString(s))
		} else {
			must2(f.WriteAt([]byte(s), off))
		}
	}
	truncate := func(m *fsbackend.Mem, name string, size int64) {
		t.Helper()
		f := must2(m.OpenFile(name, os.O_WRONLY, 0))
		defer f.Close()
		must(t, f.Truncate(size))
	}
	for _, tt := range []struct {
		what   string
		change func(m *fsbackend.Mem, name string)
		want   string
	}{
		{"written over", func(m *fsbackend.Mem, name string) { write(m, name, 0, 2, "##") }, "01##456789"},
		{"written over its end", func(m *fsbackend.Mem, name string) { write(m, name, 0, 9, "##") }, "012345678##"},
		{"written behind its end", func(m *fsbackend.Mem, name string) { write(m, name, 0, 11, "##") }, "0123456789\x00##"},
		{"appended to", func(m *fsbackend.Mem, name string) { write(m, name, os.O_APPEND, 0, "##") }, "0123456789##"},
		{"cut", func(m *fsbackend.Mem, name string) { truncate(m, name, 3) }, "012"},
		{"cut and extended", func(m *fsbackend.Mem, name string) { truncate(m, name, 3); truncate(m, name, 5) }, "012\x00\x00"},
		{"emptied", func(m *fsbackend.Mem, name string) { truncate(m, name, 0) }, ""},
		{"emptied and written", func(m *fsbackend.Mem, name string) { write(m, name, os.O_TRUNC, 0, "new") }, "new"},
		{"extended", func(m *fsbackend.Mem, name string) { truncate(m, name, 11) }, "0123456789\x00"},
		{"removed", func(m *fsbackend.Mem, name string) { must(t, m.Remove(name)) }, "-"},
	} {
		for _, changed := range []string{"/src/f", "/dst/f", "/dst/g"} {
			m := fsbackend.NewMemory(&fsbackend.MemoryOptions{Capacity: 1000})
			d := fsbackend.New(m)
			must(t, m.Mkdir("/src", 0o777))
			must(t, m.Mkdir("/dst", 0o777))
			memWrite(t, m, "/src/f", "0123456789")
			copied := make([]bool, 1)
			if d.CopyMembers(ctx, "/src", "/dst", []string{"f"}, copied); !copied[0] {
				t.Fatal("not copied")
			}
			must(t, d.CopyFile(ctx, "/src/f", "/dst/g"))
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
			if got, _, _ := m.Space("/"); got != used {
				t.Errorf("%s %s: %d bytes are used, want %d", changed, tt.what, got, used)
			}
		}
	}
}

// What is not a file of the collection, or has no room, is left for who copies one by one.
func TestMemoryCopyMembersLeaves(t *testing.T) {
	m := fsbackend.NewMemory(&fsbackend.MemoryOptions{Capacity: 100})
	d := fsbackend.New(m)
	for _, dir := range []string{"/src", "/src/dir", "/dst"} {
		must(t, m.Mkdir(dir, 0o777))
	}
	memWrite(t, m, "/src/a", "a")
	must(t, m.Chmod("/src/a", 0o640))
	memWrite(t, m, "/src/large", strings.Repeat("l", 50))
	memWrite(t, m, "/src/taken", "new")
	memWrite(t, m, "/src/z", "z")
	memWrite(t, m, "/dst/taken", "old")
	copyMembers := func(ctx context.Context, src, dst string, names ...string) (done []string) {
		copied := make([]bool, len(names))
		d.CopyMembers(ctx, src, dst, names, copied)
		for i, name := range names {
			if copied[i] {
				done = append(done, name)
			}
		}
		return done
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	for _, tt := range []struct {
		ctx      context.Context
		src, dst string
		names    []string
		want     []string
	}{
		{over, "/src", "/dst", []string{"a", "z"}, nil},
		{ctx, "/none", "/dst", []string{"a"}, nil},
		{ctx, "/src", "/none", []string{"a"}, nil},
		{ctx, "/src", "/src/a", []string{"z"}, nil},
		{ctx, "/src/a", "/dst", []string{"z"}, nil},
		{ctx, "/src", "/dst\x00", []string{"z"}, nil},
		{ctx, "/src", "/dst", []string{"a", "large", "taken", "dir", "none", "../dst/taken", "..", ".", "", "z"}, []string{"a", "z"}},
	} {
		if got := copyMembers(tt.ctx, tt.src, tt.dst, tt.names...); !slices.Equal(got, tt.want) {
			t.Errorf("%s to %s: copied %q, want %q", tt.src, tt.dst, got, tt.want)
		}
	}
	if err := d.CopyFile(ctx, "/src/large", "/dst/large"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	dir := must2(m.Open("/dst"))
	defer dir.Close()
	if got, want := must2(dir.Readdirnames(-1)), []string{"a", "taken", "z"}; !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if got := must2(m.Stat("/dst/a")).Mode(); got != 0o640 {
		t.Errorf("the copy has %v", got)
	}
	if got, _ := afero.ReadFile(m, "/dst/taken"); string(got) != "old" {
		t.Errorf("what was there holds %q", got)
	}
	if a, b := must2(m.Stat("/src/a")), must2(m.Stat("/dst/a")); tagOf(t, a) == tagOf(t, b) {
		t.Error("two files have one entity tag")
	}

	other := fsbackend.New(afero.NewMemMapFs())
	copied := make([]bool, 1)
	if other.CopyMembers(ctx, "/", "/d", []string{"a"}, copied); copied[0] {
		t.Error("copied by a back end that cannot")
	}
}

func tagOf(t *testing.T, info fs.FileInfo) string {
	t.Helper()
	tag, ok := fsbackend.ETag(info)
	if !ok {
		t.Fatal("no entity tag")
	}
	return tag
}

// What was listed before does not hide what has changed since.
func TestMemoryListsWhatIsThere(t *testing.T) {
	m := fsbackend.Memory()
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
		{"copied", func() error {
			copied := make([]bool, 1)
			m.CopyMembers("/e", "/d", []string{"a"}, copied)
			return nil
		}, "a", "a c"},
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
