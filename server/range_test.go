package server

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/server/byterange"
)

// ranged is a file of a handler, with the same content for http.ServeContent.
type ranged struct {
	h        http.Handler
	content  string
	modified time.Time
	etag     string
}

func newRanged(t testing.TB, size int) *ranged {
	r := &ranged{
		h:        New(memory.New(nil).Backend(), nil),
		content:  strings.Repeat("0123456789", size/10+1)[:size],
		modified: time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC),
	}
	w := ask(r.h, "PUT", "/f.txt", r.content, "X-OC-Mtime", fmt.Sprint(r.modified.Unix()))
	if r.etag = w.Header().Get("ETag"); w.Code != 201 || r.etag == "" {
		t.Fatalf("PUT = %d %v", w.Code, w.Header())
	}
	return r
}

// serveContent returns the response of http.ServeContent.
func (r *ranged) serveContent(method string, header ...string) *httptest.ResponseRecorder {
	return ask(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("ETag", r.etag)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.ServeContent(w, q, "", r.modified, strings.NewReader(r.content))
	}), method, "/f.txt", "", header...)
}

// differs returns a description of how two responses differ for a client, "" if they do not.
func differs(got, want *httptest.ResponseRecorder) string {
	if got.Code != want.Code {
		return fmt.Sprintf("status %d, want %d", got.Code, want.Code)
	}
	var names []string
	if want.Code < 300 {
		names = append(names, "Content-Range", "Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges")
	}
	if want.Code == http.StatusNotModified {
		names = append(names, "Content-Length", "Content-Type", "ETag", "Last-Modified")
	}
	for _, name := range names {
		if got, want := got.Header().Get(name), want.Header().Get(name); got != want {
			return fmt.Sprintf("%s %q, want %q", name, got, want)
		}
	}
	if (want.Code < 300 || want.Body.Len() == 0 && want.Code < 400) && got.Body.String() != want.Body.String() {
		return fmt.Sprintf("%d bytes %.40q, want %d bytes %.40q", got.Body.Len(), got.Body, want.Body.Len(), want.Body)
	}
	return ""
}

