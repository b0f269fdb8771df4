package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/server/davpath"
)

// truncating is a directory whose files are truncated to the next of lengths at their first Read.
type truncating struct {
	fsbackend.Backend
	dir     string
	lengths []int64
}

func (s *truncating) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := s.Backend.Open(ctx, p)
	return &truncatingFile{f, s, filepath.Join(s.dir, p.String())}, err
}

type truncatingFile struct {
	fsbackend.File
	of   *truncating
	name string
}

func (f *truncatingFile) Read(b []byte) (int, error) {
	if len(f.of.lengths) > 0 {
		if err := os.Truncate(f.name, f.of.lengths[0]); err != nil {
			return 0, err
		}
		f.of.lengths = f.of.lengths[1:]
	}
	return f.File.Read(b)
}

// A file that another process truncates during GET is sent with its new length. If it is truncated
// again the server closes the connection after the available bytes. The client gets no 4xx (RFC
// 9110 §15.5.1).
func TestGetWhileTruncated(t *testing.T) {
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
		dir := t.TempDir()
		tree, err := disk.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		do(New(tree.Backend(), nil), "PUT", "/f", strings.Repeat("x", tt.size))
		files := &truncating{tree.Backend(), dir, slices.Clone(tt.lengths)}
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

// copyBody copies a body of any length and returns its error. It uses large buffers for long bodies
// only.
func TestCopyBody(t *testing.T) {
	broken := errors.New("broken")
	for _, length := range []int{0, 1, longBody - 1, longBody, longBody + 1, longBody + 3*longSize + 7} {
		for _, end := range []error{io.EOF, broken} {
			content := bytes.Repeat([]byte("0123456789\n"), length/11+1)[:length]
			body := &sizeRecorder{Reader: io.MultiReader(bytes.NewReader(content), iotest.ErrReader(end))}
			var all bytes.Buffer
			n, err := copyBody(&all, body)
			if want := map[error]error{broken: broken}[end]; n != int64(length) || err != want || !bytes.Equal(all.Bytes(), content) {
				t.Errorf("%d bytes that end with %v: %d, %v", length, end, n, err)
			}
			if want := length >= longBody; body.largest > copySize != want {
				t.Errorf("%d bytes were read with a buffer of %d bytes", length, body.largest)
			}
		}
	}
}

// sizeRecorder records the largest buffer passed to Read.
type sizeRecorder struct {
	io.Reader
	largest int
}

func (p *sizeRecorder) Read(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.Reader.Read(b)
}
