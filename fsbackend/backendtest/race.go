package backendtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// testConcurrentCommits replaces a file again and again. Every reader must find it, and read one of
// the contents completely.
func testConcurrentCommits(s *suite) {
	s.put("/f", strings.Repeat("0", 10_000))
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				f, err := s.b.Open(s.ctx, at("/f"))
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
				u, err := s.b.Create(s.ctx, at("/f"))
				if err != nil {
					s.Error(err)
					return
				}
				for range 10 {
					io.WriteString(u, strings.Repeat(fmt.Sprint(i), 1000))
				}
				if _, err := u.Commit(s.ctx); err != nil {
					s.Error(err)
				}
				u.Close()
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if names, _ := s.list("/"); len(names) != 1 {
		s.Errorf("the root holds %q", names)
	}
}

// testConcurrentRenames renames one file from several goroutines at once: one of them must succeed.
// With afero.MemMapFs this crashes the process.
func testConcurrentRenames(s *suite) {
	const racers = 4
	for round := range 50 {
		s.put("/f", "file")
		var wins atomic.Int32
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				err := s.b.Rename(s.ctx, at("/f"), at(fmt.Sprint("/g", i)))
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, fs.ErrNotExist) {
					s.Errorf("Rename that another was faster with: %v", err)
				}
			})
		}
		wg.Wait()
		names, _ := s.list("/")
		if wins.Load() != 1 || len(names) != 1 || names[0] == "f" {
			s.Fatalf("round %d: %d renames won, the root holds %q", round, wins.Load(), names)
		}
		s.removeAll("/" + names[0])
	}
}

// testConcurrentChanges runs all operations on the same few paths. It finds data races, deadlocks
// and crashes, and checks that all that is listed can be removed in the end. One piece: a switch
// over the operations.
func testConcurrentChanges(s *suite) {
	var wg sync.WaitGroup
	names := []string{"/a", "/b", "/a/x", "/b/x", "/a/y", "/b/y"}
	var dirs atomic.Int32
	for g := range 6 {
		wg.Go(func() {
			for i := range 60 {
				p, q := at(names[(i*7+g)%len(names)]), at(names[(i*5+g*3)%len(names)])
				switch (i + g) % 6 {
				case 0:
					if s.b.Mkdir(s.ctx, p) == nil {
						dirs.Add(1)
					}
				case 1:
					_ = s.b.CopyFile(s.ctx, q, p)
				case 2:
					_ = s.b.Rename(s.ctx, p, q)
				case 3:
					_ = s.b.Remove(s.ctx, p)
					if s.bulk != nil && i%4 == 0 {
						s.bulk.RemoveTree(s.ctx, p, func(davpath.Path) {})
					}
				case 4:
					if f, err := s.b.Open(s.ctx, p); err == nil {
						_, _ = f.Stat()
						_, _ = io.Copy(io.Discard, f)
						f.Close()
					} else if d, err := s.b.OpenDir(s.ctx, p); err == nil {
						members, _ := d.Names()
						d.Lstat(members, make([]fsbackend.Info, len(members)), make([]error, len(members)))
						d.Close()
					}
				case 5:
					if u, err := s.b.Create(s.ctx, p); err == nil {
						io.WriteString(u, q.String())
						_, _ = u.Commit(s.ctx)
						u.Close()
					}
				}
			}
		})
	}
	wg.Wait()
	if dirs.Load() == 0 {
		s.Error("no collection was ever made")
	}
	members, _ := s.list("/")
	for _, n := range members {
		s.removeAll("/" + n)
	}
	s.wantTree("after all was removed", "")
	s.wantGone(names...)
}
