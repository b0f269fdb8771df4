package multistatus

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/server/davxml"
)

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		err       error
		status    int
		condition string
	}{
		{nil, 200, ""},
		{fs.ErrNotExist, 404, ""},
		{&fs.PathError{Op: "open", Path: "/secret", Err: syscall.EACCES}, 403, ""},
		{syscall.EROFS, 403, ""},
		{syscall.EXDEV, 403, ""},
		{syscall.ENOSPC, 507, SufficientDiskSpace},
		{fmt.Errorf("write: %w", syscall.EDQUOT), 507, QuotaNotExceeded},
		{syscall.ENAMETOOLONG, 414, ""},
		{syscall.EMFILE, 503, ""},
		{syscall.EIO, 500, ""},
		{errors.New("unknown"), 500, ""},
		{&http.MaxBytesError{Limit: 1}, 413, ""},
		{io.ErrUnexpectedEOF, 400, ""},
		{context.Canceled, 400, ""},
		{errors.ErrUnsupported, 501, ""},
		{fmt.Errorf("wrapped: %w", &Error{Status: 423, Condition: Precondition(LockTokenSubmitted)}), 423, LockTokenSubmitted},
		{&Error{Status: 409, Err: fs.ErrNotExist}, 409, ""}, // the outer Error counts
	} {
		if got := StatusOf(tt.err); got != tt.status {
			t.Errorf("StatusOf(%v) = %d, want %d", tt.err, got, tt.status)
		}
		got := ""
		if e := AsError(tt.err); e != nil && e.Condition != nil {
			got = e.Condition.Name.Local
		}
		if got != tt.condition {
			t.Errorf("condition of %v = %q, want %q", tt.err, got, tt.condition)
		}
	}
}

var request = httptest.NewRequest("PROPFIND", "/", nil)

