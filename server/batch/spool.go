package batch

import (
	"io"
	"net/http"
	"os"

	"dav207/server/multistatus"
)

// spoolMemory is the number of bytes that a spool keeps in memory. What is larger is large: see
// Handler.acquire.
const spoolMemory = 256 << 10

// spool keeps bytes in memory, or from spoolMemory on in a temp file. The zero value is empty. It
// is not safe for concurrent use.
type spool struct {
	memory []byte
	file   *os.File // nil if the bytes are in memory
	size   int64
}

// Write implements io.Writer. Its errors have a status of the server's. After one the bytes of
// earlier calls are still there.
func (s *spool) Write(p []byte) (n int, err error) {
	defer func() { err = asFault(err) }()
	if s.file == nil && len(s.memory)+len(p) > spoolMemory {
		if err := s.moveToFile(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		s.memory = append(s.memory, p...)
	} else if _, err := s.file.WriteAt(p, s.size); err != nil {
		s.file.Truncate(s.size) // others need the space of a part
		return 0, err
	}
	s.size += int64(len(p))
	return len(p), nil
}

// moveToFile moves the bytes to a temp file.
func (s *spool) moveToFile() error {
	file, err := os.CreateTemp("", "dav207-batch-*")
	if err != nil {
		return err
	}
	os.Remove(file.Name()) // Windows cannot yet; Close does it there
	if _, err := file.Write(s.memory); err != nil {
		(&spool{file: file}).Close()
		return err
	}
	s.file, s.memory = file, nil
	return nil
}

// asFault returns an error of a temp file with a status of 5xx: it is about no resource, as a 404
// would say.
func asFault(err error) error {
	if status := multistatus.StatusOf(err); status >= 300 && status < 500 {
		return &multistatus.Error{Status: http.StatusInternalServerError, Err: err}
	}
	return err
}

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, offset)
	}
	if offset >= int64(len(s.memory)) {
		return 0, io.EOF
	}
	n := copy(p, s.memory[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// bytes returns a part of the spool, which must not be changed.
func (s *spool) bytes(part section) ([]byte, error) {
	if s.file == nil {
		return s.memory[part.offset:][:part.size], nil
	}
	buf := make([]byte, part.size)
	_, err := s.file.ReadAt(buf, part.offset)
	return buf, asFault(err)
}

// reset empties the spool. The temp file stays open.
func (s *spool) reset() {
	s.memory, s.size = s.memory[:0], 0
	if s.file != nil {
		s.file.Truncate(0) // else it is written over
	}
}

// Close removes the temp file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	os.Remove(s.file.Name())
	return err
}

// section is a part of a spool.
type section struct{ offset, size int64 }
