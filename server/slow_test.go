package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
)

// blockedClient is a client that does not read: Write blocks until the test releases it.
type blockedClient struct {
	*httptest.ResponseRecorder
	begun, read chan struct{}
}

func (r *blockedClient) Write(b []byte) (int, error) {
	close(r.begun)
	<-r.read
	return r.ResponseRecorder.Write(b)
}

// After a change is complete other requests do not wait until the client has read the response.
func TestSlowReadersDoNotBlockOthers(t *testing.T) {
	const update = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:"/></prop></set></propertyupdate>`
	for _, tt := range []struct {
		method, name, body string
		other, otherBody   string // another request for it
		status             int
	}{
		{"PROPPATCH", "/f", update, "PUT", "y", 204},
		{"PROPPATCH", "/f", update, "PROPPATCH", update, 207},
		{"LOCK", "/f", lockShared, "PROPPATCH", update, 423},
		{"LOCK", "/new", lockShared, "PROPPATCH", update, 423},
		{"LOCK", "/c/", lockShared, "PROPPATCH", update, 423},
	} {
		t.Run(tt.method+strings.ReplaceAll(tt.name, "/", " ")+" "+tt.other, func(t *testing.T) {
			h := New(memory.New(nil).Backend(), nil)
			do(h, "PUT", "/f", "x")
			do(h, "MKCOL", "/c", "")
			slow := &blockedClient{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
			atResponse := make(chan struct{})
			go func() {
				defer close(atResponse)
				h.ServeHTTP(slow, httptest.NewRequest(tt.method, tt.name, strings.NewReader(tt.body)))
			}()
			<-slow.begun
			other := make(chan int, 1)
			go func() { other <- do(h, tt.other, tt.name, tt.otherBody).StatusCode }()
			select {
			case got := <-other:
				if got != tt.status {
					t.Errorf("%s = %d, want %d", tt.other, got, tt.status)
				}
			case <-time.After(10 * time.Second):
				t.Error("another request waits for a client that does not read")
			}
			close(slow.read)
			<-atResponse
		})
	}
}

// deadlineRecorder records the read deadlines that the server sets.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	deadline   time.Time
	first      time.Time // deadline
	atResponse time.Time // the deadline when the response began
}

func (w *deadlineRecorder) SetReadDeadline(t time.Time) error {
	w.deadline = t
	if w.first.IsZero() {
		w.first = t
	}
	return nil
}

func (w *deadlineRecorder) WriteHeader(status int) {
	w.atResponse = w.deadline
	w.ResponseRecorder.WriteHeader(status)
}

func (w *deadlineRecorder) SetWriteDeadline(time.Time) error { return nil }

// stalledBody is a body whose Read returns the error of a passed deadline. It fails the test if
// there is no deadline.
type stalledBody struct {
	io.Reader
	w *deadlineRecorder
	t *testing.T
}

func (s stalledBody) Read(b []byte) (int, error) {
	if s.w.deadline.IsZero() {
		s.t.Error("the server reads the body without a deadline")
	}
	n, err := s.Reader.Read(b)
	if err == io.EOF {
		time.Sleep(time.Millisecond) // a new deadline would differ
		err = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	}
	return n, err
}

// The server does not wait for a body that does not arrive. If it refuses the request the deadline
// stays in force and is not extended, since net/http reads the rest. After the body was read there
// is no deadline, which would interrupt a long operation.
func TestSlowBodies(t *testing.T) {
	for _, tt := range []struct {
		rule, method, body string
		status             int
	}{
		{"PROPFIND, broken off", "PROPFIND", `<propfind xmlns="DAV:">`, 408},
		{"PROPFIND, no XML, and more to come", "PROPFIND", `no XML`, 408},
		{"LOCK", "LOCK", `<lockinfo xmlns="DAV:">`, 408},
		{"PROPPATCH", "PROPPATCH", ``, 408},
		{"COPY", "COPY", `<propertybehavior xmlns="DAV:">`, 408},
		{"DELETE with a body", "DELETE", `x`, 415},
		{"DELETE with a body that does not come", "DELETE", ``, 408},
		{"MKCOL with a body", "MKCOL", `x`, 415},
		{"GET, whose body is ignored", "GET", `x`, 200},
		{"HEAD, whose body is ignored", "HEAD", `x`, 200},
		{"OPTIONS, whose body is ignored", "OPTIONS", `x`, 200},
		{"an unknown method", "BREW", `x`, 501},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			h := New(memory.New(nil).Backend(), nil)
			do(h, "PUT", "/f", "x")
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequest(tt.method, "/f", stalledBody{strings.NewReader(tt.body), w, t})
			r.ContentLength = -1
			start := time.Now()
			h.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("%s = %d, want %d", tt.method, w.Code, tt.status)
			}
			if w.atResponse.Before(start) || w.deadline.Before(start) {
				t.Errorf("the deadline for the rest of the body is %v, %v when the response began", w.deadline, w.atResponse)
			}
			if w.deadline.After(w.first) {
				t.Errorf("the deadline was %v, and then %v", w.first, w.deadline)
			}
		})
	}
	// During the operation there is no deadline.
	for _, method := range []string{"COPY", "MOVE", "PROPFIND", "DELETE"} {
		t.Run("during "+method, func(t *testing.T) {
			files := faultfs.New(memory.New(nil).Backend())
			h := New(files, nil)
			do(h, "PUT", "/f", "x")
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
			during := time.Unix(1, 0)
			files.Fail(faultfs.Stat, "/f", nil).Do(func(context.Context) { during = w.deadline })
			r := httptest.NewRequest(method, "/f", io.MultiReader(strings.NewReader("")))
			r.ContentLength = -1
			r.Header.Set("Destination", "/g")
			h.ServeHTTP(w, r)
			if w.Code >= 300 || w.first.IsZero() || !during.IsZero() {
				t.Errorf("%s = %d, with a deadline %v", method, w.Code, during)
			}
		})
	}
}

// An operation that is canceled after a part of its response was sent ends with a closed
// connection, without a second status and without the end of the document.
func TestCanceledAfterReports(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		delete int // how many of the members can be removed
		cancel string
	}{
		{"nothing was changed", 0, "/c/f1800"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(memory.New(nil).Backend())
			h := New(files, nil)
			do(h, "MKCOL", "/c", "")
			for i := range 2000 {
				name := fmt.Sprintf("/c/f%04d", i)
				do(h, "PUT", name, "x")
				if i >= tt.delete {
					files.Fail(faultfs.Remove, name, syscall.EACCES)
				}
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				files.Fail(faultfs.Remove, tt.cancel, nil).Do(func(context.Context) { cancel() })
				h.ServeHTTP(w, r.WithContext(ctx))
			}))
			defer srv.Close()
			r, err := http.NewRequest("DELETE", srv.URL+"/c/", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err) // the first reports have been sent
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err == nil {
				t.Errorf("the response is complete, want a closed connection: %s ... %s", res.Status, b[max(0, len(b)-300):])
			}
			if strings.Contains(string(b), "</D:multistatus>") {
				t.Errorf("the document has an end")
			}
		})
	}
}

// As TestBrokenOffAfterReports, where some members were deleted already. Members that were not
// tried have no response, and a client takes a missing response for success (RFC 4918 §9.6.1).
func TestCanceledAfterReportsAndChanges(t *testing.T) {
	files := faultfs.New(memory.New(nil).Backend())
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
		t.Errorf("the response is complete, want a closed connection: %s ... %s", res.Status, b[max(0, len(b)-300):])
	}
}
