package server

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dav207/fsbackend/memory"
	"dav207/server/access"
	"dav207/server/davpath"
)

// slowPolicy takes 300 ms for each member of /c and returns refuse.
type slowPolicy struct {
	refuse error
	asked  atomic.Int32
}

func (p *slowPolicy) Check(_ context.Context, _ access.Privilege, path davpath.Path) error {
	if !strings.HasPrefix(path.String(), "/c/") {
		return nil
	}
	p.asked.Add(1)
	time.Sleep(300 * time.Millisecond)
	return p.refuse
}

// A slow listing sends the responses that it has, whether members are found or fail: clients close
// the connection after 30 seconds of silence.
func TestSlowListingIsNotSilent(t *testing.T) {
	for _, refuse := range []error{nil, fs.ErrPermission} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			files := memory.New(nil).Backend()
			open := New(files, nil)
			do(open, "MKCOL", "/c", "")
			const members = 12
			for i := range members {
				do(open, "PUT", "/c/"+string(rune('a'+i)), "x")
			}
			policy := &slowPolicy{refuse: refuse}
			srv := httptest.NewServer(New(files, &Options{Policy: policy}))
			defer srv.Close()
			r, err := http.NewRequest("PROPFIND", srv.URL+"/c/", strings.NewReader(`<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Depth", "1")
			res, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if asked := policy.asked.Load(); asked >= members {
				t.Errorf("the response began after all %d members", asked)
			}
		})
	}
}
