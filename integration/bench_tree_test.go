package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// BenchmarkCopyTree copies a tree of files of 4 KiB, a hundred in each of its collections, ours, x/net's and "cp -r".
func BenchmarkCopyTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) {
		for b.Loop() {
			s.do(b, 201, "COPY", "files", "copy")
			b.StopTimer()
			s.remove(b, "copy")
			b.StartTimer()
		}
	})
}

// BenchmarkDeleteTree removes such a tree, beside "rm -rf".
func BenchmarkDeleteTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) {
		for b.Loop() {
			b.StopTimer()
			s.copy(b, "files", "copy")
			b.StartTimer()
			s.do(b, 204, "DELETE", "copy", "")
		}
	})
}

// BenchmarkMoveTree gives such a tree another name and back, beside "mv".
func BenchmarkMoveTree(b *testing.B) {
	benchTrees(b, func(b *testing.B, s *treeServer) {
		for b.Loop() {
			s.do(b, 201, "MOVE", "files", "moved")
			s.do(b, 201, "MOVE", "moved", "files")
		}
	})
}

// benchTrees runs a benchmark on trees of 100 to 100,000 files, on the disk and in memory; of up to 1,000 with -short.
func benchTrees(b *testing.B, run func(*testing.B, *treeServer)) {
	for n := 100; n <= 100_000; n *= 10 {
		if n > 1000 && testing.Short() {
			break
		}
		onDisk := sync.OnceValue(func() string { return plant(b, n) })
		for _, c := range contestants {
			b.Run(fmt.Sprintf("%d/disk/%s", n, c.name), func(b *testing.B) {
				dir := onDisk()
				measureTree(b, n, &treeServer{dir: dir, handler: c.handler(b, dir)}, run)
			})
		}
		b.Run(fmt.Sprintf("%d/disk/command", n), func(b *testing.B) {
			measureTree(b, n, &treeServer{dir: onDisk()}, run)
		})
		for _, c := range contestants {
			b.Run(fmt.Sprintf("%d/memory/%s", n, c.name), func(b *testing.B) {
				if n > 10_000 {
					b.Skip("more is for the disk")
				}
				h := c.handler(b, "")
				fill(b, h, n, true)
				measureTree(b, n, &treeServer{handler: h}, run)
			})
		}
	}
}

func measureTree(b *testing.B, n int, s *treeServer, run func(*testing.B, *treeServer)) {
	b.ReportAllocs()
	run(b, s)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/file")
}

// plant is a directory with n files of 4 KiB in "files", a hundred in each of its directories.
func plant(b *testing.B, n int) string {
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

// treeServer does what is asked of it in a handler, or by a command of the system where there is none. dir is "" for a tree in
// memory.
type treeServer struct {
	dir     string
	handler http.Handler
}

func (s *treeServer) do(b *testing.B, want int, method, name, to string) {
	if s.handler != nil {
		bench(b, s.handler, want, method, "/"+name, "", "Destination", "/"+to)
		return
	}
	args := map[string][]string{"COPY": {"cp", "-r", "--reflink=auto"}, "MOVE": {"mv"}, "DELETE": {"rm", "-rf"}}[method]
	args = append(args, name)
	if to != "" {
		args = append(args, to)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("%s: %v: %s", args, err, said)
	}
}

// remove and copy do what is not measured.
func (s *treeServer) remove(b *testing.B, name string) {
	if s.dir == "" {
		s.do(b, 204, "DELETE", name, "")
	} else if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
		b.Fatal(err)
	}
}

func (s *treeServer) copy(b *testing.B, name, to string) {
	if s.dir == "" {
		s.do(b, 201, "COPY", name, to)
	} else if err := os.CopyFS(filepath.Join(s.dir, to), os.DirFS(filepath.Join(s.dir, name))); err != nil {
		b.Fatal(err)
	}
}
