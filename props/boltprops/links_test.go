package boltprops

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
}

// The file may be given as a link: what the link leads to is written, and the link stays.
func TestFollow(t *testing.T) {
	file, dir := filled(t, 1), t.TempDir()
	link := filepath.Join(dir, "link")
	symlink(t, file, link)
	s := start(t, link, nil)
	patch(t, s, at("/new"), set("x", "new"))
	s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || !linked(link) {
		t.Errorf("beside the link are %v, %v", left, err)
	}
	if got := value(t, start(t, file, nil), at("/new")); got != "new" {
		t.Errorf("/new is %q", got)
	}
}

// With NoFollow a link is refused at every name that leads to something of the state, and at all
// times.
func TestNoFollow(t *testing.T) {
	for what, link := range map[string]func(dir, file string) (to, name string){
		"the directory": func(dir, file string) (string, string) {
			os.Remove(dir)
			return filepath.Dir(file), dir
		},
		"the file": func(dir, file string) (string, string) {
			return file, filepath.Join(dir, "state")
		},
		"a file beside": func(dir, file string) (string, string) {
			os.Rename(file, filepath.Join(dir, "beside"))
			return "beside", filepath.Join(dir, "state")
		},
		"an empty file": func(dir, file string) (string, string) {
			os.WriteFile(filepath.Join(dir, "beside"), nil, 0o600)
			return "beside", filepath.Join(dir, "state")
		},
		"no file": func(dir, file string) (string, string) {
			return "none", filepath.Join(dir, "state")
		},
		"no directory": func(dir, file string) (string, string) {
			os.Remove(dir)
			return "none", dir
		},
		"the link itself": func(dir, file string) (string, string) {
			os.Remove(dir)
			return filepath.Base(dir), dir
		},
	} {
		for _, o := range []Options{{NoFollow: true}, {NoFollow: true, ReadOnly: true}, {NoFollow: true, Lazy: true}} {
			file, dir := filled(t, 1), filepath.Join(t.TempDir(), "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			to, name := link(dir, file)
			symlink(t, to, name)
			if s, err := Open(filepath.Join(dir, "state"), &o); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
				t.Errorf("%s, %+v: Open = %v, %v", what, o, s, err)
			}
		}
	}
}

// No moment is early or late enough for a link: nothing is ever created where it leads.
func TestNoFollowRace(t *testing.T) {
	top := t.TempDir()
	dir, out := filepath.Join(top, "dir"), filepath.Join(top, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(top, "link")
	symlink(t, out, link)
	long := time.Unix(1e9, 0)
	if err := os.Chtimes(out, long, long); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	end := make(chan struct{})
	done.Go(func() { // the directory and the link take the name in turn
		for {
			select {
			case <-end:
				return
			default:
			}
			os.Mkdir(dir, 0o700)
			os.RemoveAll(dir)
			os.Rename(link, dir)
			os.Rename(dir, link)
		}
	})
	for begun := time.Now(); time.Since(begun) < 500*time.Millisecond; {
		s, err := Open(filepath.Join(dir, "state"), &Options{NoFollow: true, Lazy: true})
		if err != nil {
			continue
		}
		s.Patch(t.Context(), at("/a"), set("x", "1")) // it may fail
		s.Close()
	}
	close(end)
	done.Wait()
	if info, err := os.Stat(out); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("something was made behind the link: %v, %v", info, err)
	}
}
