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

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
)

// reader is a client that does not read: what is written for it waits until it is let go.
type reader struct {
	*httptest.ResponseRecorder
	begun, read chan struct{}
}

func (r *reader) Write(b []byte) (int, error) {
	close(r.begun)
	<-r.read
	return r.ResponseRecorder.Write(b)
}

// Once what a request changed is in its place, others need not wait for how fast its client takes the answer.
func TestSlowReadersKeepNobodyWaiting(t *testing.T) {
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
			h := New(fsbackend.New(fsbackend.Memory()), nil)
			do(h, "PUT", "/f", "x")
			do(h, "MKCOL", "/c", "")
			slow := &reader{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
			answered := make(chan struct{})
			go func() {
				defer close(answered)
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
			<-answered
		})
	}
}

// hasty notes the deadlines that the server sets for the body of a request.
type hasty struct {
	*httptest.ResponseRecorder
	deadline time.Time
	first    time.Time // deadline
	answered time.Time // the deadline when the answer began
}

func (w *hasty) SetReadDeadline(t time.Time) error {
	w.deadline = t
	if w.first.IsZero() {
		w.first = t
	}
	return nil
}

func (w *hasty) WriteHeader(status int) {
	w.answered = w.deadline
	w.ResponseRecorder.WriteHeader(status)
}

func (w *hasty) SetWriteDeadline(time.Time) error { return nil }

// stalled is a body that ends as one does whose deadline has passed. Where there is none nothing ends it.
type stalled struct {
	io.Reader
	w *hasty
	t *testing.T
}

func (s stalled) Read(b []byte) (int, error) {
	if s.w.deadline.IsZero() {
		s.t.Error("the body is waited for without a deadline")
	}
	n, err := s.Reader.Read(b)
	if err == io.EOF {
		time.Sleep(time.Millisecond) // what is set anew is later
		err = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	}
	return n, err
}

// A body that does not come is not waited for, and the deadline stays in force when the request was refused because of it, for
// net/http reads the rest: it is not set anew. It is gone where the body was read, or a long operation would end with it.
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
		{"GET, whose body nobody reads", "GET", `x`, 200},
		{"HEAD, whose body nobody reads", "HEAD", `x`, 200},
		{"OPTIONS, whose body nobody reads", "OPTIONS", `x`, 200},
		{"an unknown method", "BREW", `x`, 501},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			h := New(fsbackend.New(fsbackend.Memory()), nil)
			do(h, "PUT", "/f", "x")
			w := &hasty{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequest(tt.method, "/f", stalled{strings.NewReader(tt.body), w, t})
			r.ContentLength = -1
			start := time.Now()
			h.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("%s = %d, want %d", tt.method, w.Code, tt.status)
			}
			if w.answered.Before(start) || w.deadline.Before(start) {
				t.Errorf("the deadline for the rest of the body is %v, %v when the answer began", w.deadline, w.answered)
			}
			if w.deadline.After(w.first) {
				t.Errorf("the deadline was %v, and then %v", w.first, w.deadline)
			}
		})
	}
	// While the operation runs there is none.
	for _, method := range []string{"COPY", "MOVE", "PROPFIND", "DELETE"} {
		t.Run("during "+method, func(t *testing.T) {
			files := faultfs.New(fsbackend.New(fsbackend.Memory()))
			h := New(files, nil)
			do(h, "PUT", "/f", "x")
			w := &hasty{ResponseRecorder: httptest.NewRecorder()}
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

// An operation that is broken off when a part of its answer has left for the client ends in a broken connection: neither a second
// status nor the end of the document may make it look whole.
func TestBrokenOffAfterReports(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		delete int // how many of the members can be removed
		cancel string
	}{
		{"nothing was changed", 0, "/c/f1800"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(fsbackend.New(fsbackend.Memory()))
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
				t.Errorf("the answer ends as if it were whole: %s ... %s", res.Status, b[max(0, len(b)-300):])
			}
			if strings.Contains(string(b), "</D:multistatus>") {
				t.Errorf("the document has an end")
			}
		})
	}
}
