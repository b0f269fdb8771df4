package server

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/webdav"
)

// smallFile is how large a file may be to be read and sent in one piece with the header: up to there that costs less than
// sendfile, which wants the header sent by itself (1 KiB: a fifth of the request).
const smallFile = 16 << 10

// forSending returns where and from what http.ServeContent is to send a file of that size.
func forSending(w http.ResponseWriter, f webdav.File, size int64) (http.ResponseWriter, io.ReadSeeker) {
	if size > smallFile {
		return w, f
	}
	return onePiece{w}, &small{f: f, size: size}
}

// unconditional reports whether a GET or HEAD is for all of a file in any case.
func unconditional(head http.Header) bool {
	for _, name := range [...]string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"} {
		if len(head[name]) > 0 {
			return false
		}
	}
	return true
}

// sendWhole sends a small file as http.ServeContent does when nothing but the file is asked for, without what that looks for in
// the request, and in the file (1 KiB: a sixth of what the handler does). What cannot be read is an error, for nothing is sent
// before, and so is a file that has become shorter: errShorter.
func sendWhole(q *request, f io.Reader, size int64, modified time.Time) error {
	head := q.w.Header()
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	if q.Method != http.MethodHead {
		switch _, err := io.ReadFull(f, buf[:size]); err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return errShorter
		default:
			return err
		}
	}
	if !modified.IsZero() {
		head["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
	}
	head["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	q.w.WriteHeader(http.StatusOK)
	if q.Method != http.MethodHead {
		q.w.Write(buf[:size]) // an error is of the connection
	}
	return nil
}

var errShorter = errors.New("the file has become shorter since it was looked at")

// onePiece is a ResponseWriter that gets a small content in one Write, which net/http sends together with the header.
type onePiece struct{ http.ResponseWriter }

func (w onePiece) ReadFrom(r io.Reader) (int64, error) { return copyPooled(w.ResponseWriter, r) }

// small is a file whose size is known: only a range that does not begin at the start has to be sought.
type small struct {
	f             io.ReadSeeker
	size          int64
	pos, physical int64 // where the next Read begins, and where that of f would
}

func (s *small) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return s.pos, fs.ErrInvalid
	}
	s.pos = offset
	return offset, nil
}

func (s *small) Read(p []byte) (int, error) {
	if s.pos != s.physical {
		if _, err := s.f.Seek(s.pos, io.SeekStart); err != nil {
			return 0, err
		}
		s.physical = s.pos
	}
	n, err := s.f.Read(p)
	s.pos += int64(n)
	s.physical = s.pos
	return n, err
}

// copySize is how much of a body is read at a time.
const copySize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copyPooled is io.Copy by way of a buffer that is used again and again.
func copyPooled(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	// Hidden, so that nobody copies in a way of his own.
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}

const (
	// longBody is where a body begins to be read longSize at a time: 64 KiB a time is 0.83 of what a bare loop from the socket
	// to the file reaches, 256 KiB is 0.98, and more gains nothing. Small bodies do without, so that many take little room.
	longBody = 1 << 20
	longSize = 256 << 10
)

var longBuffers = sync.Pool{New: func() any { return new([longSize]byte) }}

// receive copies a body of any length to w.
func receive(w io.Writer, r io.Reader) (int64, error) {
	n, err := copyPooled(w, io.LimitReader(r, longBody))
	if err != nil || n < longBody {
		return n, err
	}
	buf := longBuffers.Get().(*[longSize]byte)
	defer longBuffers.Put(buf)
	rest, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
	return n + rest, err
}
