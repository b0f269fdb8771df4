package middleware

import (
	"net/http/httptest"
	"net/url"
	"testing"
)

// Requests from pages of other sites are refused; clients that are no browsers do not send Origin.
func TestSameSite(t *testing.T) {
	public, err := url.Parse("https://DAV.example.com:443/files/")
	if err != nil {
		t.Fatal(err)
	}
	h := SameSite(public)(principalHandler)
	for _, tt := range []struct {
		rule, method, site, origin string
		status                     int
	}{
		{"a client that is no browser", "PUT", "", "", 200},
		{"a page of another site", "PUT", "cross-site", "https://evil.example", 403},
		{"of a neighbour", "DELETE", "same-site", "https://evil.example.com", 403},
		{"that hides its origin", "MOVE", "cross-site", "null", 403},
		{"in an old browser", "PROPPATCH", "", "http://evil.example", 403},
		{"in a sandbox, in an old browser", "LOCK", "", "null", 403},
		{"a file", "PUT", "", "file://", 403},
		{"a form", "POST", "cross-site", "https://evil.example", 403},
		{"a listing", "PROPFIND", "cross-site", "https://evil.example", 403},
		{"a method that nobody knows", "BREW", "cross-site", "https://evil.example", 403},
		{"a link to a file", "GET", "cross-site", "", 200},
		{"HEAD", "HEAD", "cross-site", "https://evil.example", 200},
		{"OPTIONS", "OPTIONS", "cross-site", "https://evil.example", 200},
		{"a page of this server", "PUT", "same-origin", "http://example.com", 200},
		{"in an old browser", "PUT", "", "http://example.com", 200},
		{"a page of this server as a proxy shows it", "PUT", "same-origin", "https://dav.example.com", 200},
		{"in an old browser", "PUT", "", "https://dav.example.com", 200},
		{"the user", "PUT", "none", "", 200},
		{"an extension of Firefox", "PUT", "cross-site", "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc", 200},
		{"an extension of Chromium", "PROPFIND", "cross-site", "chrome-extension://abcdefghijklmnop", 200},
		{"a name that only resembles one", "PUT", "cross-site", "https://moz-extension.example", 403},
	} {
		r := httptest.NewRequest(tt.method, "http://example.com/", nil)
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != tt.status || rec.Code == 403 && rec.Header().Get("Content-Length") == "" {
			t.Errorf("%s (%s): %d, want %d", tt.rule, tt.method, rec.Code, tt.status)
		}
	}
}
