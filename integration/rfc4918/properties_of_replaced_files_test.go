package rfc4918

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/props"
	"dav207/server"
	"dav207/server/davpath"
)

// Dead properties are stored by name. They follow a resource through PUT, COPY and MOVE (RFC 4918
// §9.7.1, §9.8.2, §9.9.1), and stay with the name through changes outside of the server. A resource
// created by a request has none (§9.3, §9.7).
func TestPropertiesBelongToAName(t *testing.T) {
	for _, tt := range []struct {
		what  string
		do    func(s *harness.Site, dir string)
		at    string
		shown bool
	}{
		{"nothing happens", func(*harness.Site, string) {}, "/f", true},
		{"PUT over it", func(s *harness.Site, _ string) { s.Want(204, "PUT", "/f", "new") }, "/f", true},
		{"PUT twice", func(s *harness.Site, _ string) { s.Want(204, "PUT", "/f", "a"); s.Want(204, "PUT", "/f", "b") }, "/f", true},
		{"MOVE", func(s *harness.Site, _ string) { s.Want(201, "MOVE", "/f", "", "Destination", "/g") }, "/g", true},
		{"MOVE over another", func(s *harness.Site, _ string) { s.Want(204, "MOVE", "/f", "", "Destination", "/other") }, "/other", true},
		{"COPY", func(s *harness.Site, _ string) { s.Want(201, "COPY", "/f", "", "Destination", "/g") }, "/g", true},
		{"COPY, then PUT over the copy", func(s *harness.Site, _ string) {
			s.Want(201, "COPY", "/f", "", "Destination", "/g")
			s.Want(204, "PUT", "/g", "x")
		}, "/g", true},
		{"its collection is moved", func(s *harness.Site, _ string) {
			s.Want(201, "MKCOL", "/d", "")
			s.Want(201, "MOVE", "/f", "", "Destination", "/d/f")
			s.Want(201, "MOVE", "/d", "", "Destination", "/e")
		}, "/e/f", true},
		{"DELETE and PUT", func(s *harness.Site, _ string) { s.Want(204, "DELETE", "/f", ""); s.Want(201, "PUT", "/f", "x") }, "/f", false},
		{"written in place, locally", func(s *harness.Site, dir string) { write(s, dir, "f", "local") }, "/f", true},
		{"renamed locally, to another name", func(s *harness.Site, dir string) { rename(s, dir, "f", "g") }, "/g", false},
		{"removed locally, and another is made", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			write(s, dir, "f", "another")
		}, "/f", true},
		{"removed locally, and another is created here", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			s.Want(201, "PUT", "/f", "another")
		}, "/f", false},
		{"removed locally, and a large one is created here", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			s.Want(201, "PUT", "/f", strings.Repeat("x", 1<<20))
		}, "/f", false},
		{"removed locally, and a collection is created here", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			s.Want(201, "MKCOL", "/f", "")
		}, "/f", false},
		{"removed locally, and locked here", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			s.Want(201, "LOCK", "/f", harness.LockBody)
		}, "/f", false},
		{"removed locally, and another is copied here", func(s *harness.Site, dir string) {
			if err := os.Remove(filepath.Join(dir, "f")); err != nil {
				s.Fatal(err)
			}
			s.Want(201, "COPY", "/other", "", "Destination", "/f")
		}, "/f", false},
		{"saved by an editor that renames", func(s *harness.Site, dir string) {
			write(s, dir, "f.new", "edited")
			rename(s, dir, "f", "f~")
			rename(s, dir, "f.new", "f")
		}, "/f", true},
		{"replaced locally", func(s *harness.Site, dir string) { rename(s, dir, "other", "f") }, "/f", true},
		{"replaced locally, then PUT", func(s *harness.Site, dir string) {
			rename(s, dir, "other", "f")
			s.Want(204, "PUT", "/f", "x")
		}, "/f", true},
		{"replaced locally, then moved", func(s *harness.Site, dir string) {
			rename(s, dir, "other", "f")
			s.Want(201, "MOVE", "/f", "", "Destination", "/g")
		}, "/g", true},
		{"replaced locally, then copied", func(s *harness.Site, dir string) {
			rename(s, dir, "other", "f")
			s.Want(201, "COPY", "/f", "", "Destination", "/g")
		}, "/g", true},
		{"replaced locally, and comes back", func(s *harness.Site, dir string) {
			rename(s, dir, "f", "backup")
			write(s, dir, "f", "another")
			rename(s, dir, "backup", "f")
		}, "/f", true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := t.TempDir()
			files := harness.DiskTree(t, dir, nil)
			store := &props.Memory{}
			h := server.New(files, &server.Options{Props: store})
			s := harness.ServeHandler(t, h, "")
			s.Want(201, "PUT", "/f", "old")
			s.Want(201, "PUT", "/other", "other")
			s.Want(207, "PROPPATCH", "/f", harness.SetMark)
			tt.do(s, dir)
			const ask = `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`
			for _, q := range []struct{ name, depth string }{{tt.at, "0"}, {tt.at[:strings.LastIndex(tt.at, "/")+1], "1"}} {
				if got := strings.Contains(s.Want(207, "PROPFIND", q.name, ask, "Depth", q.depth).Body, ">old<"); got != tt.shown {
					t.Errorf("PROPFIND %s with Depth %s has the property: %v, want %v", q.name, q.depth, got, tt.shown)
				}
			}
			// The sweep removes properties of names that no longer exist, and no others.
			for range 2 {
				if _, err := h.PurgeOrphanedProps(t.Context(), time.Nanosecond); err != nil {
					t.Fatal(err)
				}
			}
			owned := 0
			for range store.All(t.Context(), davpath.Root) {
				owned++
			}
			if shows := strings.Contains(s.Want(207, "PROPFIND", "/", ask, "Depth", "infinity").Body, ">old<"); shows != (owned > 0) {
				t.Errorf("after the sweep the store has %d resources; some properties are visible: %v", owned, shows)
			}
			if got := strings.Contains(s.Want(207, "PROPFIND", tt.at, ask, "Depth", "0").Body, ">old<"); got != tt.shown {
				t.Errorf("after the sweep %s has the property: %v, want %v", tt.at, got, tt.shown)
			}
		})
	}
}

func write(s *harness.Site, dir, name, content string) {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
		s.Fatal(err)
	}
}

func rename(s *harness.Site, dir, from, to string) {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		s.Fatal(err)
	}
}
