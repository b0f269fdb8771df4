package davtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Journal returns all exchanges since the start, the last Reset or ClearJournal.
func (s *Server) Journal() Journal { return s.recorder.journal() }

// ClearJournal forgets all exchanges.
func (s *Server) ClearJournal() { s.recorder.clear() }

// recorder records the exchanges of a handler.
type recorder struct {
	now    func() time.Time // of Began, Took and Date
	prefix string           // of the tree, without a slash at its end
	drops  bool             // it keeps nothing, and only sets Date

	mu        sync.Mutex // guards the fields below and all recordings
	exchanges []*recording
}

// recording is an exchange that is recorded. Its methods may be called on nil, for a fault that
// runs without a recorder, and by several goroutines.
type recording struct {
	recorder *recorder
	ended    chan struct{}
	hijacked bool
	x        Exchange
}

// endTimeout is how long journal waits for the end of exchanges whose answers are complete.
const endTimeout = time.Second

// journal returns a copy of all exchanges, in the order in which the requests began.
//
// A client may have a whole answer before its handler returns, while the server still discards the
// request's body, or lose a connection that the handler took over. So journal waits for those
// handlers, for a bounded time.
func (r *recorder) journal() Journal {
	timeout := time.After(endTimeout)
	for _, ended := range r.ending() {
		select {
		case <-ended:
		case <-timeout:
			return r.copy()
		}
	}
	return r.copy()
}

func (r *recorder) copy() Journal {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := make(Journal, 0, len(r.exchanges))
	for _, g := range r.exchanges {
		x := g.x
		x.RequestHeader, x.ResponseHeader = x.RequestHeader.Clone(), x.ResponseHeader.Clone()
		x.RequestBody, x.ResponseBody = bytes.Clone(x.RequestBody), bytes.Clone(x.ResponseBody)
		x.Interim = slices.Clone(x.Interim)
		j = append(j, x)
	}
	return j
}

// ending returns what will be closed at the end of those exchanges whose answers are complete.
func (r *recorder) ending() (ending []chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.exchanges {
		missing, known := g.x.missing()
		if g.x.pending && (g.x.Status != 0 && known && missing <= 0 || g.hijacked && g.x.Broken == "") {
			ending = append(ending, g.ended)
		}
	}
	return ending
}

// clear forgets all exchanges, also those that have not ended.
func (r *recorder) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = nil
}

// wrap returns next with its exchanges recorded. It sets Date if next does not.
func (r *recorder) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g := r.begin(req)
		req = req.WithContext(req.Context()) // a copy, whose Body may be replaced
		if req.Body != nil && req.Body != http.NoBody {
			req.Body = &recordedBody{req.Body, g}
		}
		rw := &recordedWriter{ResponseWriter: w, g: g}
		returned := false
		// Without recover a panic keeps its stack for the log of net/http.
		defer func() { rw.end(returned) }()
		next.ServeHTTP(rw, req)
		returned = true
	})
}