// The handler agrees with http.ServeContent about single ranges, several that become one or none,
// and conditions (RFC 9110 §13.2.2, §14.2).
func TestRangesAsServeContent(t *testing.T) {
	ranges := []string{
		"", "bytes=0-0", "bytes=0-", "bytes=1-", "bytes=5-8", "bytes=5-9", "bytes=5-10", "bytes=9-", "bytes=10-", "bytes=10-10", "bytes=16384-",
		"bytes=16384-16384", "bytes=16383-40000", "bytes=100-40000", "bytes=999999-", "bytes=5-999999", "bytes=-1", "bytes=-5", "bytes=-10", "bytes=-11",
		"bytes=-99999", "bytes=000005-000006", "bytes= 5-6", "bytes=5-6 ", "bytes=5-6,", "bytes=,5-6", "bytes=5 - 6", "bytes=\t5-6",
		"bytes=", "bytes=,",
		"bytes=-", "bytes=--1", "bytes=a-", "bytes=5-a", "bytes=5", "bytes=6-5", "bytes=0x1-", "bytes=1_0-", "bytes=-5-6", "bytes=1-2-3",
		"bytes=5-6,999999-", "bytes=999999-,5-6", "bytes=999999-,888888-", "bytes=0-,0-", "bytes=0-9,0-9999999",
	}
	conditions := [][2]string{
		{"If-Range", "Sun, 06 Nov 1994 08:49:38 GMT"}, {"If-Range", "yesterday"}, {"If-Range", `"x"`}, {"If-Range", "{tag}"}, {"If-Range", "W/{tag}"},
		{"If-Match", "*"}, {"If-Match", `"x"`}, {"If-Match", `"x", {tag}`}, {"If-Match", "W/{tag}"},
		{"If-None-Match", "*"}, {"If-None-Match", `"x"`}, {"If-None-Match", `"x", W/{tag}`}, {"If-None-Match", "{tag}"},
		{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"}, {"If-Modified-Since", "x"},
		{"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"},
		{"If-Unmodified-Since", "x"},
	}
	for _, size := range []int{0, 1, 10, smallFile, smallFile + 1, 3 * smallFile} {
		r := newRanged(t, size)
		for _, method := range []string{"GET", "HEAD"} {
			for _, asked := range ranges {
				if asked != "" && (method == "HEAD" || size == 0 || !strings.HasPrefix(asked, "bytes=")) {
					continue // where it is wrong (RFC 9110 §14.2), or 416 is no help
				}
				if d := differs(ask(r.h, method, "/f.txt", "", "Range", asked), r.serveContent(method, "Range", asked)); d != "" {
					t.Errorf("%s of %d bytes, Range %q: %s", method, size, asked, d)
				}
			}
			for _, c := range conditions {
				value := strings.ReplaceAll(c[1], "{tag}", r.etag)
				header := []string{c[0], value}
				if method == "GET" && size > 5 {
					header = append(header, "Range", "bytes=2-4")
				}
				if d := differs(ask(r.h, method, "/f.txt", "", header...), r.serveContent(method, header...)); d != "" {
					t.Errorf("%s of %d bytes, %q: %s", method, size, header, d)
				}
			}
		}
	}
}

// Ranges of a file of ten bytes (RFC 9110 §14.1.2, §14.2, §15.5.17).
func TestRanges(t *testing.T) {
	r := newRanged(t, 10)
	nines := func(n int) string { return strings.Repeat("9", n) }
	for _, tt := range []struct {
		rule   string
		ranges string
		want   string
	}{
		{"a last position of any length is the end", "bytes=5-" + nines(18), "206 bytes 5-9/10 56789"},
		{"", "bytes=5-" + nines(19), "206 bytes 5-9/10 56789"},
		{"", "bytes=5-9223372036854775807", "206 bytes 5-9/10 56789"},
		{"", "bytes=5-9223372036854775808", "206 bytes 5-9/10 56789"},
		{"", "bytes=5-" + nines(20), "206 bytes 5-9/10 56789"},
		{"", "bytes=5-" + nines(1000), "206 bytes 5-9/10 56789"},
		{"", "bytes=" + strings.Repeat("0", 30) + "5-" + strings.Repeat("0", 30) + "6", "206 bytes 5-6/10 56"},
		{"a suffix of any length is all there is", "bytes=-" + nines(19), "206 bytes 0-9/10 0123456789"},
		{"", "bytes=-" + nines(40), "206 bytes 0-9/10 0123456789"},
		{"a first position behind the end", "bytes=10-", "416 bytes */10"},
		{"", "bytes=" + nines(19) + "-", "416 bytes */10"},
		{"", "bytes=" + nines(40) + "-", "416 bytes */10"},
		{"", "bytes=" + nines(19) + "-" + nines(20), "416 bytes */10"},
		{"a suffix of no bytes", "bytes=-0", "416 bytes */10"},
		{"", "bytes=-000", "416 bytes */10"},
		{"", "bytes=-0,10-", "416 bytes */10"},
		{"what can be satisfied is, the rest is left out", "bytes=0-0,-0", "206 bytes 0-0/10 0"},
		{"", "bytes=-0,3-3", "206 bytes 3-3/10 3"},
		{"no number", "bytes=+5-6", "416 bytes */10"},
		{"", "bytes=5-+6", "416 bytes */10"},
		{"", "bytes=5-" + nines(20) + "x", "416 bytes */10"},
		{"", "bytes=" + nines(20) + "x-", "416 bytes */10"},
		{"the names of units have no case (§14.1)", "Bytes=1-2", "206 bytes 1-2/10 12"},
		{"", "BYTES=1-2", "206 bytes 1-2/10 12"},
		{"another unit is ignored", "lines=1-2", "200 0123456789"},
		{"", "bytesx=1-2", "200 0123456789"},
		{"", "bytes", "200 0123456789"},
		{"", "bytes:1-2", "200 0123456789"},
		{"", "1-2", "200 0123456789"},
		{"more bytes than there are", "bytes=0-5,3-7", "200 0123456789"},
		{"", "bytes=0-,-1", "200 0123456789"},
		{"", "bytes=-" + nines(20) + ",0-" + nines(20), "200 0123456789"},
		{"more ranges than one gets", "bytes=" + strings.Repeat("1-1,", byterange.MaxRanges) + "1-1", "200 0123456789"},
		{"", "bytes=" + strings.Repeat(",", 1000) + "1-1", "200 0123456789"},
		{"as many empty elements as that are allowed", "bytes=" + strings.Repeat(",", byterange.MaxRanges-1) + "1-1", "206 bytes 1-1/10 1"},
	} {
		w := ask(r.h, "GET", "/f.txt", "", "Range", tt.ranges)
		got := fmt.Sprint(w.Code)
		if said := w.Header().Get("Content-Range"); said != "" {
			got += " " + said
		}
		if w.Code < 300 {
			got += " " + w.Body.String()
			if w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("%.60q: Content-Length %s for %d bytes", tt.ranges, w.Header().Get("Content-Length"), w.Body.Len())
			}
		} else if tag := w.Header().Get("ETag"); tag != "" {
			t.Errorf("%.60q: the error has the entity tag %s", tt.ranges, tag)
		}
		if got != tt.want {
			t.Errorf("%s: %.60q is %s, want %s", tt.rule, tt.ranges, got, tt.want)
		}
	}
	// Two fields are no list (RFC 9110 §5.3, §14.2): neither counts. For HEAD none does.
	for _, tt := range []struct {
		method string
		header []string
		length string
	}{
		{"GET", []string{"Range", "bytes=1-2", "Range", "bytes=3-4"}, "10"},
		{"GET", []string{"Range", "bytes=1-2", "If-Range", r.etag, "If-Range", r.etag}, "10"},
		{"GET", []string{"Range", "bytes=20-", "If-Range", `"x"`}, "10"},
		{"GET", []string{"Range", "bytes=1-2", "If-Range", r.etag + "x"}, "10"},
		{"GET", []string{"Range", "bytes=1-2", "If-Range", ""}, "10"},
		{"GET", []string{"If-Range", r.etag}, "10"},
		{"HEAD", []string{"Range", "bytes=1-2"}, "10"},
		{"HEAD", []string{"Range", "bytes=20-"}, "10"},
	} {
		res := do(r.h, tt.method, "/f.txt", "", tt.header...)
		if res.StatusCode != 200 || res.Header.Get("Content-Length") != tt.length || res.Header.Get("Content-Range") != "" {
			t.Errorf("%s with %q = %d %v", tt.method, tt.header, res.StatusCode, res.Header)
		}
	}
}

