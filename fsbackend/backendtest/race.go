package backendtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// testConcurrentCommits replaces a file all the time: whoever reads gets one of the contents, whole, and it is never
// not there.
func testConcurrentCommits(s *suite) {
	st := s.stager()
	s.commit("/f", strings.Repeat("0", 10_000))
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				f, err := s.fs.OpenFile(s.ctx, "/f", os.O_RDONLY, 0)
				if err != nil {
					s.Errorf("open while it is replaced: %v", err)
					return
				}
				b, err := io.ReadAll(f)
				f.Close()
				if err != nil || len(b) != 10_000 || strings.Trim(string(b), string(b[:1])) != "" {
					s.Errorf("read %d bytes, %v: not one content", len(b), err)
					return
				}
			}
		})
	}
	for i := range 4 {
		writers.Go(func() {
			for range 25 {
				w, commit, err := st.Stage(s.ctx, "/f")
				if err != nil {
					s.Error(err)
					return
				}
				for range 10 {
					io.WriteString(w, strings.Repeat(fmt.Sprint(i), 1000))
				}
				if err := commit(); err != nil {
					s.Error(err)
				}
				w.Close()
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if n := s.aside("/"); n != 0 {
		s.Errorf("%d files were left aside", n)
	}
}

// testConcurrentRenames has goroutines race for one file, which kills a process with afero.MemMapFs: one wins.
func testConcurrentRenames(s *suite) {
	const racers = 4
	for round := range 50 {
		s.put("/f", "file")
		var wins atomic.Int32
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				err := s.fs.Rename(s.ctx, "/f", fmt.Sprint("/g", i))
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("Rename of what another was faster with: %v", err)
				}
			})
		}
		wg.Wait()
		names := s.list("/")
		if wins.Load() != 1 || len(names) != 1 || names[0] == "f" {
			s.Fatalf("round %d: %d renames won, tree holds %q", round, wins.Load(), names)
		}
		s.ok(s.fs.RemoveAll(s.ctx, "/"+names[0]))
	}
}

// testConcurrentChanges does everything to everything. It finds what the race detector, a deadlock or a crash show, and
// that every name which is listed can be removed in the end.
func testConcurrentChanges(s *suite) {
	var wg sync.WaitGroup
	names := []string{"/a", "/b", "/a/x", "/b/x", "/a/y", "/b/y"}
	var dirs atomic.Int32
	for g := range 6 {
		wg.Go(func() {
			for i := range 60 {
				p, q := names[(i*7+g)%len(names)], names[(i*5+g*3)%len(names)]
				switch (i + g) % 6 {
				case 0:
					if s.fs.Mkdir(s.ctx, p, 0o777) == nil {
						dirs.Add(1)
					}
				case 1:
					if f, err := s.fs.OpenFile(s.ctx, p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err == nil {
						io.WriteString(f, p)
						f.Close()
					}
				case 2:
					_ = s.fs.Rename(s.ctx, p, q)
				case 3:
					_ = s.fs.RemoveAll(s.ctx, p)
				case 4:
					if f, err := s.fs.OpenFile(s.ctx, p, os.O_RDONLY, 0); err == nil {
						_, _ = f.Stat()
						_, _ = f.Readdir(-1)
						_, _ = io.Copy(io.Discard, f)
						f.Close()
					}
				case 5:
					if st, ok := s.fs.(stager); ok {
						if w, commit, err := st.Stage(s.ctx, p); err == nil {
							io.WriteString(w, q)
							_ = commit()
							w.Close()
						}
					}
				}
			}
		})
	}
	wg.Wait()
	if dirs.Load() == 0 {
		s.Error("no directory was ever made")
	}
	for _, n := range s.list("/") {
		s.ok(s.fs.RemoveAll(s.ctx, path.Join("/", n)))
	}
	s.wantTree("after all was removed", "/")
	for _, n := range names {
		if s.exists(n) {
			s.Errorf("%s is still there, though nothing lists it", n)
		}
	}
}
