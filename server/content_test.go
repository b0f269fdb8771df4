package server

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"dav207/server/resource"
)

// A small file is read as any other ReadSeeker, and is sought only where that is needed.
func TestSmallContent(t *testing.T) {
	content := strings.Repeat("0123456789", 100)
	if err := iotest.TestReader(&small{f: strings.NewReader(content), size: int64(len(content))}, []byte(content)); err != nil {
		t.Error(err)
	}
	f := &seekCounter{ReadSeeker: strings.NewReader(content)}
	s := &small{f: f, size: int64(len(content))}
	if n, err := s.Seek(0, io.SeekEnd); n != 1000 || err != nil {
		t.Errorf("Seek = %d, %v", n, err)
	}
	s.Seek(0, io.SeekStart)
	var all bytes.Buffer
	if _, err := copyPooled(&all, io.LimitReader(s, 1000)); err != nil || all.String() != content || f.seeks != 0 {
		t.Errorf("%d bytes, %v, %d seeks, want all of it without one", all.Len(), err, f.seeks)
	}
	s.Seek(-3, io.SeekEnd)
	if rest, err := io.ReadAll(s); string(rest) != "789" || err != nil || f.seeks != 1 {
		t.Errorf("the end = %q, %v, %d seeks", rest, err, f.seeks)
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek in front of the start is no error")
	}
}

type seekCounter struct {
	io.ReadSeeker
	seeks int
}

func (c *seekCounter) Seek(offset int64, whence int) (int64, error) {
	c.seeks++
	return c.ReadSeeker.Seek(offset, whence)
}

// What is known of the space counts for a moment, in one collection, and for files that are small beside it.
func TestPlenty(t *testing.T) {
	mapping, err := resource.NewMapping("/")
	if err != nil {
		t.Fatal(err)
	}
	path := func(s string) resource.Path {
		p, err := mapping.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const gib = 1 << 30
	for _, tt := range []struct {
		what      string
		available uint64
		length    int64
		want      bool
	}{
		{"a small file on a large volume", 2 * gib, 1024, true},
		{"just too large", gib + 16*1024, 1024, false},
		{"just small enough", gib + 16*1025, 1024, true},
		{"a small volume", gib, 1, false},
		{"a file that could fill it", 3 * gib, gib, false},
		{"no file is that large", 3 * gib, 1<<63 - 1, false},
	} {
		var p plenty
		p.note(path("/c"), tt.available)
		if got := p.holds(path("/c"), tt.length); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.what, got, tt.want)
		}
		if p.holds(path("/d"), 1) {
			t.Errorf("%s: another collection has room, too", tt.what)
		}
		p.known = map[resource.Path]spaceAt{path("/c"): {tt.available, time.Now().Add(-plentyTime)}}
		if p.holds(path("/c"), tt.length) {
			t.Errorf("%s: it is believed too long", tt.what)
		}
	}
}
