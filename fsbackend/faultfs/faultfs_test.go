package faultfs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
)

var ctx = context.Background()

func open(t *testing.T) *faultfs.FS {
	t.Helper()
	f := faultfs.New(fsbackend.New(fsbackend.Memory()))
	for _, dir := range []string{"/c", "/c/d", "/e"} {
		if err := f.Mkdir(ctx, dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/c/1", "/c/2", "/c/d/3", "/f"} {
		if err := stage(f, name, "old"); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func stage(f *faultfs.FS, name, content string) error {
	w, commit, err := f.Stage(ctx, name)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.WriteString(w, content); err != nil {
		return err
	}
	return commit()
}

func read(f *faultfs.FS, name string) (string, error) {
	file, err := f.OpenFile(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	return string(b), err
}

func stat(f *faultfs.FS, name string) error { _, err := f.Stat(ctx, name); return err }

func list(f *faultfs.FS, name string) error {
	d, err := f.OpenFile(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = d.Readdir(-1)
	return err
}

// foreseen returns why some member of a collection could not be removed.
func foreseen(f *faultfs.FS, name string) error {
	for _, err := range f.Unremovable(ctx, name) {
		return err
	}
	return nil
}

var errFault = errors.New("fault")

// TestOps has each kind of fault hit what it is for and nothing else.
func TestOps(t *testing.T) {
	readFile := func(name string) func(*faultfs.FS) error {
		return func(f *faultfs.FS) error { _, err := read(f, name); return err }
	}
	for _, tt := range []struct {
		op       faultfs.Op
		name     string
		hit, not func(*faultfs.FS) error
	}{
		{faultfs.Stat, "/c/1", func(f *faultfs.FS) error { return stat(f, "/c/1") }, func(f *faultfs.FS) error { return stat(f, "/c/2") }},
		{faultfs.Stat, "/c/1", func(f *faultfs.FS) error { _, err := f.Lstat(ctx, "/c/1"); return err }, readFile("/c/1")},
		{faultfs.Open, "/c/1", readFile("/c/1"), func(f *faultfs.FS) error { return stage(f, "/c/1", "x") }},
		{faultfs.Open, "/c", func(f *faultfs.FS) error { return list(f, "/c") }, func(f *faultfs.FS) error { return stat(f, "/c") }},
		{faultfs.Open, "/c/1", func(f *faultfs.FS) error { return f.CopyFile(ctx, "/c/1", "/x") }, func(f *faultfs.FS) error { return f.CopyFile(ctx, "/c/2", "/c/1") }},
		{faultfs.Read, "/c/1", readFile("/c/1"), readFile("/c/2")},
		{faultfs.Readdir, "/c", func(f *faultfs.FS) error { return list(f, "/c") }, func(f *faultfs.FS) error { return list(f, "/c/d") }},
		{faultfs.Create, "/c/1", func(f *faultfs.FS) error { return stage(f, "/c/1", "x") }, readFile("/c/1")},
		{faultfs.Create, "/c/1", func(f *faultfs.FS) error { return f.CopyFile(ctx, "/f", "/c/1") }, func(f *faultfs.FS) error { return f.CopyFile(ctx, "/c/1", "/x") }},
		{faultfs.Create, "/c/1", func(f *faultfs.FS) error { _, err := f.OpenFile(ctx, "/c/1", os.O_RDWR, 0); return err }, readFile("/c/1")},
		{faultfs.Write, "/c/1", func(f *faultfs.FS) error { return stage(f, "/c/1", "new content") }, func(f *faultfs.FS) error { return stage(f, "/c/1", "") }},
		{faultfs.Commit, "/c/1", func(f *faultfs.FS) error { return stage(f, "/c/1", "new content") }, func(f *faultfs.FS) error { return stage(f, "/c/2", "x") }},
		{faultfs.Mkdir, "/x", func(f *faultfs.FS) error { return f.Mkdir(ctx, "/x", 0o777) }, func(f *faultfs.FS) error { return f.Mkdir(ctx, "/y", 0o777) }},
		{faultfs.Remove, "/c/1", func(f *faultfs.FS) error { return f.Remove(ctx, "/c/1") }, func(f *faultfs.FS) error { return f.Remove(ctx, "/c/2") }},
		{faultfs.Remove, "/c/d/3", func(f *faultfs.FS) error { return f.RemoveAll(ctx, "/c") }, func(f *faultfs.FS) error { return f.RemoveAll(ctx, "/e") }},
		{faultfs.Remove, "/c/d/none", func(f *faultfs.FS) error { return f.Remove(ctx, "/c/d/none") }, func(f *faultfs.FS) error { return f.RemoveAll(ctx, "/c") }},
		{faultfs.Remove, "/c/**", func(f *faultfs.FS) error { return f.RemoveAll(ctx, "/c/d") }, func(f *faultfs.FS) error { return f.RemoveAll(ctx, "/e") }},
		{faultfs.Foresee, "/c/1", func(f *faultfs.FS) error { return foreseen(f, "/c") }, func(f *faultfs.FS) error { return foreseen(f, "/c/d") }},
		{faultfs.Rename, "/c/1", func(f *faultfs.FS) error { return f.Rename(ctx, "/c/1", "/x") }, func(f *faultfs.FS) error { return f.Rename(ctx, "/c/2", "/x") }},
		{faultfs.Rename, "/x", func(f *faultfs.FS) error { return f.Rename(ctx, "/c/1", "/x") }, func(f *faultfs.FS) error { return f.Rename(ctx, "/c/1", "/y") }},
		{faultfs.Stat, "/c/*", func(f *faultfs.FS) error { return stat(f, "/c/d") }, func(f *faultfs.FS) error { return stat(f, "/c/d/3") }},
		{faultfs.Stat, "/c/*", func(f *faultfs.FS) error { return stat(f, "/c/1") }, func(f *faultfs.FS) error { return stat(f, "/c") }},
		{faultfs.Stat, "/c/**", func(f *faultfs.FS) error { return stat(f, "/c/d/3") }, func(f *faultfs.FS) error { return stat(f, "/c") }},
		{faultfs.Stat, "/**", func(f *faultfs.FS) error { return stat(f, "/c/d/3") }, func(f *faultfs.FS) error { return stat(f, "/") }},
		{faultfs.Stat, "/", func(f *faultfs.FS) error { return stat(f, "/") }, func(f *faultfs.FS) error { return stat(f, "/c") }},
	} {
		t.Run(string(tt.op)+" "+tt.name, func(t *testing.T) {
			f := open(t)
			r := f.Fail(tt.op, tt.name, errFault)
			if err := tt.hit(f); !errors.Is(err, errFault) {
				t.Errorf("error = %v, want %v", err, errFault)
			} else if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path != tt.name {
				t.Errorf("the error blames %s, want %s", at.Path, tt.name)
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

// A member that vanishes between the listing and the look at it is listed.
func TestVanishedMember(t *testing.T) {
	f := open(t)
	f.Fail(faultfs.Stat, "/c/1", fs.ErrNotExist)
	d, err := f.OpenFile(ctx, "/c", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l := d.(interface {
		Readdirnames(int) ([]string, error)
		Lstat(string) (fs.FileInfo, error)
	})
	if names, err := l.Readdirnames(-1); len(names) != 3 || err != nil {
		t.Errorf("listed %q, %v, want all three", names, err)
	}
	if _, err := l.Lstat("1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lstat = %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := l.Lstat("2"); err != nil {
		t.Errorf("Lstat of another member: %v", err)
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

// What fails while it is written must not be seen, not even in part.
func TestWriteFaultLeavesNoPart(t *testing.T) {
	f := open(t)
	f.Fail(faultfs.Write, "/c/1", syscall.ENOSPC).Nth(2)
	w, _, err := f.Stage(ctx, "/c/1")
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

// A collection goes member by member while a rule is for one of them, as on a store of objects.
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
		if err := f.Rename(ctx, tt.from, tt.to); !errors.Is(err, tt.want) {
			t.Errorf("rule for %s: Rename %s to %s = %v, want %v", tt.rule, tt.from, tt.to, err, tt.want)
		}
		if tt.want == syscall.EXDEV && r.Calls() != 0 {
			t.Errorf("rule for %s: that was no call", tt.rule)
		}
	}
	f := open(t)
	f.Fail(faultfs.Rename, "/c/1", errFault).Times(1)
	if err := f.Rename(ctx, "/c/1", "/x"); !errors.Is(err, errFault) {
		t.Errorf("Rename = %v", err)
	}
	if err := f.Rename(ctx, "/c", "/x"); err != nil {
		t.Errorf("Rename after the rule was spent = %v", err)
	}
}

func TestDo(t *testing.T) {
	f := open(t)
	type key struct{}
	got := ""
	f.Fail(faultfs.Stat, "/c/1", nil).Do(func(ctx context.Context) {
		got, _ = ctx.Value(key{}).(string)
		if err := f.RemoveAll(ctx, "/c/1"); err != nil { // the lock is not held
			t.Error(err)
		}
	})
	_, err := f.Stat(context.WithValue(ctx, key{}, "context"), "/c/1")
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

// A wrapper promises no more than what it wraps.
func TestUnsupported(t *testing.T) {
	f := faultfs.New(webdav.NewMemFS())
	_, lstatErr := f.Lstat(ctx, "/")
	_, _, stageErr := f.Stage(ctx, "/f")
	_, _, spaceErr := f.Space(ctx, "/")
	for what, err := range map[string]error{
		"Remove": f.Remove(ctx, "/f"), "Lstat": lstatErr, "Stage": stageErr, "CopyFile": f.CopyFile(ctx, "/f", "/g"), "Space": spaceErr,
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", what, err, errors.ErrUnsupported)
		}
	}
	if err := f.Mkdir(ctx, "/d", 0o777); err != nil {
		t.Fatal(err)
	}
	file, err := f.OpenFile(ctx, "/", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := file.(webdav.DeadPropsHolder); !ok {
		t.Error("the dead properties of the inner file are lost")
	}
	names, err := file.(interface {
		Readdirnames(int) ([]string, error)
	}).Readdirnames(-1)
	if len(names) != 1 || err != nil {
		t.Errorf("listed %q, %v", names, err)
	}
}
