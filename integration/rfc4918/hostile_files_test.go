package rfc4918

import (
	"fmt"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// TestUploadedScript: a browser never runs what was uploaded as a page of this server, which it may
// know a password for, neither as a file, as a part of one nor out of a listing. Each answer has its type.
func TestUploadedScript(t *testing.T) {
	s := harness.Serve(t, harness.DiskTree(t, t.TempDir(), nil), nil)
	const script = `<script>alert(document.domain)</script>`
	for _, name := range []string{"/a.html", "/a.svg", "/a.xhtml", "/a.xml", "/a.txt", "/a", "/a.unknown", "/<script>alert(1)<.html"} {
		target := strings.NewReplacer("<", "%3C", ">", "%3E").Replace(name)
		s.Want(201, "PUT", target, script)
		s.Want(207, "PROPPATCH", target, `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:">`+"&lt;script&gt;alert(2)&lt;/script&gt;"+`</x></prop></set></propertyupdate>`)
		for _, header := range [][]string{nil, {"Range", "bytes=0-20"}} {
			a := s.Do("GET", target, "", header...)
			policy, kind := a.Header.Get("Content-Security-Policy"), a.Header.Get("Content-Type")
			if !strings.HasPrefix(policy, "sandbox;") || strings.Contains(policy, "allow-scripts") || !strings.Contains(policy, "default-src 'none'") ||
				a.Header.Get("X-Content-Type-Options") != "nosniff" || kind == "" {
				t.Errorf("GET %s %v has %v", name, header, a.Header)
			}
		}
		for _, header := range [][]string{{"If-Match", `"x"`}, {"Range", "bytes=1000-"}} { // refusals quote nothing
			a := s.Do("GET", target, "", header...)
			if a.Status < 400 || strings.Contains(a.Body, "<script") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("GET %s %v = %d %v %s", name, header, a.Status, a.Header, a.Body)
			}
		}
	}
	a := s.Want(200, "GET", "/", "")
	if strings.Contains(a.Body, "<script") || strings.Contains(a.Body, "alert(2)") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the listing is %v %s", a.Header, a.Body)
	}
}

// TestManyRanges: RFC 9110 §14.2 lets a server ignore "many small ranges", whose answer would be far
// larger than the file.
func TestManyRanges(t *testing.T) {
	s := harness.Serve(t, harness.DiskTree(t, t.TempDir(), nil), nil)
	content := strings.Repeat("0123456789", 3000)
	s.Want(201, "PUT", "/f", content)
	for _, tt := range []struct{ ranges, status int }{{2, 206}, {64, 206}, {65, 200}, {5000, 200}} {
		var asked []string
		for i := range tt.ranges {
			asked = append(asked, fmt.Sprintf("%d-%d", 3*i, 3*i))
		}
		a := s.Do("GET", "/f", "", "Range", "bytes="+strings.Join(asked, ","))
		if a.Status != tt.status || tt.status == 200 && a.Body != content {
			t.Errorf("%d ranges: %d with %d bytes, want %d", tt.ranges, a.Status, len(a.Body), tt.status)
		}
	}
}
