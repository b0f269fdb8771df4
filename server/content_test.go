package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// What is known of the space counts for a moment, in one collection, and for files that are small beside it.
func TestPlenty(t *testing.T) {
	mapping, err := davpath.NewMapping("/")
	if err != nil {
		t.Fatal(err)
	}
	path := func(s string) davpath.Path {
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
		p.known = map[davpath.Path]spaceAt{path("/c"): {tt.available, time.Now().Add(-plentyTime)}}
		if p.holds(path("/c"), tt.length) {
			t.Errorf("%s: it is believed too long", tt.what)
		}
	}
}

// shrinking is a file system whose files are cut to what is next in lengths when they are first read.
type shrinking struct {
	webdav.FileSystem
	lengths []int64
}

func (s *shrinking) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	f, err := s.FileSystem.OpenFile(ctx, name, flag, perm)
	return &shrinkingFile{f, s, name}, err
}

type shrinkingFile struct {
	webdav.File
	fs   *shrinking
	name string
}

func (f *shrinkingFile) Read(b []byte) (int, error) {
	if len(f.fs.lengths) > 0 {
		w, err := f.fs.FileSystem.OpenFile(context.Background(), f.name, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return 0, err
		}
		io.WriteString(w, strings.Repeat("x", int(f.fs.lengths[0])))
		w.Close()
		f.fs.lengths = f.fs.lengths[1:]
	}
	return f.File.Read(b)
}

// A file that another process shortens while it is asked for is sent as it is then; where that
// goes on, the connection is cut after what there is. It is no fault of the client's (RFC 9110
// §15.5.1).
func TestGetOfWhatShrinks(t *testing.T) {
	for _, tt := range []struct {
		size    int
		lengths []int64
		ranges  string
		want    string
	}{
		{1000, []int64{10}, "", "200 10"},
		{1000, []int64{100, 10}, "", "200 10"},
		{1000, []int64{0}, "", "200 0"},
		{1000, []int64{100, 10, 5, 2}, "", "200 2"},
		{1000, []int64{90, 80, 70, 60, 50, 40, 30}, "", "aborted"}, // two a try
		{smallFile + 1, []int64{smallFile}, "", "aborted"},
		{1000, []int64{10}, "bytes=5-99", "206 5"},
		{1000, []int64{10}, "bytes=20-99", "416 32"},
		{1000, []int64{10}, "bytes=0-1,20-99", "aborted"},
		{2 * smallFile, []int64{10}, "bytes=5-", "aborted"},
	} {
		disk, err := fsbackend.Root(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		do(New(disk, nil), "PUT", "/f", strings.Repeat("x", tt.size))
		files := &shrinking{disk, slices.Clone(tt.lengths)}
		got := func() (got string) {
			defer func() {
				if recover() == http.ErrAbortHandler {
					got = "aborted"
				}
			}()
			var header []string
			if tt.ranges != "" {
				header = []string{"Range", tt.ranges}
			}
			res := do(New(files, nil), "GET", "/f", "", header...)
			return fmt.Sprint(res.StatusCode, " ", len(bodyOf(t, res)))
		}()
		if got != tt.want {
			t.Errorf("%q of %d bytes cut to %v: %s, want %s", tt.ranges, tt.size, tt.lengths, got, tt.want)
		}
	}
}

// A body comes in whole, however long it is and wherever it ends, and only one that goes on is read in large pieces.
func TestReceive(t *testing.T) {
	broken := errors.New("broken")
	for _, length := range []int{0, 1, longBody - 1, longBody, longBody + 1, longBody + 3*longSize + 7} {
		for _, end := range []error{io.EOF, broken} {
			content := bytes.Repeat([]byte("0123456789\n"), length/11+1)[:length]
			body := &pieces{Reader: io.MultiReader(bytes.NewReader(content), iotest.ErrReader(end))}
			var all bytes.Buffer
			n, err := receive(&all, body)
			if want := map[error]error{broken: broken}[end]; n != int64(length) || err != want || !bytes.Equal(all.Bytes(), content) {
				t.Errorf("%d bytes that end with %v: %d, %v", length, end, n, err)
			}
			if want := length >= longBody; body.largest > copySize != want {
				t.Errorf("%d bytes were read in pieces of %d", length, body.largest)
			}
		}
	}
}

// pieces notes how much is read at a time.
type pieces struct {
	io.Reader
	largest int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.Reader.Read(b)
}
