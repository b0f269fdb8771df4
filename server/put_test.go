package server

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
)

// Once the file is in its place the PUT is done, whatever the server can find out about it then: a 500 would say that it was not
// (RFC 9110 §9.3.4).
func TestPutThatCannotBeLookedAtAfterwards(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		before bool
		status int
	}{
		{"created", false, 201},
		{"replaced", true, 204},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(fsbackend.New(fsbackend.Memory()))
			h := New(files, nil)
			if tt.before {
				do(h, "PUT", "/f", "old")
			}
			files.Fail(faultfs.Commit, "/f", nil).Do(func(context.Context) { files.Fail(faultfs.Stat, "/f", syscall.EIO) })
			r := do(h, "PUT", "/f", "new")
			if r.StatusCode != tt.status {
				t.Errorf("PUT = %s, want %d", r.Status, tt.status)
			}
			if tag := r.Header.Get("ETag"); tag != "" {
				t.Errorf("ETag = %s, want none: nobody knows it", tag)
			}
			files.Reset()
			if got := bodyOf(t, do(h, "GET", "/f", "")); got != "new" {
				t.Errorf("the content is %q", got)
			}
		})
	}
}

// What is created at a URL begins without dead properties, also where another resource was there until somebody took it away
// behind the server's back (RFC 4918 §4.2, §9.7.1, §9.10.4).
func TestNewResourcesHaveNoOldProperties(t *testing.T) {
	const update = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">old</mark></prop></set></propertyupdate>`
	const find = `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`
	for _, tt := range []struct{ method, body string }{
		{"PUT", "new"},
		{"MKCOL", ""},
		{"LOCK", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`},
	} {
		t.Run(tt.method, func(t *testing.T) {
			files := fsbackend.New(fsbackend.Memory())
			h := New(files, nil)
			do(h, "MKCOL", "/x", "")
			do(h, "PUT", "/x/m", "old")
			for _, name := range []string{"/x", "/x/m"} {
				do(h, "PROPPATCH", name, update)
				if body := bodyOf(t, do(h, "PROPFIND", name, find, "Depth", "0")); !strings.Contains(body, ">old<") {
					t.Fatalf("the property was not set: %s", body)
				}
			}
			if err := files.RemoveAll(t.Context(), "/x"); err != nil {
				t.Fatal(err)
			}
			if r := do(h, tt.method, "/x", tt.body); r.StatusCode != 201 {
				t.Fatalf("%s = %s, want 201", tt.method, r.Status)
			}
			if tt.method == "MKCOL" {
				if err := files.Mkdir(t.Context(), "/x/m", 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if body := bodyOf(t, do(h, "PROPFIND", "/x", find, "Depth", "1")); strings.Contains(body, ">old<") {
				t.Errorf("what is new has the old property: %s", body)
			}
		})
	}
	t.Run("a PUT over what is there keeps its properties", func(t *testing.T) {
		h := New(fsbackend.New(fsbackend.Memory()), nil)
		do(h, "PUT", "/x", "old")
		do(h, "PROPPATCH", "/x", update)
		do(h, "PUT", "/x", "new")
		if body := bodyOf(t, do(h, "PROPFIND", "/x", find, "Depth", "0")); !strings.Contains(body, ">old<") {
			t.Errorf("the property went: %s", body)
		}
	})
}
