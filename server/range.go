package server

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"dav207/fsbackend"
)

// byteRange is a part of a file: length bytes, at least one, starting at first.
type byteRange struct{ first, length int64 }

// contentRange returns the Content-Range for a file of size bytes (RFC 9110 §14.4).
func (r byteRange) contentRange(size int64) string {
	b := strconv.AppendInt(append(make([]byte, 0, 72), "bytes "...), r.first, 10)
	b = strconv.AppendInt(append(b, '-'), r.first+r.length-1, 10)
	return string(strconv.AppendInt(append(b, '/'), size, 10))
}

// maxRanges is the maximum number of ranges in one response.
const maxRanges = 64

// parseRanges returns the parts of a file that a Range header selects, in the order requested; none
// means the whole file (RFC 9110 §14.2). size must be positive. ok is false if the response is 416:
// the header is malformed or selects no byte. If it has more than maxRanges ranges, or more bytes
// in all than the file, parseRanges selects the whole file.
func parseRanges(s string, size int64) (parts []byteRange, ok bool) {
	unit, set, found := strings.Cut(s, "=")
	if !found || !strings.EqualFold(unit, "bytes") || strings.Count(set, ",") >= maxRanges {
		return nil, true
	}
	outside := false
	sum := int64(0)
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue // RFC 9110 §5.6.1.2: empty list elements are ignored
		}
		part, valid := parseRange(spec, size)
		if !valid {
			return nil, false
		}
		if part.length == 0 {
			outside = true
			continue
		}
		if part.length > size-sum {
			return nil, true
		}
		sum += part.length
		parts = append(parts, part)
	}
	return parts, len(parts) > 0 || !outside
}

// parseRange parses one range-spec (RFC 9110 §14.1.2). The length is 0 if it selects no byte.
func parseRange(spec string, size int64) (part byteRange, valid bool) {
	from, to, dash := strings.Cut(spec, "-")
	first, isFirst := position(from)
	last, isLast := position(to)
	switch {
	case !dash, from == "" && !isLast, from != "" && !isFirst, to != "" && !isLast, from != "" && to != "" && last < first:
		return part, false
	case from == "": // the last bytes, at most all of them
		part.length = min(last, size)
		part.first = size - part.length
	case first < size:
		part = byteRange{first, size - first}
		if to != "" && last < size {
			part.length = last - first + 1
		}
	}
	return part, true
}

// position parses a position or length in a range. Too large numbers become the maximum, since RFC
// 9110 §14.1.1 does not limit the digits.
func position(s string) (n int64, ok bool) {
	s = strings.Trim(s, " \t")
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ = strconv.ParseInt(s, 10, 64)
	return n, true
}

// smallFile is the maximum size, in bytes, of a part that is read and sent together with the
// headers. Up to this size that is cheaper than sendfile, which needs a write of its own for the
// headers (at 1 KiB a fifth of the request).
const smallFile = 16 << 10

// errShorter reports that a file is shorter than at its lookup and that no response was sent yet.
var errShorter = errors.New("the file has become shorter since it was looked at")

// sendPart sends one part of f. f has size bytes and must be at its start. If retry is set it
// returns errShorter if a small part is shorter than expected.
func sendPart(q *request, f fsbackend.File, status int, part byteRange, size int64, retry bool) error {
	var content []byte
	if q.Method != http.MethodHead {
		if part.first > 0 {
			if _, err := f.Seek(part.first, io.SeekStart); err != nil {
				return err
			}
		}
		if retry && part.length <= smallFile {
			buf := copyBuffers.Get().(*[copySize]byte)
			defer copyBuffers.Put(buf)
			content = buf[:part.length]
			switch _, err := io.ReadFull(f, content); err {
			case nil:
			case io.EOF, io.ErrUnexpectedEOF:
				return errShorter
			default:
				return err
			}
		}
	}
	head := q.w.Header()
	if status == http.StatusPartialContent {
		head["Content-Range"] = []string{part.contentRange(size)}
	}
	head["Content-Length"] = []string{strconv.FormatInt(part.length, 10)}
	q.w.WriteHeader(status)
	switch {
	case q.Method == http.MethodHead:
	case content != nil:
		q.w.Write(content) // on error the client is gone
	default:
		return copyPart(q.w, f, part.length)
	}
	return nil
}

// sendParts sends several parts of f, which has size bytes (RFC 9110 §15.3.7.2). The body begins
// with a line end and Content-Range is the last field of each part: RFC 2046 §5.1.1 requires
// neither, but zsync and davix do.
func sendParts(q *request, f fsbackend.File, parts []byteRange, size int64) error {
	head := q.w.Header()
	boundary := rand.Text()
	before := "\r\n--" + boundary + "\r\nContent-Type: " + head.Get("Content-Type") + "\r\nContent-Range: "
	end := "\r\n--" + boundary + "--\r\n"
	length := int64(len(end))
	for _, part := range parts {
		length += int64(len(before)+len(part.contentRange(size))+len("\r\n\r\n")) + part.length
	}
	head["Content-Type"] = []string{"multipart/byteranges; boundary=" + boundary}
	head["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	q.w.WriteHeader(http.StatusPartialContent)
	for _, part := range parts {
		if _, err := io.WriteString(q.w, before+part.contentRange(size)+"\r\n\r\n"); err != nil {
			return nil // the client is gone
		}
		if _, err := f.Seek(part.first, io.SeekStart); err != nil {
			return abort(err)
		}
		if err := copyPart(q.w, f, part.length); err != nil {
			return err
		}
	}
	io.WriteString(q.w, end)
	return nil
}

// copyPart sends the next length bytes of f, with sendfile if possible. If reading f fails it
// returns an error that closes the connection: over HTTP/2 a response that ends early may look
// complete. It returns nil if the client is gone.
func copyPart(w http.ResponseWriter, f fsbackend.File, length int64) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	part := &io.LimitedReader{R: f, N: length}
	if length <= smallFile { // without ReadFrom, so that small parts are sent together
		w = struct{ http.ResponseWriter }{w}
	}
	_, err := io.CopyBuffer(w, part, buf[:])
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return abort(err)
	}
	if err == nil && part.N > 0 {
		return abort(io.ErrUnexpectedEOF)
	}
	return nil
}
