package davtest

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// Put makes resources, and the collections on the way to them: a collection where a name ends in
// a slash, otherwise a file whose content is its name. No fault stops it.
func (s *Server) Put(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			s.check(s.files.MkdirAll(name, 0o777))
			continue
		}
		s.Write(name, path.Clean("/"+name))
	}
}

// Write makes a file with that content, or replaces one, and makes the collections on the way to
// it.
func (s *Server) Write(name, content string) {
	s.t.Helper()
	s.check(s.writeFile(name, []byte(content)))
}

func (s *Server) writeFile(name string, content []byte) error {
	if err := s.files.MkdirAll(path.Dir(path.Clean("/"+name)), 0o777); err != nil {
		return err
	}
	return afero.WriteFile(s.files, name, content, 0o666)
}

func (s *Server) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
}

// Remove removes a resource with its members, behind the back of the server. That it is not there
// is no failure. Unlike the other methods it may be called from any goroutine, such as that of a
// faultfs.Rule.Do.
func (s *Server) Remove(name string) {
	if err := s.files.RemoveAll(name); err != nil {
		s.t.Errorf("davtest: %v", err)
	}
}

// Content returns what is in a file. It fails the test if there is none.
func (s *Server) Content(name string) string {
	s.t.Helper()
	b, err := afero.ReadFile(s.files, name)
	s.check(err)
	return string(b)
}

// Names returns the names of all there is, sorted and separated by spaces: "/ /c/ /c/1". Temp files
// that the server did not remove are there, too.
func (s *Server) Names() string {
	s.t.Helper()
	names, err := s.names()
	s.check(err)
	return strings.Join(names, " ")
}

// names returns the names of all resources, sorted, those of collections with a slash.
func (s *Server) names() (names []string, err error) {
	err = afero.Walk(s.files, "/", func(name string, info fs.FileInfo, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile
			return nil
		case err != nil:
			return err
		case info.IsDir() && name != "/":
			name += "/"
		}
		names = append(names, name)
		return nil
	})
	slices.Sort(names)
	return names, err
}
