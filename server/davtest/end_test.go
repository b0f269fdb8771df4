package davtest_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"dav207/server/davpath"
	"dav207/server/davtest"
)

// TestLeftOpen: a request that does not end and handles that nobody closes are reported, and Close
// does not wait for them for ever.
func TestLeftOpen(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 32<<20) // more than the buffers of a connection hold
	for _, tt := range []struct {
		name string
		open func(*davtest.Server) io.Closer
		want []string
	}{
		{"a GET whose client does not read", func(srv *davtest.Server) io.Closer {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			bufio.NewReader(conn).ReadString('\n')
			return conn
		}, []string{"GET /big did not end"}},
		{"a PUT whose client sends nothing more", func(srv *davtest.Server) io.Closer {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, "PUT /new HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
			for len(srv.Journal()) == 0 {
				time.Sleep(time.Millisecond)
			}
			return conn
		}, []string{"PUT /new did not end"}},
		{"handles that a wrapper leaks", func(srv *davtest.Server) io.Closer {
			f, err := srv.Files.Open(t.Context(), davpath.Must("/big"))
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if _, err := srv.Files.Open(t.Context(), davpath.Must("/big")); err != nil {
				t.Fatal(err)
			}
			if _, err := srv.Files.OpenDir(t.Context(), davpath.Must("/")); err != nil {
				t.Fatal(err)
			}
			if _, err := srv.Files.Create(t.Context(), davpath.Must("/new")); err != nil {
				t.Fatal(err)
			}
			return io.NopCloser(nil)
		}, []string{"/ was opened and not closed", "/big was opened and not closed", "/new was opened and not closed"}},
		{"nothing", func(srv *davtest.Server) io.Closer { return io.NopCloser(nil) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ft := &errorRecorder{}
			srv := davtest.New(ft, nil)
			srv.Write("/big", big)
			defer tt.open(srv).Close()
			srv.Close()
			slices.Sort(ft.errors)
			if len(ft.errors) != len(tt.want) {
				t.Fatalf("errors = %q, want %q", ft.errors, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(ft.errors[i], want) {
					t.Errorf("error = %q, want %q", ft.errors[i], want)
				}
			}
		})
	}
}

// TestIdleFault: a fault that was begun and never said what happens is no fault.
func TestIdleFault(t *testing.T) {
	ft := &errorRecorder{}
	srv := davtest.New(ft, nil)
	srv.On("PUT", "/a")
	srv.Wire("GET", "/a").Optional()
	srv.Do("GET", "/a")
	srv.Close()
	if len(ft.errors) != 2 || !strings.Contains(strings.Join(ft.errors, ""), "it does nothing: give it a status") {
		t.Errorf("errors = %q", ft.errors)
	}
}

// TestNoLinks: what the tree in memory cannot hold is refused, with the line or the name.
func TestNoLinks(t *testing.T) {
	_, err := davtest.Start(&davtest.Options{Tree: "-- /a --\n-- link /b --\n/a\n"})
	if want := "tree: line 2: the tree in memory has no symbolic links: they take a directory on a disk"; fmt.Sprint(err) != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	for _, mode := range []fs.FileMode{fs.ModeSymlink, fs.ModeNamedPipe} {
		_, err := davtest.Start(&davtest.Options{FS: fstest.MapFS{"d/b": {Data: []byte("a"), Mode: mode}}})
		if err == nil || !strings.Contains(err.Error(), "d/b is neither a file nor a directory") {
			t.Errorf("%v: error = %v", mode, err)
		}
	}
	dir := t.TempDir()
	if os.Symlink("nowhere", dir+"/b") == nil {
		if _, err := davtest.Start(&davtest.Options{FS: os.DirFS(dir)}); err == nil || !strings.Contains(err.Error(), "b is neither") {
			t.Errorf("a link on the disk: error = %v", err)
		}
	}
}
