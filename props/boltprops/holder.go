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

// Beside the file, and with its name in theirs, stand two others: who has it, and one that is about to take its place.

func (s *Store) dir() string         { return filepath.Dir(s.file) }
func parent(dir string) string       { return filepath.Dir(dir) }
func (s *Store) holder() string      { return s.file + ".holder" }
func (s *Store) asidePrefix() string { return s.file + ".new-" }
func (s *Store) aside() string       { return s.asidePrefix() + rand.Text() }

// sweep removes what a creation that was cut short has left. One that is under way takes no minute.
func (s *Store) sweep() {
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		return
	}
	prefix := filepath.Base(s.asidePrefix())
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), prefix); ok && len(rest) == len(rand.Text()) && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
				os.Remove(filepath.Join(s.dir(), e.Name()))
			}
		}
	}
}

// hold writes down who has the file. It is for people: where it cannot be written nothing is lost.
func (s *Store) hold() bool {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	who := fmt.Sprintf("process %d on %s since %s", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if s.opts.Holder != "" {
		who += ", " + s.opts.Holder
	}
	os.Remove(s.holder()) // not written to: what stands there may be a link
	f, err := os.OpenFile(s.holder(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	io.WriteString(f, who+"\n")
	return f.Close() == nil
}

// whoHolds returns what the holder says of itself, fit for a terminal.
func (s *Store) whoHolds() string {
	if info, err := os.Lstat(s.holder()); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(s.holder())
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
