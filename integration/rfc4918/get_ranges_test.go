package rfc4918

import (
	"fmt"
	"testing"
	"time"

	"dav207/integration/harness"
)

// Numbers in ranges may have any length, and a suffix of length 0 is never satisfiable (RFC 9110
// §14.1.1, §14.1.2). For an empty file no Content-Range is possible (§14.4), so the answer is the
// whole content, which is always allowed (§14.2).
func TestRangeLimits(t *testing.T) {
	s := harness.Serve(t, harness.DiskTree(t, t.TempDir(), nil), nil)
	s.Want(201, "PUT", "/empty", "")
	s.Want(201, "PUT", "/f", "0123456789")
	for _, tt := range []struct {
		name, asked string
		status      int
		body        string
	}{
		{"/empty", "bytes=-5", 200, ""},
		{"/empty", "bytes=0-", 200, ""},
		{"/empty", "bytes=-0", 200, ""},
		{"/f", "bytes=-0", 416, ""},
		{"/f", "bytes=0-0,-0", 206, "0"},
		{"/f", "bytes=5-9999999999999999999", 206, "56789"},
		{"/f", "bytes=5-99999999999999999999", 206, "56789"},
		{"/f", "bytes=9999999999999999999-", 416, ""},
		{"/f", "bytes=5-999999", 206, "56789"},
		{"/f", "bytes=-99", 206, "0123456789"},
		{"/f", "bytes=10-", 416, ""},
	} {
		a := s.Do("GET", tt.name, "", "Range", tt.asked)
		if a.Status != tt.status || tt.status != 416 && a.Body != tt.body {
			t.Errorf("GET %s with Range %s = %d %q, want %d %q", tt.name, tt.asked, a.Status, a.Body, tt.status, tt.body)
		}
	}
}

// Last-Modified is never in the future (RFC 9110 §8.8.2.1), so such an X-OC-Mtime is not accepted.
func TestLastModifiedInTheFuture(t *testing.T) {
	s := harness.Serve(t, harness.DiskTree(t, t.TempDir(), nil), nil)
	for _, to := range []time.Duration{10 * time.Second, time.Hour, 1000 * time.Hour} {
		name := "/" + to.String()
		put := s.Want(201, "PUT", name, "x", "X-OC-Mtime", fmt.Sprint(time.Now().Add(to).Unix()))
		if put.Header.Get("X-OC-Mtime") != "" {
			t.Errorf("PUT answers X-OC-Mtime: %s", put.Header.Get("X-OC-Mtime"))
		}
		get := s.Want(200, "GET", name, "")
		if get.Body != "x" {
			t.Errorf("the upload is %q", get.Body)
		}
		for what, header := range map[string]string{"PUT": put.Header.Get("Last-Modified"), "GET": get.Header.Get("Last-Modified")} {
			at, err := time.Parse(time.RFC1123, header)
			if err != nil || at.After(time.Now().Add(time.Second)) {
				t.Errorf("%s: Last-Modified %q, %v", what, header, err)
			}
		}
	}
}

// Two contents with the same X-OC-Mtime have different entity tags, for any time (RFC 9110 §8.8.1).
func TestEntityTagsOfSameTime(t *testing.T) {
	for _, mtime := range []string{"1700000000", "1700000000.5", "1700000000.123456789"} {
		s := harness.Serve(t, harness.DiskTree(t, t.TempDir(), nil), nil)
		seen := map[string]bool{}
		for i := range 12 {
			s.Do("PUT", "/f", fmt.Sprintf("%04d", i), "X-OC-Mtime", mtime)
			tag := s.ETag("/f")
			if seen[tag] {
				t.Errorf("X-OC-Mtime %s: content %d has the entity tag of an earlier content, %s", mtime, i, tag)
			}
			seen[tag] = true
		}
	}
}
