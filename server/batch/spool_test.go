package batch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What was written stays after a Write that failed: before the temp file could be made, and after.
func TestSpoolAfterError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	var s spool
	defer s.Close()
	small, large := []byte("small"), bytes.Repeat([]byte("l"), spoolMemory)
	s.Write(small)
	if _, err := s.Write(large); err == nil {
		t.Fatal("Write has made a temp file without a directory")
	}
	check := func(want ...[]byte) {
		t.Helper()
		at := int64(0)
		for i, w := range want {
			got, err := s.bytes(section{at, int64(len(w))})
			if err != nil || !bytes.Equal(got, w) {
				t.Errorf("part %d is %d bytes %.20q, %v, want %.20q", i, len(got), got, err, w)
			}
			at += int64(len(w))
		}
		if s.size != at {
			t.Errorf("size = %d, want %d", s.size, at)
		}
	}
	check(small)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(large); err != nil {
		t.Fatal(err)
	}
	check(small, large)
	file := s.file
	s.file = readOnly(t)
	if _, err := s.Write(small); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("Write to a file that cannot be written: %v", err)
	}
	s.file.Close()
	s.file = file
	if _, err := s.Write(small); err != nil {
		t.Fatal(err)
	}
	check(small, large, small)
}

func readOnly(t *testing.T) *os.File {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
