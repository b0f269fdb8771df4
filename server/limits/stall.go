package limits

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// writeSize is what the client must take of a response in the time that Stalled gives it. TLS
	// cannot go on after a deadline has passed, so it is not the least that moves.
	writeSize = 64 << 10
	// sendfileSize is how much of a file sendfile sends before the deadline is moved.
	sendfileSize = 4 << 20
)

// Stalled cuts requests in which nothing moves for d: a body of which nothing arrives ends with
// os.ErrDeadlineExceeded, and the connection of a client is closed that does not take 64 KiB of its
// response, or anything of a file that is sent without TLS. Without it such a client keeps a
// connection and open files for as long as it likes. A deadline that the handler sets itself holds
// instead.
func Stalled(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if d <= 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := &stallWriter{ResponseWriter: w, body: &stallBody{}, plain: r.ProtoMajor == 1 && r.TLS == nil}
			rc := http.NewResponseController(w)
			s.write = deadline{d: d, set: rc.SetWriteDeadline}
			if r.ProtoMajor == 1 {
				rc.SetWriteDeadline(time.Time{}) // of the request before
			}
			if r.Body != nil && r.Body != http.NoBody {
				s.body.ReadCloser, s.body.read = r.Body, deadline{d: d, set: rc.SetReadDeadline}
				r = r.WithContext(r.Context())
				r.Body = s.body
			}
			next.ServeHTTP(s, r)
		})
	}
}

// deadline is the deadline of one direction of a connection.
type deadline struct {
	d   time.Duration
	set func(time.Time) error

	mu       sync.Mutex // a handler may send interim responses from another goroutine
	armed    time.Time  // zero if it is not set
	explicit bool       // the handler has set one itself
}

// arm moves the deadline to d from now, unless it was moved just before.
func (d *deadline) arm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.explicit {
		return
	}
	if now := time.Now(); now.Sub(d.armed) >= d.d/16 {
		d.armed = now
		d.set(now.Add(d.d)) // not supported by every ResponseWriter
	}
}

// disarm removes the deadline, unless the handler has set it.
func (d *deadline) disarm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.explicit && !d.armed.IsZero() {
		d.armed = time.Time{}
		d.set(time.Time{})
	}
}

// override sets the deadline of the handler, or ends it if t is the zero time.
func (d *deadline) override(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.explicit, d.armed = !t.IsZero(), time.Time{}
	return d.set(t)
}

// stallBody is a body with a deadline.
type stallBody struct {
	io.ReadCloser
	read deadline
}

// Read implements io.Reader. At the end there is no deadline: it would interrupt a long operation.
func (b *stallBody) Read(p []byte) (int, error) {
	b.read.arm()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.read.disarm()
	}
	return n, err
}

// stallWriter is a ResponseWriter with a deadline. The last one stays in force after the handler
// has returned, for what net/http still has to send.
type stallWriter struct {
	http.ResponseWriter
	body  *stallBody // without a ReadCloser if there is none
	write deadline
	plain bool // net/http sends files with sendfile
}

// Unwrap is called by http.ResponseController.
func (w *stallWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader is that of http.ResponseWriter.
func (w *stallWriter) WriteHeader(status int) {
	w.write.arm()
	w.ResponseWriter.WriteHeader(status)
}

// Write is that of http.ResponseWriter.
func (w *stallWriter) Write(p []byte) (n int, err error) {
	for {
		w.write.arm()
		part := p[n:min(len(p), n+writeSize)]
		written, err := w.ResponseWriter.Write(part)
		if n += written; err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom implements io.ReaderFrom, so that net/http can use sendfile, which needs the file itself
// in an io.LimitedReader. Where the deadline passes, but something was sent, sendfile goes on.
func (w *stallWriter) ReadFrom(r io.Reader) (n int64, err error) {
	whole, ok := r.(*io.LimitedReader)
	if !ok || !w.plain {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	for whole.N > 0 {
		w.write.arm()
		part := io.LimitedReader{R: whole.R, N: min(whole.N, sendfileSize)}
		sent, err := io.Copy(w.ResponseWriter, &part)
		n, whole.N = n+sent, whole.N-sent
		if errors.Is(err, os.ErrDeadlineExceeded) && sent > 0 {
			continue
		}
		if err != nil || part.N > 0 {
			return n, err
		}
	}
	return n, nil
}

// FlushError is called by http.ResponseController.
func (w *stallWriter) FlushError() error {
	w.write.arm()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// SetWriteDeadline is called by http.ResponseController.
func (w *stallWriter) SetWriteDeadline(t time.Time) error { return w.write.override(t) }

// SetReadDeadline is called by http.ResponseController.
func (w *stallWriter) SetReadDeadline(t time.Time) error {
	if w.body.ReadCloser == nil {
		return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
	}
	return w.body.read.override(t)
}
