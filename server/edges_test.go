package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
)

// The bound on the locks that cover one resource holds in whatever order they come: first on the member, then on each collection
// above it.
func TestTooManyLocksFromBelow(t *testing.T) {
	h := New(fsbackend.New(fsbackend.Memory()), nil)
	name := ""
	for range 10 {
		name += "/d"
		do(h, "MKCOL", name, "")
	}
	for p := name; p != ""; p = p[:len(p)-len("/d")] {
		for range 16 {
			do(h, "LOCK", p, lockShared)
		}
	}
	if n := strings.Count(bodyOf(t, do(h, "PROPFIND", name, "", "Depth", "0")), "<D:activelock>"); n > 16 {
		t.Errorf("%d locks cover one resource, want at most 16", n)
	}
}

// As TestBrokenOffAfterReports, where some of the members went: those that were not tried are not told of, and what is not told of
// is taken for done (RFC 4918 §9.6.1).
func TestBrokenOffAfterReportsAndChanges(t *testing.T) {
	files := faultfs.New(fsbackend.New(fsbackend.Memory()))
	h := New(files, nil)
	do(h, "MKCOL", "/c", "")
	for i := range 2000 {
		name := fmt.Sprintf("/c/f%04d", i)
		do(h, "PUT", name, "x")
		if i >= 10 {
			files.Fail(faultfs.Remove, name, syscall.EACCES)
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		files.Fail(faultfs.Remove, "/c/f1800", nil).Do(func(context.Context) { cancel() })
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer srv.Close()
	r, err := http.NewRequest("DELETE", srv.URL+"/c/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("the answer ends as if it were whole: %s ... %s", res.Status, b[max(0, len(b)-300):])
	}
}

// The answer to a PUT gives no other Last-Modified than GET does.
func TestTimesThatAreNoneInThePutItself(t *testing.T) {
	h := New(fsbackend.New(fsbackend.Memory()), nil)
	put := do(h, "PUT", "/f", "x", "X-OC-Mtime", "0")
	get := do(h, "GET", "/f", "")
	if got, want := put.Header.Get("Last-Modified"), get.Header.Get("Last-Modified"); got != want {
		t.Errorf("PUT says Last-Modified %q, GET %q", got, want)
	}
}
