package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
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

// What a plain GET or HEAD of a small file is answered without http.ServeContent is what that says.
func TestSendWhole(t *testing.T) {
	for _, content := range []string{"", "x", strings.Repeat("0123456789", smallFile/10)} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, modified := range []time.Time{{}, time.Date(2024, 2, 29, 23, 59, 58, 7, time.FixedZone("east", 3600))} {
				answer := func(send func(w http.ResponseWriter, r *http.Request)) *http.Response {
					w := httptest.NewRecorder()
					w.Header().Set("Content-Type", "text/x")
					w.Header().Set("Accept-Ranges", "bytes")
					send(w, httptest.NewRequest(method, "/f", nil))
					return w.Result()
				}
				want := answer(func(w http.ResponseWriter, r *http.Request) {
					http.ServeContent(w, r, "", modified, strings.NewReader(content))
				})
				got := answer(func(w http.ResponseWriter, r *http.Request) {
					q := &request{Request: r, w: w}
					if err := sendWhole(q, strings.NewReader(content), int64(len(content)), modified); err != nil {
						t.Error(err)
					}
				})
				wantBody, _ := io.ReadAll(want.Body)
				gotBody, _ := io.ReadAll(got.Body)
				if got.StatusCode != want.StatusCode || !maps.EqualFunc(got.Header, want.Header, slices.Equal) || !bytes.Equal(gotBody, wantBody) {
					t.Errorf("%s of %d bytes = %d %v, %d bytes, want %d %v, %d bytes", method, len(content),
						got.StatusCode, got.Header, len(gotBody), want.StatusCode, want.Header, len(wantBody))
				}
			}
		}
	}
}

// A file that has become shorter since it was looked at is an error, not a part of it under the length of the whole.
func TestSendWholeOfLess(t *testing.T) {
	w := httptest.NewRecorder()
	err := sendWhole(&request{Request: httptest.NewRequest("GET", "/f", nil), w: w}, strings.NewReader("short"), 10, time.Now())
	if err != errShorter || w.Body.Len() > 0 {
		t.Errorf("error %v after %d bytes, want %v before any", err, w.Body.Len(), errShorter)
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

// A file that another process shortens while it is asked for is sent as it is then; where that goes on, as far as it can be, which
// net/http cuts off. It is no fault of the client's (RFC 9110 §15.5.1).
func TestGetOfWhatShrinks(t *testing.T) {
	for _, tt := range []struct {
		lengths []int64
		want    string
	}{{[]int64{10}, "200 10"}, {[]int64{100, 10}, "200 10"}, {[]int64{0}, "200 0"}, {[]int64{100, 10, 5, 2}, "200 2"}} {
		disk, err := fsbackend.Root(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		do(New(disk, nil), "PUT", "/f", strings.Repeat("x", 1000))
		files := &shrinking{disk, tt.lengths}
		got := func() (got string) {
			defer func() {
				if recover() == http.ErrAbortHandler {
					got = "aborted"
				}
			}()
			res := do(New(files, nil), "GET", "/f", "")
			return fmt.Sprint(res.StatusCode, " ", len(bodyOf(t, res)))
		}()
		if got != tt.want {
			t.Errorf("cut to %v: %s, want %s", tt.lengths, got, tt.want)
		}
	}
}

// Whoever asks for something else than the whole file in any case has http.ServeContent find out what.
func TestUnconditional(t *testing.T) {
	for _, name := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		head := http.Header{}
		if head.Set("Accept", "*/*"); !unconditional(head) {
			t.Error("Accept is a condition")
		}
		if head.Set(name, "x"); unconditional(head) {
			t.Errorf("%s is none", name)
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
