package server

import (
	"context"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/server/davpath"
	"dav207/server/reqbody"
)

// After the rename a PUT has succeeded, even if the server cannot describe the file: 500 would be
// wrong (RFC 9110 §9.3.4).
func TestPutWithoutInfo(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		before bool
		status int
	}{
		{"created", false, 201},
		{"replaced", true, 204},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(memory.New(nil).Backend())
			h := New(noInfo{files}, nil)
			if tt.before {
				do(h, "PUT", "/f", "old")
			}
			files.Fail(faultfs.Commit, "/f", nil).Do(func(context.Context) { files.Fail(faultfs.Stat, "/f", syscall.EIO) })
			r := do(h, "PUT", "/f", "new")
			if r.StatusCode != tt.status {
				t.Errorf("PUT = %s, want %d", r.Status, tt.status)
			}
			if tag := r.Header.Get("ETag"); tag != "" {
				t.Errorf("ETag = %s, want none", tag)
			}
			files.Reset()
			if got := bodyOf(t, do(h, "GET", "/f", "")); got != "new" {
				t.Errorf("the content is %q", got)
			}
		})
	}
}

// noInfo is a back end whose Commit returns no Info.
type noInfo struct{ *faultfs.FS }

type noInfoUpload struct{ fsbackend.Upload }

func (u noInfo) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	up, err := u.FS.Create(ctx, p)
	return noInfoUpload{up}, err
}

func (u noInfoUpload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	_, err := u.Upload.Commit(ctx)
	return nil, err
}

// A body that ends early is 400, but the checks of the request without its body take precedence.
// Nothing changes. That holds for a small body, which is read before the checks, and for a large
// one.
func TestPutWithShortBody(t *testing.T) {
	for _, tt := range []struct {
		rule, name string
		header     []string
		status     int
	}{
		{"the body alone", "/c/f", nil, 400},
		{"RFC 4918 §9.7.1 no parent", "/none/f", nil, 409},
		{"RFC 4918 §9.7.2 a collection", "/c", nil, 405},
		{"RFC 9110 §13.1.2 a condition", "/c/f", []string{"If-None-Match", "*"}, 412},
	} {
		for _, length := range []int64{0, 5, reqbody.BufferSize, reqbody.BufferSize + 1} {
			for _, missing := range []int64{0, 1} {
				if length < missing {
					continue
				}
				h := New(memory.New(nil).Backend(), nil)
				do(h, "MKCOL", "/c", "")
				do(h, "PUT", "/c/f", "old")
				r := httptest.NewRequest("PUT", tt.name, strings.NewReader(strings.Repeat("x", int(length-missing))))
				r.ContentLength = length
				for i := 0; i < len(tt.header); i += 2 {
					r.Header.Set(tt.header[i], tt.header[i+1])
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want, size := tt.status, int64(len("old"))
				if want == 400 && missing == 0 {
					want, size = 204, length
				}
				if w.Code != want {
					t.Errorf("%s, %d of %d bytes: %d, want %d", tt.rule, length-missing, length, w.Code, want)
				}
				if got := bodyOf(t, do(h, "GET", "/c/f", "")); int64(len(got)) != size {
					t.Errorf("%s, %d of %d bytes: the file has %d bytes, want %d", tt.rule, length-missing, length, len(got), size)
				}
			}
		}
	}
}
