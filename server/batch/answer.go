package batch

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"dav207/server/multistatus"
)

const (
	// maxUndecided is the number of bytes of results that wait for the status line. It is 200 if
	// all items succeed. So it is sent with the last result, or as 207 before that: with the first
	// failure, with more than these bytes, or when the client has waited for Silence.
	maxUndecided = 1 << 20
	// maxUnsent and maxUnsentTime bound what a 207 that has begun keeps back.
	maxUnsent     = 64 << 10
	maxUnsentTime = 100 * time.Millisecond
	// writeTimeout is how long the client may take nothing of what waits for it: a small batch can
	// have answers that need much memory, which a client that does not read would keep.
	writeTimeout = time.Minute
	// writeSize is the number of bytes that the client must take in that time.
	writeSize = 64 << 10
)

// answer streams the answer to a batch. newAnswer makes it. The caller must call stop.
type answer struct {
	w       http.ResponseWriter
	silence time.Duration
	timeout time.Duration // writeTimeout

	mu    sync.Mutex // guards the fields below: the timer sends, too
	buf   []byte
	begun bool      // the status line is sent
	more  bool      // there was a result
	sent  time.Time // the last send
	timer *time.Timer
	ended bool
	err   error
}

func newAnswer(w http.ResponseWriter, plain bool, silence time.Duration) *answer {
	a := &answer{w: w, silence: silence, timeout: writeTimeout, buf: []byte("{\"responses\":[\n"), sent: time.Now()}
	if plain {
		a.buf = []byte("{\"results\":[\n")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(silence, a.tick)
	return a
}

// tick sends what there is, or white space.
func (a *answer) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.err != nil {
		return
	}
	a.timer.Reset(a.silence)
	if len(a.buf) == 0 {
		a.buf = append(a.buf, '\n')
	}
	a.send()
}

// stop ends the timer. Nothing is sent after it.
func (a *answer) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.timer.Stop()
}

// write appends a result. It returns an error if the connection is lost.
func (a *answer) write(result []byte, ok bool) error { return a.copy(bytes.NewReader(result), ok) }

// copy is write for a result that is read in parts. The mutex keeps white space out of it.
func (a *answer) copy(result io.Reader, ok bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.more {
		a.buf = append(a.buf, ",\n"...)
	}
	a.more = true
	for a.err == nil {
		from := len(a.buf)
		a.buf = slices.Grow(a.buf, writeSize)[:from+writeSize]
		n, err := io.ReadFull(result, a.buf[from:])
		a.buf = a.buf[:from+n]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			a.err = err
		}
		a.sendIfDue(!ok)
	}
	a.sendIfDue(!ok)
	return a.err
}

// failed reports that an item has failed whose result is not sent yet.
func (a *answer) failed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sendIfDue(true)
}

func (a *answer) sendIfDue(failed bool) {
	due := len(a.buf) > maxUnsent || time.Since(a.sent) > maxUnsentTime
	if !a.begun {
		due = failed || len(a.buf) > maxUndecided
	}
	if due && a.err == nil {
		a.send()
	}
}

// send sends what there is; the first one begins a 207.
func (a *answer) send() {
	if !a.begun {
		a.begin(http.StatusMultiStatus)
	}
	a.writeBuf(true)
	a.buf, a.sent = a.buf[:0], time.Now()
}

// writeBuf writes the buffer, and sets err.
func (a *answer) writeBuf(flush bool) {
	rc := http.NewResponseController(a.w)
	for rest := a.buf; len(rest) > 0 && a.err == nil; {
		part := rest[:min(len(rest), writeSize)]
		rc.SetWriteDeadline(time.Now().Add(a.timeout)) // not supported by every ResponseWriter
		_, a.err = a.w.Write(part)
		rest = rest[len(part):]
	}
	if flush && a.err == nil {
		a.err = rc.Flush()
	}
	if a.err == nil {
		rc.SetWriteDeadline(time.Time{})
	}
}

func (a *answer) begin(status int) {
	setHeaders(a.w.Header(), multistatus.ContentTypeJSON)
	a.begun = true
	a.w.WriteHeader(status)
}

// end ends the answer. All items have succeeded if it has not begun.
func (a *answer) end() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = append(a.buf, "\n]}\n"...)
	if a.err == nil {
		if !a.begun {
			a.w.Header().Set("Content-Length", strconv.Itoa(len(a.buf)))
			a.begin(http.StatusOK)
		}
		a.writeBuf(false)
	}
	a.ended = true
	return a.err
}
