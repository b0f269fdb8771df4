package boltprops

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// Beside the file, and with its name in theirs, stand two others: who has it, and a temp file
// that is about to take its place. These are names in s.dir.

func (s *Store) base() string       { return filepath.Base(s.file) }
func (s *Store) ownerFile() string  { return s.base() + ".owner" }
func (s *Store) tempPrefix() string { return s.base() + ".new-" }
func (s *Store) tempName() string   { return s.tempPrefix() + rand.Text() }

// cleanTemp removes temp files of killed processes: those older than a minute.
func (s *Store) cleanTemp() {
	d, err := s.dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, s.tempPrefix()); ok && len(rest) == len(rand.Text()) {
			info, err := s.dir.Lstat(name)
			if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > time.Minute {
				s.dir.Remove(name)
			}
		}
	}
}

// writeOwner writes the owner file, and reports whether it could. Its text is for people. If it
// exists at the next start, this process did not close the state.
func (s *Store) writeOwner() bool {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	who := fmt.Sprintf("process %d on %s since %s", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if s.opts.Owner != "" {
		who += ", " + s.opts.Owner
	}
	s.dir.Remove(s.ownerFile()) // not written to: what stands there may be a link
	f, err := s.dir.OpenFile(s.ownerFile(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	io.WriteString(f, who+"\n")
	return f.Close() == nil
}

// readOwner returns the text of the owner file, printable characters alone; "" if there is none.
func (s *Store) readOwner() string {
	if info, err := s.dir.Lstat(s.ownerFile()); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := s.openFile(s.ownerFile(), os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	who, _ := io.ReadAll(io.LimitReader(f, 1<<10))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(who)))
}
