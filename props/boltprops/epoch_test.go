package boltprops

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Another identity of the root says that the tree is a copy: no file in it is one of those that were known.
func TestEpoch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	for _, tt := range []struct {
		root, a, b string // what files with other identities than those that were written see under these names
	}{
		{"", "", ""},
		{"one", "", ""},
		{"", "", ""},
		{"one", "", ""},
		{"two", "a", ""}, // written in the epoch of one; b is of this one
		{"two", "a", ""},
		{"one", "a", "b"}, // no way back: the copy went its own way
	} {
		s := start(t, file, &Options{Root: tt.root})
		if tt.root == "" {
			patch(t, s, at("/a", "1"), set("x", "a"))
		}
		if tt.root == "two" {
			patch(t, s, at("/b", "1"), set("x", "b"))
		}
		if a, b := value(t, s, at("/a", "9")), value(t, s, at("/b", "9")); a != tt.a || b != tt.b {
			t.Errorf("root %q: got %q and %q, want %q and %q", tt.root, a, b, tt.a, tt.b)
		}
		// The next change says whose they are.
		if tt.a != "" {
			if own := value(t, s, at("/a", "5")); own != "a" {
				t.Errorf("root %q: /a is %q, want those of whatever has the name", tt.root, own)
			}
		}
		s.Close()
	}
	s := start(t, file, &Options{Root: "three"})
	patch(t, s, at("/a", "7"), set("y", "new"))
	if got := value(t, s, at("/a", "7")); got != "a" {
		t.Errorf("what counted as everybody's is %q after a change, want it kept", got)
	}
	if got := value(t, s, at("/a", "8")); got != "" {
		t.Errorf("after a change by its owner another one sees %q", got)
	}
}

// A tree that is put back in its old place has the old root, and a state that is another file than the one it was saved from.
func TestEpochOfTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	for _, tt := range []struct {
		self string
		seen string // by a file with another identity than the one whose property was written at first
		log  bool
	}{
		{"", "", false}, // not known as long as the file system does not tell
		{"one", "", false},
		{"", "", false},
		{"one", "", false},
		{"two", "a", true},
		{"two", "a", false},
	} {
		var log bytes.Buffer
		s := start(t, file, &Options{Root: "root", Identify: func(string) string { return tt.self }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if tt.self == "" {
			patch(t, s, at("/a", "1"), set("x", "a"))
		}
		if got := value(t, s, at("/a", "9")); got != tt.seen {
			t.Errorf("in the file %q: got %q, want %q", tt.self, got, tt.seen)
		}
		if got := strings.Contains(log.String(), "copied or restored"); got != tt.log {
			t.Errorf("in the file %q: the log is %q, want a new epoch in it: %t", tt.self, log.String(), tt.log)
		}
		s.Close()
	}
}

// What creates the file, or writes it anew, knows which one it will be.
func TestFileKnowsItself(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file is replaced there while it is open")
	}
	file := filepath.Join(t.TempDir(), "state")
	var known []fs.FileInfo
	o := &Options{Lazy: true, Identify: func(name string) string {
		info, err := os.Stat(name)
		if err != nil {
			t.Errorf("asked about a file that is not there: %v", err)
			return ""
		}
		i := slices.IndexFunc(known, func(k fs.FileInfo) bool { return os.SameFile(k, info) })
		if i < 0 {
			i, known = len(known), append(known, info)
		}
		return fmt.Sprint(i)
	}}
	s := start(t, file, o)
	patch(t, s, at("/a", "1"), set("x", "1"))
	if got := s.state.Load().header; got != (header{self: "0"}) {
		t.Errorf("a new file: the header is %+v", got)
	}
	if err := s.compact(s.state.Load()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = start(t, file, o)
	if got := s.state.Load().header; got != (header{self: "1"}) {
		t.Errorf("compacted: the header is %+v", got)
	}
	if got := value(t, s, at("/a", "2")); got != "" {
		t.Errorf("compacted: another file sees %q", got)
	}
}

// No entry has a new epoch in a file that does not say so: whoever changes something first writes the header as well.
func TestEpochComesWithTheFirstChange(t *testing.T) {
	s := fresh(t)
	st := s.state.Load()
	st.header, st.epoch, st.stale = header{epoch: 3, root: "new"}, 3, true // as if it could not be written at the start
	patch(t, s, at("/a", "1"), set("x", "1"))
	s.Close()
	s = start(t, s.file, &Options{Root: "new"})
	if got := s.state.Load().header; got != (header{epoch: 3, root: "new"}) {
		t.Errorf("the header is %+v", got)
	}
	if got := value(t, s, at("/a", "2")); got != "" {
		t.Errorf("another file sees %q", got)
	}
}
