package rfc4918

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/davtest"
)

// exchangeServer is the server of an exchange. Its methods change the tree without requests.
type exchangeServer interface {
	Address() string // to dial
	Put(names ...string)
	Write(name, content string)
	Lock(name string, headers ...string) (token string)
	Content(name string) string
	Names() string
}

// newExchangeServer starts a server on an empty tree of a kind, "memory" or "disk".
func newExchangeServer(t *testing.T, kind string, opts *server.Options) exchangeServer {
	t.Helper()
	switch kind {
	case "memory":
		return memoryServer{harness.NewServer(t, opts)}
	case "disk":
		dir := t.TempDir()
		t.Cleanup(func() { harness.NoTemps(t, dir) })
		h := anyPassword(server.New(harness.DiskTree(t, dir, nil), opts))
		return &diskServer{harness.ServeHandler(t, h, strings.TrimSuffix(opts.Prefix, "/")), dir}
	}
	t.Fatalf("unknown kind of tree %q", kind)
	return nil
}

// anyPassword makes the name in Basic credentials the principal and ignores the password, as
// davtest does.
func anyPassword(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, ok := r.BasicAuth(); ok {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		h.ServeHTTP(w, r)
	})
}

type memoryServer struct{ *davtest.Server }

func (s memoryServer) Address() string { return s.Listener.Addr().String() }

// diskServer serves a directory and accesses its files with package os. Its methods are those of
// davtest.Server.
type diskServer struct {
	*harness.Site
	dir string
}

func (s *diskServer) Address() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *diskServer) file(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *diskServer) Put(names ...string) {
	s.Helper()
	for _, name := range names {
		if !strings.HasSuffix(name, "/") {
			s.Write(name, name)
		} else if err := os.MkdirAll(s.file(name), 0o777); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *diskServer) Write(name, content string) {
	s.Helper()
	err := os.MkdirAll(filepath.Dir(s.file(name)), 0o777)
	if err = errors.Join(err, os.WriteFile(s.file(name), []byte(content), 0o666)); err != nil {
		s.Fatal(err)
	}
}

func (s *diskServer) Lock(name string, headers ...string) string {
	s.Helper()
	var pairs []string
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ": ")
		pairs = append(pairs, key, value)
	}
	a := s.Do("LOCK", name, harness.ExclusiveLock, pairs...)
	if a.Status != http.StatusOK && a.Status != http.StatusCreated {
		s.Fatalf("LOCK %s = %d", name, a.Status)
	}
	return strings.Trim(a.Header.Get("Lock-Token"), "<>")
}

func (s *diskServer) Content(name string) string {
	s.Helper()
	b, err := os.ReadFile(s.file(name))
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

func (s *diskServer) Names() string {
	s.Helper()
	var names []string
	err := filepath.WalkDir(s.dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.dir, file)
		name := "/"
		switch {
		case rel == ".":
		case davpath.Reserved(d.Name()):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			name += filepath.ToSlash(rel) + "/"
		default:
			name += filepath.ToSlash(rel)
		}
		names = append(names, name)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// clock returns the real time plus what a test added. Its zero value is ready to use.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
