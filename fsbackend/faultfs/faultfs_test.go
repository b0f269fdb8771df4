package faultfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/server/davpath"
)

var ctx = context.Background()

func at(name string) davpath.Path { return davpath.Must(name) }

func open(t *testing.T) *faultfs.FS {
	t.Helper()
	f := faultfs.New(memory.New(nil).Backend())
	for _, dir := range []string{"/c", "/c/d", "/e"} {
		if err := f.Mkdir(ctx, at(dir)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/c/1", "/c/2", "/c/d/3", "/f"} {
		if err := put(f, name, "old"); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func put(f *faultfs.FS, name, content string) error {
	u, err := f.Create(ctx, at(name))
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

func read(f *faultfs.FS, name string) (string, error) {
	file, err := f.Open(ctx, at(name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	return string(b), err
}

func stat(f *faultfs.FS, name string) error { _, err := f.Stat(ctx, at(name)); return err }

func lstat(f *faultfs.FS, name string) error { _, err := f.Lstat(ctx, at(name)); return err }

func list(f *faultfs.FS, name string) error {
	d, err := f.OpenDir(ctx, at(name))
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Names()
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	return errors.Join(append(errs, err)...)
}

func mkdir(f *faultfs.FS, name string) error { return f.Mkdir(ctx, at(name)) }

func remove(f *faultfs.FS, name string) error { return f.Remove(ctx, at(name)) }

func copyFile(f *faultfs.FS, src, dst string) error { return f.CopyFile(ctx, at(src), at(dst)) }

func rename(f *faultfs.FS, from, to string) error { return f.Rename(ctx, at(from), at(to)) }

func setModTime(f *faultfs.FS, name string) error { return f.SetModTime(ctx, at(name), time.Now()) }

func usage(f *faultfs.FS, name string) error {
	_, _, err := f.Usage(ctx, at(name))
	if errors.Is(err, errors.ErrUnsupported) { // what memory without a capacity says
		return nil
	}
	return err
}

// undeletable returns the first error that Undeletable yields.
func undeletable(f *faultfs.FS, name string) error {
	for _, err := range f.Undeletable(ctx, at(name)) {
		return err
	}
	return nil
}

var errFault = errors.New("fault")

// TestOps checks that a rule of each kind affects its own operation and no other.
func TestOps(t *testing.T) {
	one := func(do func(*faultfs.FS, string) error, name string) func(*faultfs.FS) error {
		return func(f *faultfs.FS) error { return do(f, name) }
	}
	two := func(do func(*faultfs.FS, string, string) error, a, b string) func(*faultfs.FS) error {
		return func(f *faultfs.FS) error { return do(f, a, b) }
	}
	readFile := func(f *faultfs.FS, name string) error { _, err := read(f, name); return err }
	for _, tt := range []struct {
		op       faultfs.Op
		name     string
		hit, not func(*faultfs.FS) error
	}{
		{faultfs.Stat, "/c/1", one(stat, "/c/1"), one(stat, "/c/2")},
		{faultfs.Stat, "/c/1", one(lstat, "/c/1"), one(readFile, "/c/1")},
		{faultfs.Stat, "/c/1", one(list, "/c"), one(list, "/c/d")},
		{faultfs.Open, "/c/1", one(readFile, "/c/1"), two(put, "/c/1", "x")},
		{faultfs.Open, "/c", one(list, "/c"), one(stat, "/c")},
		{faultfs.Open, "/c/1", two(copyFile, "/c/1", "/x"), two(copyFile, "/c/2", "/c/1")},
		{faultfs.Read, "/c/1", one(readFile, "/c/1"), one(readFile, "/c/2")},
		{faultfs.Readdir, "/c", one(list, "/c"), one(list, "/c/d")},
		{faultfs.Create, "/c/1", two(put, "/c/1", "x"), one(readFile, "/c/1")},
		{faultfs.Create, "/c/1", two(copyFile, "/f", "/c/1"), two(copyFile, "/c/2", "/x")},
		{faultfs.Write, "/c/1", two(put, "/c/1", "new content"), two(put, "/c/1", "")},
		{faultfs.Commit, "/c/1", two(put, "/c/1", "new content"), two(put, "/c/2", "x")},
		{faultfs.Mkdir, "/x", one(mkdir, "/x"), one(mkdir, "/y")},
		{faultfs.Remove, "/c/1", one(remove, "/c/1"), one(remove, "/c/2")},
		{faultfs.Remove, "/c/d/*", one(remove, "/c/d/3"), one(remove, "/c/1")},
		{faultfs.Undeletable, "/c/1", one(undeletable, "/c"), one(undeletable, "/c/d")},
		{faultfs.Rename, "/c/1", two(rename, "/c/1", "/x"), two(rename, "/c/2", "/x")},
		{faultfs.Rename, "/x", two(rename, "/c/1", "/x"), two(rename, "/c/1", "/y")},
		{faultfs.SetModTime, "/c/1", one(setModTime, "/c/1"), one(setModTime, "/c/2")},
		{faultfs.Usage, "/c", one(usage, "/c"), one(usage, "/")},
		{faultfs.Stat, "/c/*", one(stat, "/c/d"), one(stat, "/c/d/3")},
		{faultfs.Stat, "/c/*", one(stat, "/c/1"), one(stat, "/c")},
		{faultfs.Stat, "/c/**", one(stat, "/c/d/3"), one(stat, "/c")},
		{faultfs.Stat, "/**", one(stat, "/c/d/3"), one(stat, "/")},
		{faultfs.Stat, "/", one(stat, "/"), one(stat, "/c")},
	} {
		t.Run(string(tt.op)+" "+tt.name, func(t *testing.T) {
			f := open(t)
			r := f.Fail(tt.op, tt.name, errFault)
			if err := tt.hit(f); !errors.Is(err, errFault) {
				t.Errorf("error = %v, want %v", err, errFault)
			} else if at := (*fs.PathError)(nil); !errors.As(err, &at) || at.Path != tt.name && !strings.HasSuffix(tt.name, "*") || strings.HasSuffix(at.Path, "*") {
				t.Errorf("the error %v is not one of %s", err, tt.name)
			}
			if r.Calls() != 1 {
				t.Errorf("calls = %d, want 1", r.Calls())
			}
			if err := tt.not(f); err != nil {
				t.Errorf("something else failed too: %v", err)
			}
			f.Reset()
			for _, name := range []string{"/c/1", "/c/2", "/c/d/3"} {
				if got, err := read(f, name); err == nil && got != "old" && got != "" && got != "x" {
					t.Errorf("%s holds %q: a part of what could not be written", name, got)
				}
			}
		})
	}
}

// A member that is removed between Names and Lstat is in the result of Names.
func TestVanishedMember(t *testing.T) {
	f := open(t)
	f.Fail(faultfs.Stat, "/c/1", fs.ErrNotExist)
	d, err := f.OpenDir(ctx, at("/c"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if names, err := d.Names(); len(names) != 3 || err != nil {
		t.Errorf("listed %q, %v, want all three", names, err)
	}
	infos, errs := make([]fsbackend.Info, 2), make([]error, 2)
	d.Lstat([]string{"1", "2"}, infos, errs)
	if !errors.Is(errs[0], fs.ErrNotExist) || errs[1] != nil || infos[1].Name() != "2" {
		t.Errorf("Lstat = %v, want %v for the first", errs, fs.ErrNotExist)
	}
}

func TestWhen(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule func(*faultfs.Rule) *faultfs.Rule
		want string // what six calls do
	}{
		{"always", func(r *faultfs.Rule) *faultfs.Rule { return r }, "xxxxxx"},
		{"Nth", func(r *faultfs.Rule) *faultfs.Rule { return r.Nth(3) }, "..x..."},
		{"After", func(r *faultfs.Rule) *faultfs.Rule { return r.After(2) }, "..xxxx"},
		{"Times", func(r *faultfs.Rule) *faultfs.Rule { return r.Times(2) }, "xx...."},
		{"After and Times", func(r *faultfs.Rule) *faultfs.Rule { return r.After(1).Times(2) }, ".xx..."},
	} {
		f := open(t)
		r := tt.rule(f.Fail(faultfs.Stat, "/c/1", errFault))
		got := ""
		for range 6 {
			if stat(f, "/c/1") != nil {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != tt.want || r.Calls() != 6 {
			t.Errorf("%s: %s, %d calls, want %s, 6", tt.name, got, r.Calls(), tt.want)
		}
	}
}

// After a failed Write no part of the content is visible.
func TestWriteFaultLeavesNoPart(t *testing.T) {
	f := open(t)
	f.Fail(faultfs.Write, "/c/1", syscall.ENOSPC).Nth(2)
	w, err := f.Create(ctx, at("/c/1"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte("0123456789")); n != 10 || err != nil {
		t.Errorf("first Write = %d, %v", n, err)
	}
	if n, err := w.Write([]byte("0123456789")); n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("second Write = %d, %v, want 5, %v", n, err, syscall.ENOSPC)
	}
	w.Close()
	if got, err := read(f, "/c/1"); got != "old" || err != nil {
		t.Errorf("content = %q, %v", got, err)
	}
}

// While there is a rule for a member, the collection is renamed member by member, as on an object
// store.
func TestRenameOfCollection(t *testing.T) {
	for _, tt := range []struct {
		rule, from, to string
		want           error
	}{
		{"/c/d/3", "/c", "/x", syscall.EXDEV},
		{"/x/d/3", "/c", "/x", syscall.EXDEV},
		{"/c/d/**", "/c/d", "/x", syscall.EXDEV},
		{"/c/**", "/c/d", "/x", errFault},
		{"/c/d/*", "/c", "/x", syscall.EXDEV},
		{"/c", "/c", "/x", errFault},
		{"/cc/1", "/c", "/x", nil},
		{"/f/x", "/f", "/x", nil}, // no collection
	} {
		f := open(t)
		r := f.Fail(faultfs.Rename, tt.rule, errFault)
		if err := rename(f, tt.from, tt.to); !errors.Is(err, tt.want) {
			t.Errorf("rule for %s: Rename %s to %s = %v, want %v", tt.rule, tt.from, tt.to, err, tt.want)
		}
		if tt.want == syscall.EXDEV && r.Calls() != 0 {
			t.Errorf("rule for %s: that was no call", tt.rule)
		}
	}
	f := open(t)
	f.Fail(faultfs.Rename, "/c/1", errFault).Times(1)
	if err := rename(f, "/c/1", "/x"); !errors.Is(err, errFault) {
		t.Errorf("Rename = %v", err)
	}
	if err := rename(f, "/c", "/x"); err != nil {
		t.Errorf("Rename after the rule was spent = %v", err)
	}
}

func TestDo(t *testing.T) {
	f := open(t)
	type key struct{}
	got := ""
	f.Fail(faultfs.Stat, "/c/1", nil).Do(func(ctx context.Context) {
		got, _ = ctx.Value(key{}).(string)
		if err := f.Remove(ctx, at("/c/1")); err != nil { // the lock is not held
			t.Error(err)
		}
	})
	_, err := f.Stat(context.WithValue(ctx, key{}, "context"), at("/c/1"))
	if got != "context" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("hook got %q; Stat = %v, want what the hook left", got, err)
	}
}

func TestConcurrency(t *testing.T) {
	f := open(t)
	r := f.Fail(faultfs.Stat, "/c/1", errFault).Nth(500)
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for range 4 {
		wg.Go(func() {
			for range 250 {
				if stat(f, "/c/1") != nil {
					mu.Lock()
					failed++
					mu.Unlock()
				}
				f.Fail(faultfs.Open, "/x", errFault)
			}
		})
	}
	wg.Wait()
	if failed != 1 || r.Calls() != 1000 {
		t.Errorf("%d of %d calls failed, want 1 of 1000", failed, r.Calls())
	}
}

// TestMistakes: a rule that can never fit anything panics when it is made.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		op   faultfs.Op
		name string
		want string // of the panic; "" is none
	}{
		{faultfs.Write, "/c/1", ""}, {faultfs.Write, "/c/", ""}, {faultfs.Write, "/", ""}, {faultfs.Write, "/*", ""}, {faultfs.Write, "/**", ""}, {faultfs.Write, "/c/d/**", ""},
		{"remvoe", "/c/1", `no operation is called "remvoe": there are ["stat" "open"`},
		{"", "/c/1", `no operation is called ""`},
		{"Write", "/c/1", `no operation is called "Write"`},
		{faultfs.Write, "c/1", "not canonical"},
		{faultfs.Write, "", "not canonical"},
		{faultfs.Write, "/c//1", `as "/c/1" is`},
		{faultfs.Write, "/c/../1", `as "/1" is`},
		{faultfs.Write, "/../1", "above the root"},
		{faultfs.Write, "/c/*/1", "whole last segment"},
		{faultfs.Write, "/c/x*", "whole last segment"},
		{faultfs.Write, "/c/***", "whole last segment"},
		{faultfs.Write, "*", "not canonical"},
		{faultfs.Write, "/c\x00", "no resource has the name"},
	} {
		got := panicOf(func() { open(t).Fail(tt.op, tt.name, fs.ErrPermission) })
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("Fail(%q, %q) panics with %q, want %q", tt.op, tt.name, got, tt.want)
		}
	}
	for name, set := range map[string]func(*faultfs.Rule){
		"Nth":   func(r *faultfs.Rule) { r.Nth(-1) },
		"After": func(r *faultfs.Rule) { r.After(-1) },
		"Times": func(r *faultfs.Rule) { r.Times(-1) },
	} {
		if got := panicOf(func() { set(open(t).Fail(faultfs.Write, "/f", fs.ErrPermission)) }); !strings.Contains(got, "-1 calls of write /f") {
			t.Errorf("%s(-1) panics with %q", name, got)
		}
	}
}

// panicOf returns the text that f panics with, or "".
func panicOf(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// TestCopyUnderSource: whatever fails in the copy of a file can be said under the name of the source
// or under that of the copy, and counts once.
func TestCopyUnderSource(t *testing.T) {
	for op, names := range map[faultfs.Op][]string{
		faultfs.Open: {"/c/1", "/c/*"}, faultfs.Read: {"/c/1", "/c/**"},
		faultfs.Create: {"/c/1", "/e/1", "/**"}, faultfs.Write: {"/c/1", "/e/1", "/c/*", "/**"}, faultfs.Commit: {"/c/1", "/e/1", "/e/*", "/**"},
	} {
		for _, name := range names {
			f := open(t)
			rule := f.Fail(op, name, syscall.ENOSPC).Times(1)
			err := f.CopyFile(ctx, at("/c/1"), at("/e/1"))
			failed := map[bool]string{true: "/c/1", false: "/e/1"}[op == faultfs.Open || op == faultfs.Read]
			if at := (*fs.PathError)(nil); !errors.As(err, &at) || at.Path != failed {
				t.Errorf("%s %s: the error %v is not one of %s", op, name, err, failed)
			}
			if !errors.Is(err, syscall.ENOSPC) || rule.Calls() != 1 || stat(f, "/e/1") == nil {
				t.Errorf("%s %s: %v after %d calls", op, name, err, rule.Calls())
			}
			if err := f.CopyFile(ctx, at("/c/1"), at("/e/1")); err != nil {
				t.Errorf("%s %s: the second copy: %v", op, name, err)
			}
		}
	}
}
