package reqbody

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// Copy copies a body of any length and returns its error. It uses large buffers for long bodies
// only.
func TestCopy(t *testing.T) {
	broken := errors.New("broken")
	for _, length := range []int{0, 1, longBody - 1, longBody, longBody + 1, longBody + 3*longSize + 7} {
		for _, end := range []error{io.EOF, broken} {
			content := bytes.Repeat([]byte("0123456789\n"), length/11+1)[:length]
			body := &sizeRecorder{Reader: io.MultiReader(bytes.NewReader(content), iotest.ErrReader(end))}
			var all bytes.Buffer
			n, err := Copy(&all, body)
			if want := map[error]error{broken: broken}[end]; n != int64(length) || err != want || !bytes.Equal(all.Bytes(), content) {
				t.Errorf("%d bytes that end with %v: %d, %v", length, end, n, err)
			}
			if want := length >= longBody; body.largest > BufferSize != want {
				t.Errorf("%d bytes were read with a buffer of %d bytes", length, body.largest)
			}
		}
	}
}

// sizeRecorder records the largest buffer passed to Read.
type sizeRecorder struct {
	io.Reader
	largest int
}

func (p *sizeRecorder) Read(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.Reader.Read(b)
}
