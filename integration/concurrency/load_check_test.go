package concurrency

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/davtest"
	"dav207/server/locks"
)

// check compares the tree, the properties and the locks after the load.
func (x *load) check(files fsbackend.Backend, store props.Store, table *locks.Table) {
	exists := x.walk(files, "/")
	served := x.Tree("/")
	if !slices.Equal(served, exists) {
		x.Errorf("PROPFIND lists %q, the file system has %q", served, exists)
	}
	balls := 0
	for _, name := range exists {
		if strings.HasSuffix(name, "/") {
			continue
		}
		got := x.Want(200, "GET", name, "").Body
		if path.Dir(name) == "/ball" {
			balls++
			if got != content("ball", 5000) {
				x.Errorf("%s does not have the content of the file that was moved", name)
			}
			continue
		}
		if name == "/counter" {
			if want := fmt.Sprint(x.counted.Load()); got != want {
				x.Errorf("/counter = %s after %s successful increments", got, want)
			}
			continue
		}
		if name == "/held" {
			continue
		}
		x.checkContent(name, got)
	}
	if balls != 1 {
		x.Errorf("the file that was moved exists %d times, want once", balls)
	}
	there := func(p davpath.Path) bool {
		return slices.Contains(exists, p.String()) || slices.Contains(exists, strings.TrimSuffix(p.String(), "/")+"/")
	}
	for _, l := range table.Below(davpath.Root) {
		x.Errorf("the lock on %s is left over; the resource exists: %v", l.Root, there(l.Root))
	}
	// Properties of a missing file would appear on the next file of that name.
	orphans := 0
	for p := range x.allNames() {
		found, err := store.Get(context.Background(), p)
		if err != nil {
			x.Fatal(err)
		}
		if len(found) > 0 && !there(p) {
			orphans++
			x.Errorf("%s has properties but does not exist", p)
		}
	}
	// All locks have ended, so everything can be deleted.
	for _, name := range []string{"/a", "/b", "/c", "/d", "/k", "/held", "/ball", "/counter"} {
		if a := x.Do("DELETE", name, ""); a.Status != 204 && a.Status != 404 {
			x.Errorf("DELETE %s after the load = %d\n%s", name, a.Status, a.Body)
		}
	}
	if left := x.walk(files, "/"); !slices.Equal(left, []string{"/"}) {
		x.Errorf("tree after deleting everything = %q", left)
	}
}

// allNames yields every name that the load can create.
func (x *load) allNames() func(yield func(davpath.Path) bool) {
	return func(yield func(davpath.Path) bool) {
		for _, a := range "abcdk" {
			for _, b := range " xs" {
				for _, c := range " uv" {
					name := strings.TrimRight(fmt.Sprintf("/%c/%c/%c", a, b, c), " /")
					if !strings.Contains(name, " ") && !yield(davpath.Must(name)) {
						return
					}
				}
			}
		}
	}
}

// walk lists all names in the file system and reports temp files.
func (x *load) walk(files fsbackend.Backend, name string) []string {
	x.Helper()
	found := []string{name}
	for _, info := range harness.ListMembers(x, files, name) {
		if davpath.Reserved(info.Name()) {
			x.Errorf("left over: %s", path.Join(name, info.Name()))
		}
		if info.IsDir() {
			found = append(found, x.walk(files, path.Join(name, info.Name())+"/")...)
		} else {
			found = append(found, path.Join(name, info.Name()))
		}
	}
	slices.Sort(found)
	return found
}

// TestListingMemberReplaced replaces a collection by a file or another collection while PROPFIND or
// COPY is on its way to it (RFC 4918 §9.1, §9.8.3). What is there now is described and copied; that
// nothing is there was never true. A member that vanished is left out.
func TestListingMemberReplaced(t *testing.T) {
	for _, tt := range []struct {
		by, target string
		fails      error // what opening the collection then is
		want       map[string]int
	}{
		{"a file", "/c/", nil, map[string]int{"/c/": 200, "/c/d": 200, "/c/e": 200}},
		{"a collection", "/c/", fs.ErrNotExist, map[string]int{"/c/": 200, "/c/d/": 200, "/c/d/y": 200, "/c/e": 200}},
		{"a collection", "/c/d/", fs.ErrNotExist, map[string]int{"/c/d/": 200, "/c/d/y": 200}},
		{"nothing", "/c/", fs.ErrNotExist, map[string]int{"/c/": 200, "/c/e": 200}},
		{"a file", "/c/d/", nil, map[string]int{"/c/d": 200}},
		{"nothing", "/c/d/", fs.ErrNotExist, nil}, // the answer itself is 404
	} {
		t.Run(tt.target+" by "+tt.by, func(t *testing.T) {
			replaced := func() *davtest.Server {
				srv := harness.NewServer(t, nil)
				srv.Put("/c/d/x", "/c/e")
				srv.Files.Fail(faultfs.Open, "/c/d", tt.fails).Times(1).Do(func(context.Context) {
					srv.Remove("/c/d")
					switch tt.by {
					case "a file":
						srv.Write("/c/d", tt.by)
					case "a collection":
						srv.Put("/c/d/y")
					}
				})
				return srv
			}
			if got := replaced().Do("PROPFIND", tt.target, "Depth: infinity").Statuses(); !maps.Equal(got, tt.want) {
				t.Errorf("PROPFIND = %v, want %v", got, tt.want)
			}
			if tt.by == "nothing" {
				return
			}
			srv := replaced()
			if a := srv.Do("COPY", tt.target, "Destination: /copy/"); a.StatusCode != 201 {
				t.Errorf("COPY = %d %v, want 201", a.StatusCode, a.Statuses())
			}
			to := map[string]string{"/c/": "/copy/d", "/c/d/": "/copy"}[tt.target]
			if tt.by == "a file" && srv.Content(to) != tt.by {
				t.Errorf("%s is not the file that came: %s", to, srv.Names())
			}
		})
	}
}

// TestGetReplacedWhileOpened replaces a collection by a file, and a file by a collection, between
// stat and open. GET may answer for either of them, but must not truncate a body.
func TestGetReplacedWhileOpened(t *testing.T) {
	mem := memory.New(nil)
	swap := &openHookFS{Fs: mem}
	s := harness.Serve(t, fsbackend.New(swap), nil)
	s.Want(201, "MKCOL", "/d", "")
	s.Want(201, "PUT", "/d/member", "x")
	s.Want(201, "PUT", "/f", "a file")
	for name, replace := range map[string]func() error{
		"/d": func() error {
			return errors.Join(mem.RemoveAll("/d"), afero.WriteFile(mem, "/d", []byte("now a file"), 0o666))
		},
		"/f": func() error { return errors.Join(mem.Remove("/f"), mem.Mkdir("/f", 0o777)) },
	} {
		swap.before = func(opened string) {
			if opened == name {
				swap.before = nil
				if err := replace(); err != nil {
					t.Error(err)
				}
			}
		}
		a, err := s.Try("GET", name, nil)
		if isFile := a.Body == "now a file"; err != nil || a.Status != 200 || isFile != (name == "/d") {
			t.Errorf("GET %s = %d %q, %v, want what it is now", name, a.Status, a.Body, err)
		}
		s.Client.CloseIdleConnections()
	}
}

// openHookFS calls before with the name of a file that is about to be opened for reading.
type openHookFS struct {
	afero.Fs
	before func(name string)
}

func (s *openHookFS) Open(name string) (afero.File, error) {
	if s.before != nil {
		s.before(name)
	}
	return s.Fs.Open(name)
}
