package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"dav207/server/davxml"
	"dav207/server/multistatus"
)

// body is the body of a request. Its errors have the status of a fault of the client.
//
// A method must read it to io.EOF, not only to the announced length: with HTTP/2 an empty DATA
// frame may end it. If the response ends before that frame arrives net/http resets the stream (RFC
// 9113 §8.1), and libsoup closes the connection.
type body struct {
	r        io.Reader
	w        http.ResponseWriter
	http2    bool
	wasRead  bool      // Read was called, so net/http has sent 100 Continue
	ended    bool      // it was read to io.EOF, or there is none
	err      error     // of the last Read, without io.EOF
	deadline time.Time // zero if there is none
	one      [1]byte   // a buffer to detect excess bytes
}

func newBody(w http.ResponseWriter, r *http.Request) body {
	return body{r: r.Body, w: w, http2: r.ProtoMajor == 2, ended: r.Body == nil || r.Body == http.NoBody}
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	b.wasRead = true
	n, err := b.r.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		b.ended = true
		if !b.deadline.IsZero() { // else it would interrupt a long operation
			http.NewResponseController(b.w).SetReadDeadline(time.Time{})
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = &multistatus.Error{Status: http.StatusRequestTimeout, Err: err}
	default:
		b.err = &multistatus.Error{Status: http.StatusBadRequest, Description: "The body ended early.", Err: err}
	}
	if b.err != nil {
		err = b.err
	}
	return n, err
}

// fill reads a body that must have exactly len(p) bytes.
func (b *body) fill(p []byte) error {
	n, err := io.ReadFull(b, p)
	if err == nil {
		var more int
		if more, err = io.ReadFull(b, b.one[:]); err == io.EOF {
			return nil
		}
		n += more
	}
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return checkLength(int64(n), int64(len(p)))
	}
	return err
}

// readDeadline bounds the time for a body; uploads have no such bound.
const readDeadline = time.Minute

// setDeadline sets the read deadline for the whole body once. It is removed when the body has been
// read; until then it also applies to net/http. It has no effect if the ResponseWriter does not
// support deadlines.
func (b *body) setDeadline() {
	if b.ended || !b.deadline.IsZero() {
		return
	}
	b.deadline = time.Now().Add(readDeadline)
	http.NewResponseController(b.w).SetReadDeadline(b.deadline)
}

// drain discards a body that has no meaning (RFC 9110 §9.3.1). With HTTP/1.1 net/http does that
// before it responds.
func (b *body) drain() {
	b.setDeadline()
	if b.http2 {
		io.CopyN(io.Discard, b, maxDrained)
	}
}

// maxDrained bounds what drain reads, in bytes. net/http has the same bound for HTTP/1.1.
const maxDrained = 256 << 10

// parseBody parses the XML body of a request. It returns nil without an error if there is no body.
func (h *Handler) parseBody(q *request) (*davxml.Element, error) {
	if q.body.ended {
		return nil, nil
	}
	if err := h.checkMaxXML(q); err != nil {
		return nil, err
	}
	q.body.setDeadline()
	root, err := h.readXML(q)
	if errors.Is(err, davxml.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, xmlError(err)
	}
	return root, nil
}

// checkMaxXML returns an error if Content-Length exceeds Options.MaxXML.
func (h *Handler) checkMaxXML(q *request) error {
	if q.ContentLength > h.maxXML {
		return &multistatus.Error{Status: http.StatusRequestEntityTooLarge}
	}
	return nil
}