func (r *recorder) begin(req *http.Request) *recording {
	user, _, _ := req.BasicAuth()
	g := &recording{recorder: r, ended: make(chan struct{}), x: Exchange{
		Method: req.Method, Target: req.RequestURI, Path: pathOf(req.URL, r.prefix),
		Proto: req.Proto, Scheme: "http", Host: req.Host, User: user,
		RequestHeader: req.Header.Clone(), pending: true,
	}}
	if req.TLS != nil {
		g.x.Scheme = "https"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	g.x.Began = r.now()
	if !r.drops {
		r.exchanges = append(r.exchanges, g)
	}
	return g
}

// recordingOf returns the recording of the answer that w writes, or nil if w is of no recorder. A
// fault that hijacks the connection calls its methods to say what it sent:
//
//	g := recordingOf(w)
//	conn, _, err := http.NewResponseController(w).Hijack()
//	g.answered(http.StatusOK, header)
//	g.wrote(body[:n])
//	g.broke("reset in the answer")
func recordingOf(w http.ResponseWriter) *recording {
	for {
		switch v := w.(type) {
		case *recordedWriter:
			return v.g
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// change calls f with the exchange.
func (g *recording) change(f func(x *Exchange)) {
	if g == nil || g.recorder.drops {
		return
	}
	g.recorder.mu.Lock()
	defer g.recorder.mu.Unlock()
	f(&g.x)
}

// date returns the value of a Date header, by the clock of the server.
func (g *recording) date() string {
	now := time.Now
	if g != nil {
		now = g.recorder.now
	}
	return now().UTC().Format(http.TimeFormat)
}

// answered records the head of the final answer, once.
func (g *recording) answered(status int, header http.Header) {
	g.change(func(x *Exchange) {
		if x.Status != 0 {
			return
		}
		x.Status, x.ResponseHeader = status, http.Header{}
		for name, values := range header {
			if key := http.CanonicalHeaderKey(name); len(values) > 0 && !strings.HasPrefix(name, http.TrailerPrefix) {
				x.ResponseHeader[key] = append(x.ResponseHeader[key], values...)
			}
		}
	})
}

// wrote records a part of the body of the answer.
func (g *recording) wrote(p []byte) {
	g.change(func(x *Exchange) {
		if !x.withoutBody() {
			x.ResponseBody = append(x.ResponseBody, p...)
		}
	})
}

// broke records how the answer was cut. The first call counts.
func (g *recording) broke(how string) {
	g.change(func(x *Exchange) {
		if x.Broken == "" {
			x.Broken = how
		}
	})
}

// recordedBody is the body of a request. What it does not read, so that a client waits for 100
// Continue, nobody reads.
type recordedBody struct {
	io.ReadCloser
	g *recording
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.g.change(func(x *Exchange) { x.RequestBody = append(x.RequestBody, p[:n]...) })
	return n, err
}

// recordedWriter is the ResponseWriter of an exchange. It records before it sends, so that the
// journal has what the client has.
type recordedWriter struct {
	http.ResponseWriter
	g        *recording
	answered bool // the final answer has begun
	hijacked bool
}

// Unwrap is called by http.ResponseController.
func (w *recordedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader is that of http.ResponseWriter.
func (w *recordedWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.g.change(func(x *Exchange) { x.Interim = append(x.Interim, status) })
	} else {
		w.answer(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// answer records the header of the answer, which is sent next, unless that was done.
func (w *recordedWriter) answer(status int) {
	if w.answered || w.hijacked {
		return
	}
	w.answered = true
	header := w.Header()
	if _, set := header["Date"]; !set {
		header.Set("Date", w.g.date())
	}
	w.g.answered(status, header)
}

// Write is that of http.ResponseWriter.
func (w *recordedWriter) Write(p []byte) (int, error) {
	w.answer(http.StatusOK)
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	w.g.wrote(p)
	n, err := w.ResponseWriter.Write(p)
	if err != nil {
		w.failed(len(p)-n, err)
	}
	return n, err
}

// failed takes back the last n bytes, which were not sent.
func (w *recordedWriter) failed(n int, err error) {
	w.g.change(func(x *Exchange) {
		if !x.withoutBody() {
			x.ResponseBody = x.ResponseBody[:len(x.ResponseBody)-n]
		}
	})
	if !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		w.g.broke("the client was gone")
	}
}

// ReadFrom implements io.ReaderFrom. It copies through Write, which sees the bytes.
func (w *recordedWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// FlushError is called by http.ResponseController.
func (w *recordedWriter) FlushError() error {
	w.answer(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *recordedWriter) Flush() { w.FlushError() }

// Hijack implements http.Hijacker. The recorder does not see what is sent from then on: see
// recordingOf.
func (w *recordedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		w.g.change(func(*Exchange) { w.g.hijacked = true })
	}
	return conn, rw, err
}

// end records the end of the answer. returned is false if the handler panicked: then net/http
// closes the connection.
func (w *recordedWriter) end(returned bool) {
	if returned {
		w.answer(http.StatusOK) // net/http sends it for a handler that writes nothing
	}
	w.g.change(func(x *Exchange) {
		missing, known := x.missing()
		switch {
		case x.Broken != "":
		case x.Status == 0 && w.hijacked:
			x.Broken = "the connection was taken over"
		case x.Status == 0:
			x.Broken = "closed before the answer"
		case !returned:
			x.Broken = "closed in the answer"
		case known && missing > 0:
			x.Broken = fmt.Sprintf("closed in the answer, %d bytes before its end", missing)
		}
		x.Took, x.pending = w.g.recorder.now().Sub(x.Began), false
	})
	close(w.g.ended)
}
