package multistatus

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// bufferSize is the number of buffered bytes from which on Write sends them.
	bufferSize = 128 << 10
	// maxSilence is how long FlushIfStale leaves output in the buffer. Some clients close the
	// connection when they receive nothing for half a minute.
	maxSilence = 2 * time.Second
)

// Writer streams a 207 Multi-Status. NewWriter creates one. It is not safe for concurrent use.
type Writer struct {
	w            http.ResponseWriter
	format       Format
	members      Members // in the document
	buf          []byte
	pooled       *[]byte // from buffers
	started      bool
	sent         bool
	err          error
	lastSent     time.Duration        // the time of the last send, or of the start of the document
	now          func() time.Duration // monotonic
	writeTimeout time.Duration        // what is left of it; 0 for none
}

// NewWriter returns a Writer of the response to r, in the format that FormatFor chooses. It sends
// nothing before the first Write or Begin.
func NewWriter(w http.ResponseWriter, r *http.Request) *Writer {
	began := time.Now()
	return &Writer{w: w, format: FormatFor(r.Header), now: func() time.Duration { return time.Since(began) }}
}

// Format returns the format for the functions that WriteFunc calls.
func (w *Writer) Format() Format { return w.format }

// SetWriteTimeout bounds the total time that all later writes may block because the client does not
// read. Then Write returns an error. 0 removes the bound. Handlers that hold locks set it.
func (w *Writer) SetWriteTimeout(d time.Duration) { w.writeTimeout = d }

// Started reports whether Write or Begin was called. If not, the handler may send a plain status.
func (w *Writer) Started() bool { return w.started }

// Sent reports whether a part of the response was sent. Until then Discard is possible.
func (w *Writer) Sent() bool { return w.sent }

// Discard drops what was written, so that the handler can send another status. If a part was
// already sent it changes nothing and returns false.
func (w *Writer) Discard() bool {
	if w.sent {
		return false
	}
	w.buf, w.started, w.members = w.buf[:0], false, Members{}
	return true
}

// Begin starts the 207 without a Response: a multistatus may be empty (§14.16).
func (w *Writer) Begin() {
	if w.err == nil {
		w.start()
	}
}

// Write appends one response; the first one starts the 207. The Writer does not keep r. It returns
// an error if the connection is lost or r cannot be written as XML. Then the document cannot be
// completed, and the handler has to abort the connection with panic(http.ErrAbortHandler), so that
// the client does not take a part of the responses for all.
func (w *Writer) Write(r *Response) error {
	if w.err != nil {
		return w.err
	}
	w.start()
	if w.buf, w.err = w.format.appendResponse(w.buf, r, w.members.Total == 0); w.err != nil {
		return w.err
	}
	return w.count(r.Outcome())
}

// count counts a response.
func (w *Writer) count(outcome int) error {
	w.members.Add(outcome, outcome >= 400)
	if len(w.buf) >= bufferSize {
		return w.send(false)
	}
	return nil
}

// WriteFunc is Write for a response that the caller appends to the buffer in the Writer's Format.
// href appends the href, which is percent-encoded and has no character that XML or JSON would
// escape. propstats appends the propstats, and returns what Response.Outcome would. An error of
// propstats has the same effect as one of Write.
func (w *Writer) WriteFunc(href func(b []byte) []byte, propstats func(b []byte) (out []byte, outcome int, err error)) error {
	if w.err != nil {
		return w.err
	}
	w.start()
	w.buf = w.format.appendResponseStart(w.buf, w.members.Total == 0)
	w.buf = w.format.appendHrefEnd(href(w.buf), 0)
	var outcome int
	if w.buf, outcome, w.err = propstats(w.buf); w.err != nil {
		return w.err
	}
	w.buf = w.format.appendResponseEnd(w.buf, &Response{})
	return w.count(outcome)
}

func (w *Writer) start() {
	if w.started {
		return
	}
	if w.pooled == nil {
		w.pooled = buffers.Get().(*[]byte)
		w.buf = *w.pooled
	}
	start := documentStart
	if w.format == JSON {
		start = jsonDocumentStart
	}
	w.buf = append(w.buf[:0], start...)
	w.started, w.lastSent = true, w.now()
}

// buffers are the buffers of closed Writers.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, bufferSize+bufferSize/4)
	return &b
}}

// FlushIfStale flushes output that the Writer has buffered for 2 s or more. Handlers whose work
// may be slow call it after each resource.
func (w *Writer) FlushIfStale() error {
	if !w.started || len(w.buf) == 0 || w.now()-w.lastSent < maxSilence {
		return w.err
	}
	return w.send(true)
}

// KeepAlive flushes the buffer of a started response. If it is empty KeepAlive sends a line feed,
// which is insignificant between responses. Before the first Write or Begin it does nothing.
func (w *Writer) KeepAlive() error {
	if w.err != nil || !w.started {
		return w.err
	}
	if len(w.buf) == 0 {
		w.buf = append(w.buf, '\n')
	}
	return w.send(true)
}

// Close ends the document and sends the rest. It sends nothing unless Write or Begin was called. It
// returns the first error of the Writer.
func (w *Writer) Close() error {
	if w.err != nil || !w.started {
		return w.err
	}
	end := documentEnd
	if w.format == JSON {
		end = jsonDocumentEnd
	}
	w.buf = append(w.buf, end...)
	if !w.sent {
		w.w.Header().Set("Content-Length", strconv.Itoa(len(w.buf)))
	}
	err := w.send(false)
	if cap(w.buf) <= 2*bufferSize {
		*w.pooled = w.buf[:0]
		buffers.Put(w.pooled)
	}
	w.buf, w.pooled, w.err = nil, nil, errors.Join(err, errClosed)
	return err
}

var errClosed = errors.New("multistatus: Writer is closed")

func (w *Writer) send(flush bool) error {
	if !w.sent {
		w.setHeaders(w.w.Header())
		w.w.WriteHeader(http.StatusMultiStatus)
		w.sent = true
	}
	CountMembers(w.w, w.members)
	rc := http.NewResponseController(w.w)
	began := time.Now()
	if w.writeTimeout > 0 {
		rc.SetWriteDeadline(began.Add(w.writeTimeout)) // not supported by every ResponseWriter
	}
	_, w.err = w.w.Write(w.buf)
	if w.err == nil && flush {
		w.err = rc.Flush()
	}
	if w.writeTimeout > 0 {
		rc.SetWriteDeadline(time.Time{})
		w.writeTimeout = max(w.writeTimeout-time.Since(began), time.Millisecond)
	}
	w.buf, w.lastSent = w.buf[:0], w.now()
	return w.err
}

// setHeaders sets the header fields of a 207. Unless the handler has set Cache-Control, a cache
// must ask again before it uses the response: there is no validator for all that it holds (§9.1).
func (w *Writer) setHeaders(head http.Header) {
	head.Set("Content-Type", w.format.contentType())
	if _, set := head["Cache-Control"]; !set {
		head["Cache-Control"] = noCache
	}
	addVary(head, "Accept")
}

var noCache = []string{"no-cache"} // must not be changed
