package bench

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// BenchmarkCopyTree copies a tree of files of 4 KiB, a hundred in each collection, with dav207,
// x/net and "cp -r".
func BenchmarkCopyTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) (run, undo func() error) {
		return func() error { return s.do(b, 201, "COPY", "files", s.name) }, func() error { return s.remove(b, s.name) }
	})
}

// BenchmarkDeleteTree removes the same tree, beside "rm -rf".
func BenchmarkDeleteTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) (run, undo func() error) {
		again := func() error { return s.copy(b, "files", s.name) }
		if err := again(); err != nil {
			b.Skip(err)
		}
		return func() error { return s.do(b, 204, "DELETE", s.name, "") }, again
	})
}

// BenchmarkMoveTree renames the same tree and renames it back, beside "mv".
func BenchmarkMoveTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) (run, undo func() error) {
		return func() error {
			return errors.Join(s.do(b, 201, "MOVE", "files", s.name), s.do(b, 201, "MOVE", s.name, "files"))
		}, nil
	})
}

// benchTrees runs a contest on trees of 100 to 100,000 files (1,000 with -short), on the disk and
// in memory.
func benchTrees(b *testing.B, prepare func(*testing.B, *treeServer) (run, undo func() error)) {
	for n := 100; n <= 100_000; n *= 10 {
		if n > 1000 && testing.Short() {
			break
		}
		compete := func(b *testing.B, servers ...*treeServer) {
			var sides []side
			for _, s := range servers {
				run, undo := prepare(b, s)
				sides = append(sides, side{name: s.name, run: run, undo: undo, bare: s.handler == nil})
			}
			contest(b, "file", n, sides...)
		}
		b.Run(fmt.Sprintf("%d/disk", n), func(b *testing.B) {
			dir := newTree(b, n)
			servers := []*treeServer{{"dav207", dir, durable(b, dir)}, {"xnet", dir, xnet(dir)}}
			if coreutils() {
				servers = append(servers, &treeServer{"command", dir, nil})
			}
			compete(b, servers...)
		})
		b.Run(fmt.Sprintf("%d/memory", n), func(b *testing.B) {
			if n > 10_000 {
				b.Skip("more is for the disk")
			}
			var servers []*treeServer
			for _, c := range contestants {
				h := c.handler(b, "")
				fill(b, h, n, true)
				servers = append(servers, &treeServer{c.name, "", h})
			}
			compete(b, servers...)
		})
	}
}

// coreutils reports whether this system has cp, rm and mv of GNU coreutils.
var coreutils = sync.OnceValue(func() bool { return exec.Command("cp", "--reflink=auto", "--version").Run() == nil })

// newTree creates a directory with n files of 4 KiB in "files", a hundred in each of its
// directories.
func newTree(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	content := []byte(strings.Repeat("0123456789abcdef", 256))
	for i := range n {
		in := filepath.Join(dir, "files", fmt.Sprintf("%03d", i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(in, 0o777); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("file-%06d.txt", i)), content, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// treeServer changes a tree with requests to handler or, if that is nil, with commands of the
// system. dir is "" for a tree in memory.
type treeServer struct {
	name    string
	dir     string
	handler http.Handler
}

func (s *treeServer) do(b *testing.B, want int, method, name, to string) error {
	if s.handler != nil {
		serve(b, s.handler, want, method, "/"+name, "", "Destination", "/"+to)
		return nil
	}
	args := map[string][]string{"COPY": {"cp", "-r", "--reflink=auto"}, "MOVE": {"mv"}, "DELETE": {"rm", "-rf"}}[method]
	args = append(args, name)
	if to != "" {
		args = append(args, to)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args, err, said)
	}
	return nil
}

// remove removes a resource, for set-up that is not measured.
func (s *treeServer) remove(b *testing.B, name string) error {
	if s.dir == "" {
		return s.do(b, 204, "DELETE", name, "")
	}
	return os.RemoveAll(filepath.Join(s.dir, name))
}

// copy copies a resource, for set-up that is not measured.
func (s *treeServer) copy(b *testing.B, name, to string) error {
	if s.dir == "" {
		return s.do(b, 201, "COPY", name, to)
	}
	return os.CopyFS(filepath.Join(s.dir, to), os.DirFS(filepath.Join(s.dir, name)))
}