func TestWriter(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec, request)
	for _, r := range []Response{
		{Href: "/a&b", Status: 423, Error: Precondition(LockTokenSubmitted, "/a&b"), Description: "x < y\x01"},
		{Href: "/c/", Propstat: []Propstat{
			{Status: 200, Prop: []Property{
				{XMLName: xml.Name{Space: "DAV:", Local: "resourcetype"}, InnerXML: []byte("<D:collection/>")},
				{XMLName: xml.Name{Local: "none"}},
				{XMLName: xml.Name{Space: `urn:"<`, Local: "odd"}, Lang: `"`, InnerXML: []byte("v")},
				{XMLName: xml.Name{Space: "urn:z", Local: "z"}, Attr: []xml.Attr{
					{Name: xml.Name{Space: "xmlns", Local: "ns"}, Value: "urn:other"},
					{Name: xml.Name{Space: "urn:a", Local: "q"}, Value: "a\n\"b"},
					{Name: xml.Name{Space: "urn:other", Local: "r"}, Value: "1"},
				}, InnerXML: []byte("<ns:x/>")},
			}},
			{Status: 507, Error: Precondition(QuotaNotExceeded), Prop: []Property{{XMLName: xml.Name{Space: "urn:z", Local: "big"}}}},
		}},
	} {
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>/a&amp;b</D:href><D:status>HTTP/1.1 423 Locked</D:status>` +
		`<D:error><D:lock-token-submitted><D:href>/a&amp;b</D:href></D:lock-token-submitted></D:error>` +
		"<D:responsedescription>x &lt; y\uFFFD</D:responsedescription></D:response>" +
		`<D:response><D:href>/c/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype><none/>` +
		`<ns:odd xmlns:ns="urn:&quot;&lt;" xml:lang="&quot;">v</ns:odd>` +
		`<ns1:z xmlns:ns1="urn:z" xmlns:ns="urn:other" xmlns:a1="urn:a" a1:q="a&#xA;&quot;b" ns:r="1"><ns:x/></ns1:z></D:prop>` +
		`<D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><ns:big xmlns:ns="urn:z"/></D:prop>` +
		`<D:status>HTTP/1.1 507 Insufficient Storage</D:status><D:error><D:quota-not-exceeded/></D:error></D:propstat></D:response></D:multistatus>`
	if got := rec.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := davxml.Parse(bytes.NewReader(rec.Body.Bytes()), nil); err != nil {
		t.Errorf("davxml.Parse: %v", err)
	}
	if rec.Code != 207 || rec.Header().Get("Content-Type") != "application/xml; charset=utf-8" || rec.Header().Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("status %d, header %v", rec.Code, rec.Header())
	}
}

// Before the first Write a handler can send a plain status (§9.6.1, §9.8.3).
func TestWriterUnused(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec, request)
	if w.Started() || w.Close() != nil || w.FlushIfStale() != nil || len(rec.Header()) > 0 || rec.Body.Len() > 0 {
		t.Error("something was sent")
	}
	w.Write(&Response{Href: "/", Status: 404})
	if !w.Started() || w.Sent() || !w.Discard() || w.Started() || w.Close() != nil || rec.Body.Len() > 0 {
		t.Error("Discard must work before anything was sent")
	}
}

// The Writer sends long documents in pieces; then Discard is no longer possible.
func TestWriterStreams(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec, request)
	r := Response{Href: "/" + strings.Repeat("x", 1000), Status: 404}
	for range 1000 {
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
		if len(w.buf) > bufferSize {
			t.Fatalf("%d bytes are buffered", len(w.buf))
		}
	}
	if !w.Sent() || w.Discard() {
		t.Error("Discard must fail after something was sent")
	}
	if w.Close() != nil || !strings.HasSuffix(rec.Body.String(), "</D:multistatus>") || rec.Header().Get("Content-Length") != "" {
		t.Error("the end is missing")
	}
}

// Some clients close the connection when they receive nothing for half a minute.
func TestWriterFlushIfStale(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec, request)
	now := time.Duration(0)
	w.now = func() time.Duration { return now }
	w.Write(&Response{Href: "/", Status: 404})
	if w.FlushIfStale(); rec.Flushed {
		t.Error("sent at once")
	}
	now += maxSilence
	if err := w.FlushIfStale(); err != nil || !rec.Flushed || rec.Body.Len() == 0 {
		t.Errorf("not sent after %v: %v", maxSilence, err)
	}
}

func TestWriterInvalid(t *testing.T) {
	for _, r := range []Response{
		{Href: "/"},
		{Href: "/", Status: 200, Propstat: []Propstat{{Status: 200}}},
		{Href: "/", Propstat: []Propstat{{Status: 200, Prop: []Property{{XMLName: xml.Name{Local: "a><b"}}}}}},
		{Href: "/", Propstat: []Propstat{{Status: 200, Prop: []Property{{}}}}},
		{Href: "/", Propstat: []Propstat{{Status: 200, Prop: []Property{{XMLName: xml.Name{Space: "DAV:", Local: "1p"}}}}}},
	} {
		w := NewWriter(httptest.NewRecorder(), request)
		if w.Write(&r) == nil || w.Close() == nil {
			t.Errorf("%+v was written", r)
		}
	}
}

type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestWriterConnectionLost(t *testing.T) {
	w := NewWriter(brokenWriter{httptest.NewRecorder()}, request)
	w.Write(&Response{Href: "/", Status: 404})
	if err := w.Close(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close = %v", err)
	}
}

func TestXMLError(t *testing.T) {
	got := string(appendError(nil, &Condition{Name: xml.Name{Space: "urn:x", Local: "c"}, Hrefs: []string{"/a"}}))
	want := xmlDeclaration + `<D:error xmlns:D="DAV:"><ns:c xmlns:ns="urn:x"><D:href>/a</D:href></ns:c></D:error>`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkWriter(b *testing.B) { benchmarkWriter(b, request) }

func benchmarkWriter(b *testing.B, r *http.Request) {
	w := NewWriter(discard{http.Header{}}, r)
	response := Response{Href: "/dir/file.txt", Propstat: []Propstat{{Status: 200, Prop: []Property{
		{XMLName: xml.Name{Space: "DAV:", Local: "getcontentlength"}, InnerXML: []byte("1024")},
		{XMLName: xml.Name{Space: "DAV:", Local: "getetag"}, InnerXML: []byte(`"18ea62a3221bf97f-3-984e30"`)},
		{XMLName: xml.Name{Space: "DAV:", Local: "resourcetype"}},
	}}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(&response); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
