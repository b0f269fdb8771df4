package byterange

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// RFC 9110 §14.1.2, §14.2, for a file of ten bytes. TestRanges of package server has more.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ header, want string }{
		{"bytes=0-0", "bytes 0-0/10"},
		{"bytes=5-", "bytes 5-9/10"},
		{"bytes=-3", "bytes 7-9/10"},
		{"bytes=0-0, 3-3", "bytes 0-0/10, bytes 3-3/10"},
		{"bytes=10-, 3-3", "bytes 3-3/10"},
		{"bytes=10-", "416"},
		{"bytes=6-5", "416"},
		{"lines=1-2", ""},
		{"bytes=0-5,3-9", ""},
	} {
		parts, ok := Parse(tt.header, 10)
		var got []string
		for _, part := range parts {
			got = append(got, part.ContentRange(10))
		}
		if !ok {
			got = []string{"416"}
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s is %q, want %q", tt.header, s, tt.want)
		}
	}
}

// A multipart/byteranges has the announced length, and each part has its own Content-Range (RFC
// 9110 §14.6).
func TestMultipart(t *testing.T) {
	const content = "0123456789"
	parts := []Range{{First: 8, Length: 2}, {First: 0, Length: 1}}
	m := NewMultipart("text/plain", int64(len(content)))
	var body strings.Builder
	for _, part := range parts {
		body.WriteString(m.Head(part) + content[part.First:part.First+part.Length])
	}
	body.WriteString(m.End())
	if n := m.ContentLength(parts); n != int64(body.Len()) {
		t.Errorf("ContentLength = %d, want %d", n, body.Len())
	}
	mediaType, params, err := mime.ParseMediaType(m.ContentType())
	if err != nil || mediaType != "multipart/byteranges" {
		t.Fatalf("ContentType = %s, %v", m.ContentType(), err)
	}
	var got []string
	for r := multipart.NewReader(strings.NewReader(body.String()), params["boundary"]); ; {
		part, err := r.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s", part.Header.Get("Content-Range"), part.Header.Get("Content-Type"), b))
	}
	if want := "bytes 8-9/10 text/plain 89,bytes 0-0/10 text/plain 0"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