// A date is a strong validator (RFC 9110 §8.8.2.2) if its second is over and the file did not
// change since.
func TestStrongDates(t *testing.T) {
	at := time.Unix(784111777, 500e6)
	for _, tt := range []struct {
		rule               string
		mtime, ctime, date time.Time
		after              time.Duration // from the beginning of the second of at to the response
		strong             bool
	}{
		{"a second before the answer", at, at, at, time.Second, true},
		{"long before", at, at, at, time.Hour, true},
		{"in the second of the answer", at, at, at, 999 * time.Millisecond, false},
		{"changed later in the second", at, at.Add(499 * time.Millisecond), at, time.Second, true},
		{"changed in the next second", at, at.Add(500 * time.Millisecond), at, time.Hour, false},
		{"changed before, and dated", at, at.Add(-time.Hour), at, time.Hour, true},
		{"the time of change is not known", at, time.Time{}, at, time.Hour, false},
		{"another date", at, at, at.Add(-time.Second), time.Hour, false},
	} {
		info := &fsbackend.Info{Attr: fsbackend.Attr{ModTime: tt.mtime, ChangeTime: tt.ctime}}
		if got := strongDate(info, tt.date.Truncate(time.Second), at.Truncate(time.Second).Add(tt.after)); got != tt.strong {
			t.Errorf("%s: strong = %v, want %v", tt.rule, got, tt.strong)
		}
	}
}

