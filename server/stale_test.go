package server

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
)

// A new resource has no dead properties, also if the URL had a resource that was removed outside
// the server (RFC 4918 §4.2, §9.7.1, §9.10.4).
func TestNewResourcesHaveNoOldProperties(t *testing.T) {
	const update = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">old</mark></prop></set></propertyupdate>`
	const find = `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`
	for _, tt := range []struct{ method, body string }{
		{"PUT", "new"},
		{"MKCOL", ""},
		{"LOCK", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`},
	} {
		t.Run(tt.method, func(t *testing.T) {
			tree := memory.New(nil)
			files := tree.Backend()
			h := New(files, nil)
			do(h, "MKCOL", "/x", "")
			do(h, "PUT", "/x/m", "old")
			for _, name := range []string{"/x", "/x/m"} {
				do(h, "PROPPATCH", name, update)
				if body := bodyOf(t, do(h, "PROPFIND", name, find, "Depth", "0")); !strings.Contains(body, ">old<") {
					t.Fatalf("the property was not set: %s", body)
				}
			}
			if err := tree.RemoveAll("/x"); err != nil {
				t.Fatal(err)
			}
			if r := do(h, tt.method, "/x", tt.body); r.StatusCode != 201 {
				t.Fatalf("%s = %s, want 201", tt.method, r.Status)
			}
			if tt.method == "MKCOL" {
				if err := files.Mkdir(t.Context(), davpath.Must("/x/m")); err != nil {
					t.Fatal(err)
				}
			}
			if body := bodyOf(t, do(h, "PROPFIND", "/x", find, "Depth", "1")); strings.Contains(body, ">old<") {
				t.Errorf("the new resource has the old property: %s", body)
			}
		})
	}
	t.Run("a PUT over what is there keeps its properties", func(t *testing.T) {
		h := New(memory.New(nil).Backend(), nil)
		do(h, "PUT", "/x", "old")
		do(h, "PROPPATCH", "/x", update)
		do(h, "PUT", "/x", "new")
		if body := bodyOf(t, do(h, "PROPFIND", "/x", find, "Depth", "0")); !strings.Contains(body, ">old<") {
			t.Errorf("the property is missing: %s", body)
		}
	})
}

// keepingStore is a property store that can be full: then it cannot remove anything either.
type keepingStore struct {
	props.Memory
	full bool
}

func (s *keepingStore) Update(ctx context.Context, ops ...props.Op) error {
	if s.full {
		return syscall.ENOSPC
	}
	return s.Memory.Update(ctx, ops...)
}

// As long as the store cannot remove the properties of a resource that was deleted, nothing is
// created at its URL: it would have them.
func TestNothingIsCreatedWithOldProperties(t *testing.T) {
	const update = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">old</mark></prop></set></propertyupdate>`
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	for _, tt := range []struct{ method, url, body, destination string }{
		{"PUT", "/old", "new", ""},
		{"MKCOL", "/old", "", ""},
		{"LOCK", "/old", lock, ""},
		{"COPY", "/f", "", "/old"},
		{"COPY", "/c", "", "/old"},
		{"MOVE", "/f", "", "/old"},
		{"MOVE", "/c", "", "/old"},
	} {
		t.Run(tt.method+" "+tt.url, func(t *testing.T) {
			store := &keepingStore{}
			h := New(memory.New(nil).Backend(), &Options{Props: store})
			send := func(want int, method, url, body string, header ...string) string {
				t.Helper()
				r := do(h, method, url, body, header...)
				got := bodyOf(t, r)
				if r.StatusCode != want {
					t.Errorf("%s %s = %s, want %d: %s", method, url, r.Status, want, got)
				}
				return got
			}
			create := func(want int) string {
				t.Helper()
				if tt.destination == "" {
					return send(want, tt.method, tt.url, tt.body)
				}
				return send(want, tt.method, tt.url, "", "Destination", tt.destination)
			}
			send(201, "PUT", "/f", "f")
			send(201, "MKCOL", "/c", "")
			send(201, "PUT", "/old", "old")
			send(207, "PROPPATCH", "/old", update)
			store.full = true
			send(204, "DELETE", "/old", "")
			if body := create(507); !strings.Contains(body, "sufficient-disk-space") {
				t.Errorf("with a full store: %s", body)
			}
			send(404, "PROPFIND", "/old", "", "Depth", "0")
			store.full = false
			create(201)
			if body := send(207, "PROPFIND", "/old", "", "Depth", "0"); strings.Contains(body, "urn:x") {
				t.Errorf("the new resource has the old property: %s", body)
			}
		})
	}
}
