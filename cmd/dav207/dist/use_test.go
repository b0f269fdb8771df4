package dist

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// asAnn sends the name and the password of a user with every request.
type asAnn struct{ *http.Transport }

func (a asAnn) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth("ann", "secret")
	return a.Transport.RoundTrip(r)
}

// useServer has a server do all that it can: read and write, with everything that needs a temp
// file, a property store, a lock, or a walk.
func useServer(t *testing.T, s *harness.Site) {
	t.Helper()
	s.TB = t
	s.Client = &http.Client{Transport: asAnn{&http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	defer s.Client.CloseIdleConnections()
	const propose = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">kept</mark></prop></set></propertyupdate>`
	large := strings.Repeat("x", 2<<20) // neither a body nor a batch of that size is kept in memory
	s.Want(201, "MKCOL", "/c", "")
	s.Want(201, "PUT", "/c/f.html", "small")
	s.Want(204, "PUT", "/c/f.html", large)
	s.Want(207, "PROPPATCH", "/c/f.html", propose)
	if a := s.Want(207, "PROPFIND", "/", "", "Depth", "infinity"); !strings.Contains(a.Body, "/c/f.html") || !strings.Contains(a.Body, "text/html") {
		t.Errorf("PROPFIND: %s", a.Body)
	}
	s.Want(201, "COPY", "/c", "", "Destination", "dest:/d")
	s.Want(204, "MOVE", "/d", "", "Destination", "dest:/c")
	s.Lock("/c/f.html", "0")
	s.Want(423, "DELETE", "/c/f.html", "")
	a := s.Want(207, "POST", "/$batch", `{"operations":[{"method":"PUT","url":"/g","body":"`+large+`"},{"method":"GET","url":"/g"}]}`, "Content-Type", "application/json")
	if strings.Contains(a.Body, `"status":5`) {
		t.Errorf("batch: %.1000s", a.Body)
	}
	s.Want(206, "GET", "/g", "", "Range", "bytes=0-0,-1")
	s.Want(200, "GET", "/", "")
	s.Want(204, "DELETE", "/g", "")
}
