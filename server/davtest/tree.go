package davtest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Put creates resources and their missing parents. A name that ends in a slash is a collection; any
// other is a file whose content is its name. Faults do not affect it.
func (s *Server) Put(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			s.mkdirs(path.Clean("/" + name))
			continue
		}
		s.Write(name, path.Clean("/"+name))
	}
}

// Write creates or replaces a file and creates its missing parents.
func (s *Server) Write(name, content string) {
	s.t.Helper()
	name = path.Clean("/" + name)
	s.mkdirs(path.Dir(name))
	f, err := s.inner.OpenFile(context.Background(), name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err == nil {
		_, err = io.WriteString(f, content)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
}

// mkdirs creates the collection name, which is canonical, and its missing parents.
func (s *Server) mkdirs(name string) {
	s.t.Helper()
	if name == "/" {
		return
	}
	s.mkdirs(path.Dir(name))
	if info, err := s.inner.Stat(context.Background(), name); err == nil && info.IsDir() {
		return
	}
	if err := s.inner.Mkdir(context.Background(), name, 0o777); err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
}

// Remove removes a resource with its members without a request. A missing resource is no error.
// Unlike the other methods it may be called from any goroutine, such as that of a faultfs.Rule.Do.
func (s *Server) Remove(name string) {
	if err := s.inner.RemoveAll(context.Background(), path.Clean("/"+name)); err != nil {
		s.t.Errorf("davtest: %v", err)
	}
}

// Content returns the content of a file. It fails the test if there is none.
func (s *Server) Content(name string) string {
	s.t.Helper()
	f, err := s.inner.OpenFile(context.Background(), path.Clean("/"+name), os.O_RDONLY, 0)
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
	return string(b)
}

// Tree returns the names of all resources, sorted and separated by spaces: "/ /c/ /c/1". It
// includes temp files that the server has left over.
func (s *Server) Tree() string {
	s.t.Helper()
	names := []string{"/"}
	var walk func(dir string)
	walk = func(dir string) {
		f, err := s.inner.OpenFile(context.Background(), dir, os.O_RDONLY, 0)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // removed meanwhile
				s.t.Fatalf("davtest: %v", err)
			}
			return
		}
		infos, err := f.Readdir(-1)
		f.Close()
		if err != nil {
			s.t.Fatalf("davtest: %v", err)
		}
		for _, info := range infos {
			name := path.Join(dir, info.Name())
			if info.IsDir() {
				names = append(names, name+"/")
				walk(name)
			} else {
				names = append(names, name)
			}
		}
	}
	walk("/")
	slices.Sort(names)
	return strings.Join(names, " ")
}
