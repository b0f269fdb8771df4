package multistatus

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// sendAt is how many bytes are gathered before they are handed to the connection.
	sendAt = 128 << 10
	// silence is the longest a started answer keeps what it has to itself: clients give up on a server that is
	// silent for half a minute.
	silence = 2 * time.Second
)

// Writer streams a 207 Multi-Status. The zero value is not usable; see NewWriter. It is not safe for concurrent use.
type Writer struct {
	w       http.ResponseWriter
	buf     []byte
	pooled  *[]byte // where buf came from
	started bool
	sent    bool
	err     error
	last    time.Duration        // when something left, or the document began
	now     func() time.Duration // since some moment
	// patience is how long a client may still take to read; 0 is for ever.
	patience time.Duration
}

// NewWriter returns a Writer on w. Nothing is sent before the first Write or Begin.
func NewWriter(w http.ResponseWriter) *Writer {
	began := time.Now()
	return &Writer{w: w, now: func() time.Duration { return time.Since(began) }}
}

// Hurry bounds the time that a client may take to read, from now on and in all: for a handler that holds others up. After it
// Write fails. 0 takes the bound away.
func (w *Writer) Hurry(patience time.Duration) { w.patience = patience }

// Started reports whether Write or Begin was called: false means that the handler may still answer with a plain status.
func (w *Writer) Started() bool { return w.started }

// Sent reports whether a part of the answer has left for the client. Until then Discard takes everything back.
func (w *Writer) Sent() bool { return w.sent }

// Discard forgets what was written, so that another status can be sent. It reports false, and does nothing, once a
// part has left for the client.
func (w *Writer) Discard() bool {
	if w.sent {
		return false
	}
	w.buf, w.started = w.buf[:0], false
	return true
}

// Begin commits the answer to 207, as the first Write does: a multistatus may hold no response (§14.16).
func (w *Writer) Begin() {
	if w.err == nil {
		w.start()
	}
}

// Write adds one response; the first one commits the answer to 207. The Writer keeps nothing of r. After an error, which
// means that the client is gone or that r cannot be written as XML, the answer cannot be completed: end the connection with
// panic(http.ErrAbortHandler), for a well-formed half-truth would be worse.
func (w *Writer) Write(r *Response) error {
	if w.err != nil {
		return w.err
	}
	w.start()
	if w.buf, w.err = appendResponse(w.buf, r); w.err != nil {
		return w.err
	}
	return w.written()
}

// WriteBy is Write for a response that is appended: by href, which appends what stands in its DAV:href, escaped, and then by
// propstats, with AppendPropstatStart, AppendProperty and AppendPropstatEnd. An error of propstats is as one of Write.
func (w *Writer) WriteBy(href func(b []byte) []byte, propstats func(b []byte) ([]byte, error)) error {
	if w.err != nil {
		return w.err
	}
	w.start()
	w.buf = append(w.buf, responseStart...)
	w.buf = append(href(w.buf), hrefEnd...)
	if w.buf, w.err = propstats(w.buf); w.err != nil {
		return w.err
	}
	w.buf = append(w.buf, responseEnd...)
	return w.written()
}

func (w *Writer) start() {
	if w.started {
		return
	}
	if w.pooled == nil {
		w.pooled = buffers.Get().(*[]byte)
		w.buf = *w.pooled
	}
	w.buf = append(w.buf[:0], open...)
	w.started, w.last = true, w.now()
}

func (w *Writer) written() error {
	if len(w.buf) >= sendAt {
		return w.send(false)
	}
	return nil
}

// buffers are those of Writers that are done.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, sendAt+sendAt/4)
	return &b
}}

// Tick lets time pass: it sends what has been held back for too long. Handlers whose work is slow call it between
// resources.
func (w *Writer) Tick() error {
	if !w.started || len(w.buf) == 0 || w.now()-w.last < silence {
		return w.err
	}
	return w.send(true)
}

// Beat keeps an answer that has been started from falling silent: it sends what is held back, or else white space, which
// means nothing there.
func (w *Writer) Beat() error {
	if w.err != nil || !w.started {
		return w.err
	}
	if len(w.buf) == 0 {
		w.buf = append(w.buf, '\n')
	}
	return w.send(true)
}

// Close ends the document. It writes nothing unless Write or Begin was called.
func (w *Writer) Close() error {
	if w.err != nil || !w.started {
		return w.err
	}
	w.buf = append(w.buf, end...)
	if !w.sent {
		w.w.Header().Set("Content-Length", strconv.Itoa(len(w.buf)))
	}
	err := w.send(false)
	if cap(w.buf) <= 2*sendAt {
		*w.pooled = w.buf[:0]
		buffers.Put(w.pooled)
	}
	w.buf, w.pooled, w.err = nil, nil, errors.Join(err, errClosed)
	return err
}

var errClosed = errors.New("multistatus: the document has ended")

func (w *Writer) send(flush bool) error {
	if !w.sent {
		w.w.Header().Set("Content-Type", ContentType)
		w.w.WriteHeader(http.StatusMultiStatus)
		w.sent = true
	}
	rc := http.NewResponseController(w.w)
	began := time.Now()
	if w.patience > 0 {
		rc.SetWriteDeadline(began.Add(w.patience)) // not supported by every ResponseWriter
	}
	_, w.err = w.w.Write(w.buf)
	if w.err == nil && flush {
		w.err = rc.Flush()
	}
	if w.patience > 0 {
		rc.SetWriteDeadline(time.Time{})
		w.patience = max(w.patience-time.Since(began), time.Millisecond)
	}
	w.buf, w.last = w.buf[:0], w.now()
	return w.err
}

// ContentType is that of every XML body a WebDAV server sends (§8.2).
const ContentType = "application/xml; charset=utf-8"
