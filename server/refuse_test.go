package server

import (
	"context"
	"io/fs"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend/memory"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/pathlock"
)

// readersOnly lets only ann change what is in /c.
type readersOnly struct{}

func (readersOnly) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if top := davpath.Must("/c"); p != access.Read && (path == top || top.Contains(path)) {
		if access.Principal(ctx) != "ann" {
			return fs.ErrPermission
		}
	}
	return nil
}

// A request that the policy refuses does not wait for one that works in the same tree. Else a user
// who may not change it could stop those who may: what she asks for waits, and they wait for her.
func TestRefusedRequestsDoNotWait(t *testing.T) {
	for _, tt := range []struct {
		user, method, name, dest string
		status                   int // 0: it waits
	}{
		{"bob", "DELETE", "/c", "", 403},
		{"bob", "MOVE", "/c", "/new", 403},
		{"bob", "MOVE", "/own", "/c", 403},
		{"bob", "COPY", "/own", "/c", 403},
		{"bob", "COPY", "/own", "/c/new", 403},
		{"bob", "LOCK", "/c", "", 403},
		{"bob", "LOCK", "/c/new", "", 403},
		{"bob", "PUT", "/c/x", "", 403},
		{"bob", "PUT", "/c/new", "", 403},
		{"bob", "MKCOL", "/c/new", "", 403},
		{"bob", "PROPPATCH", "/c/x", "", 403},
		{"ann", "PUT", "/c/new", "", 0},
		{"ann", "MKCOL", "/c/new", "", 0},
		{"ann", "PROPPATCH", "/c/x", "", 0},
		{"ann", "DELETE", "/c", "", 0},
		{"ann", "MOVE", "/c", "/new", 0},
		{"ann", "COPY", "/own", "/c", 0},
		{"ann", "LOCK", "/c", "", 0},
		{"bob", "COPY", "/c", "/new", 0}, // it reads what is changed
	} {
		t.Run(tt.user+" "+tt.method+" "+tt.name+" "+tt.dest, func(t *testing.T) {
			h := New(memory.New(nil).Backend(), &Options{Policy: readersOnly{}})
			for _, line := range []string{"MKCOL /c", "PUT /c/x", "MKCOL /own"} {
				method, name, _ := strings.Cut(line, " ")
				r := httptest.NewRequest(method, name, nil)
				h.ServeHTTP(httptest.NewRecorder(), r.WithContext(access.WithPrincipal(r.Context(), "ann")))
			}
			// Somebody works on a member, and on what is going to be one.
			release, err := h.pathLocks.Acquire(t.Context(), writes(davpath.Must("/c/x")), pathlock.Range{Path: davpath.Must("/c/new"), Write: true})
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if tt.status == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			body := map[string]string{"LOCK": lockShared, "PUT": "x",
				"PROPPATCH": `<propertyupdate xmlns="DAV:"><set><prop><p xmlns="urn:x"/></prop></set></propertyupdate>`}[tt.method]
			r := httptest.NewRequest(tt.method, tt.name, strings.NewReader(body)).WithContext(access.WithPrincipal(ctx, tt.user))
			r.Header.Set("Destination", tt.dest)
			w := httptest.NewRecorder()
			func() {
				defer func() { recover() }() // the connection of a request that is cancelled is cut
				h.ServeHTTP(w, r)
			}()
			if waited := ctx.Err() != nil; waited != (tt.status == 0) || !waited && w.Code != tt.status {
				t.Errorf("status %d, it waits: %t, want %d", w.Code, waited, tt.status)
			}
		})
	}
}