// Several parts are in the order requested (RFC 9110 §15.3.7.2). zsync and davix can parse them: a
// line end before the first boundary, Content-Type first in each part and Content-Range last.
func TestMultipartByteranges(t *testing.T) {
	for _, tt := range []struct {
		size   int
		ranges string
		parts  []string // Content-Range
	}{
		{10, "bytes=0-0,8-", []string{"bytes 0-0/10", "bytes 8-9/10"}},
		{10, "bytes=-2, 1-1 ,20-,3-99999999999999999999", []string{"bytes 8-9/10", "bytes 1-1/10", "bytes 3-9/10"}},
		{10, "bytes=-2, 1-1 ,20-,4-5", []string{"bytes 8-9/10", "bytes 1-1/10", "bytes 4-5/10"}},
		{10, "bytes=4-6,5-8", []string{"bytes 4-6/10", "bytes 5-8/10"}},
		{10, "bytes=5-9,0-4", []string{"bytes 5-9/10", "bytes 0-4/10"}},
		{5 * smallFile, fmt.Sprintf("bytes=-1,7-%d,3-3", 3*smallFile), []string{
			fmt.Sprintf("bytes %d-%d/%d", 5*smallFile-1, 5*smallFile-1, 5*smallFile), fmt.Sprintf("bytes 7-%d/%d", 3*smallFile, 5*smallFile),
			fmt.Sprintf("bytes 3-3/%d", 5*smallFile)}},
		{byterange.MaxRanges, "bytes=" + strings.Repeat("5-5,", byterange.MaxRanges-1) + "6-6", append(slices.Repeat([]string{"bytes 5-5/64"}, byterange.MaxRanges-1), "bytes 6-6/64")},
	} {
		r := newRanged(t, tt.size)
		w := ask(r.h, "GET", "/f.txt", "", "Range", tt.ranges)
		got, err := r.readParts(w)
		if err != nil || !slices.Equal(got, tt.parts) {
			t.Errorf("%s = %q, %v, want %q", tt.ranges, got, err, tt.parts)
		}
		if w.Header().Get("Content-Range") != "" || w.Header().Get("ETag") != r.etag || w.Header().Get("Last-Modified") == "" {
			t.Errorf("%s: %v", tt.ranges, w.Header())
		}
	}
}

// readParts parses a multipart/byteranges and returns the Content-Range of each part. It returns an
// error if the bytes of a part do not match.
func (r *ranged) readParts(w *httptest.ResponseRecorder) (parts []string, err error) {
	mediaType, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	boundary := params["boundary"]
	if err != nil || w.Code != 206 || mediaType != "multipart/byteranges" || len(boundary) > 40 {
		return nil, fmt.Errorf("%d %s, boundary %q, %v", w.Code, mediaType, boundary, err)
	}
	body := w.Body.Bytes()
	if said := w.Header().Get("Content-Length"); said != strconv.Itoa(len(body)) {
		return nil, fmt.Errorf("Content-Length %s for %d bytes", said, len(body))
	}
	if !bytes.HasPrefix(body, []byte("\r\n--"+boundary+"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ")) ||
		!bytes.HasSuffix(body, []byte("\r\n--"+boundary+"--\r\n")) {
		return nil, fmt.Errorf("the body is %.200q", body)
	}
	mr := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := mr.NextRawPart()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		said := part.Header.Get("Content-Range")
		parts = append(parts, said)
		content, err := io.ReadAll(part)
		if err != nil {
			return parts, err
		}
		if err := r.isPart(said, string(content)); err != nil {
			return parts, err
		}
	}
}

// isPart returns an error if a body is not the part of the file that Content-Range names.
func (r *ranged) isPart(contentRange, body string) error {
	var first, last, size int
	if n, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &first, &last, &size); n != 3 || err != nil || size != len(r.content) ||
		first < 0 || first > last || last >= size || body != r.content[first:last+1] {
		return fmt.Errorf("%s is %.60q", contentRange, body)
	}
	return nil
}

// readerFrom is a ResponseWriter that records the files passed to ReadFrom.
type readerFrom struct {
	*httptest.ResponseRecorder
	files int
}

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(syscall.Conn); ok {
			w.files++
		}
	}
	return io.Copy(w.ResponseRecorder, r)
}

// Large parts are sent with sendfile, which package net uses for a syscall.Conn in an
// io.LimitedReader.
func TestLargePartsBySendfile(t *testing.T) {
	tree, err := disk.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	h := New(tree.Backend(), nil)
	content := strings.Repeat("0123456789", smallFile)
	do(h, "PUT", "/f", content)
	for _, tt := range []struct {
		ranges string
		files  int
	}{{"", 1}, {"bytes=1-", 1}, {fmt.Sprint("bytes=1-", smallFile), 0}, {fmt.Sprint("bytes=0-", smallFile, ",50000-90000,3-5"), 2}} {
		w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "/f", nil)
		if tt.ranges != "" {
			r.Header.Set("Range", tt.ranges)
		}
		h.ServeHTTP(w, r)
		if w.files != tt.files || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%q: sendfile was used for %d files, want %d; %d bytes, Content-Length %s", tt.ranges, w.files, tt.files, w.Body.Len(),
				w.Header().Get("Content-Length"))
		}
	}
}