// readXML parses a body, with the cache if the body is small. It does not use the cache for
// PROPPATCH, whose bodies hardly ever repeat.
func (h *Handler) readXML(q *request) (*davxml.Element, error) {
	n := q.ContentLength
	if n < 0 || n > min(copySize, h.maxXML) || q.Method == "PROPPATCH" {
		return davxml.Parse(http.MaxBytesReader(q.w, io.NopCloser(&q.body), h.maxXML), nil)
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	if err := q.body.fill(buf[:n]); err != nil {
		return nil, err
	}
	return h.xmlCache.parse(buf[:n])
}

// checkNoBody returns 415 if the request has a body where RFC 4918 defines none (§9.3). It ignores
// Content-Type, which some clients send with an empty body.
func (q *request) checkNoBody() error {
	if err := q.checkNoLength(); err != nil {
		return err
	}
	q.body.setDeadline()
	switch n, err := io.ReadFull(&q.body, q.body.one[:]); {
	case n > 0:
		return errBody
	case err != io.EOF:
		return err
	}
	return nil
}

// checkNoLength is checkNoBody by Content-Length only.
func (q *request) checkNoLength() error {
	if q.ContentLength > 0 {
		return errBody
	}
	return nil
}

var errBody = statusError(http.StatusUnsupportedMediaType, "A body has no meaning here.")

// checkTransferBody returns 415 if a COPY or MOVE has a body (§8.4) other than DAV:propertybehavior
// of RFC 2518 §12.12. Old clients send that one; the server does what it asks for in any case.
func (h *Handler) checkTransferBody(q *request) error {
	root, err := h.parseBody(q)
	if errors.Is(err, davxml.ErrMalformed) || errors.Is(err, davxml.ErrCharset) ||
		root != nil && !isDAV(root, "propertybehavior") {
		return errBody
	}
	return err
}

func isDAV(e *davxml.Element, local string) bool {
	return e.Name.Space == multistatus.Namespace && e.Name.Local == local
}

// xmlCache caches parsed bodies, since clients repeat the same few. Parsing one takes 7 µs, more
// than the rest of a LOCK. The cached Elements must not be changed. It is safe for concurrent use.
type xmlCache struct {
	mu   sync.Mutex
	docs map[string]*davxml.Element // the key is the body
}

// The bounds on the cache. An Element needs up to a hundred times the memory of its body.
const (
	maxCachedSize = 1 << 10
	maxCachedDocs = 32
)

// parse returns the parsed body, from the cache if it is there.
func (c *xmlCache) parse(body []byte) (*davxml.Element, error) {
	if len(body) > maxCachedSize {
		return davxml.Parse(bytes.NewReader(body), nil)
	}
	c.mu.Lock()
	root := c.docs[string(body)]
	c.mu.Unlock()
	if root != nil {
		return root, nil
	}
	root, err := davxml.Parse(bytes.NewReader(body), nil)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.docs == nil || len(c.docs) >= maxCachedDocs {
		c.docs = make(map[string]*davxml.Element)
	}
	c.docs[string(body)] = root
	return root, nil
}

// copySize is the size of a buffer of copyBuffers, in bytes.
const copySize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copyPooled is io.Copy with a buffer of copyBuffers.
func copyPooled(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	// The structs hide WriteTo and ReadFrom, which would bypass the buffer.
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}

const (
	// longBody is the number of bytes after which copyBody uses buffers of longSize. Compared with
	// a plain loop from socket to file, 64 KiB reaches 0.83 of the speed and 256 KiB reaches 0.98;
	// more gains nothing. Small bodies use small buffers to save memory.
	longBody = 1 << 20
	longSize = 256 << 10
)

var longBuffers = sync.Pool{New: func() any { return new([longSize]byte) }}

// copyBody copies a request body to w and returns its length in bytes.
func copyBody(w io.Writer, r io.Reader) (int64, error) {
	n, err := copyPooled(w, io.LimitReader(r, longBody))
	if err != nil || n < longBody {
		return n, err
	}
	buf := longBuffers.Get().(*[longSize]byte)
	defer longBuffers.Put(buf)
	rest, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
	return n + rest, err
}

// checkLength returns an error if n differs from the announced length, where -1 means none.
func checkLength(n, length int64) error {
	if length >= 0 && n != length {
		return statusError(http.StatusBadRequest, fmt.Sprintf("The body has %d bytes, not the %d that were announced.", n, length))
	}
	return nil
}
