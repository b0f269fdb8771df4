package server

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/webdav"
)

// byteRange is a part of a file: length bytes, at least one, from first on.
type byteRange struct{ first, length int64 }

// contentRange returns the Content-Range of the part of a file of that size (RFC 9110 §14.4).
func (r byteRange) contentRange(size int64) string {
	b := strconv.AppendInt(append(make([]byte, 0, 72), "bytes "...), r.first, 10)
	b = strconv.AppendInt(append(b, '-'), r.first+r.length-1, 10)
	return string(strconv.AppendInt(append(b, '/'), size, 10))
}

// maxRanges is how many ranges of a file one request gets; more would cost us much and the client
// nothing.
const maxRanges = 64

// parseRanges returns the parts that a Range header selects of a file of that size, which is not
// empty, in the order asked for; none means the whole file (RFC 9110 §14.2). ok is false where it
// selects nothing of the file, or is wrong in a way that the client should hear of: both are 416.
// More ranges than maxRanges, or more bytes in all than the file has, are the whole file.
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
			continue // an empty element of a list means nothing (RFC 9110 §5.6.1.2)
		}
		from, to, dash := strings.Cut(spec, "-")
		first, isFirst := position(from)
		last, isLast := position(to)
		var part byteRange
		switch {
		case !dash, from == "" && !isLast, from != "" && !isFirst, to != "" && !isLast, from != "" && to != "" && last < first:
			return nil, false
		case from == "" && last > 0: // the last bytes, at most all of them (RFC 9110 §14.1.2)
			part.length = min(last, size)
			part.first = size - part.length
		case from == "", first >= size:
			outside = true
			continue
		default:
			part = byteRange{first, size - first}
			if to != "" && last < size {
				part.length = last - first + 1
			}
		}
		if part.length > size-sum {
			return nil, true
		}
		sum += part.length
		parts = append(parts, part)
	}
	return parts, len(parts) > 0 || !outside
}

// position reads a position or a length of a range. What is too large for a number is the largest
// there is: numbers in ranges may have any length (RFC 9110 §14.1.1).
func position(s string) (n int64, ok bool) {
	s = strings.Trim(s, " \t")
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ = strconv.ParseInt(s, 10, 64)
	return n, true
}

// smallFile is how large a file, or a part of one, may be to be read and sent in one piece with the
// header: up to there that costs less than sendfile, which wants the header sent by itself (1 KiB:
// a fifth of the request).
const smallFile = 16 << 10

// errShorter says that a file has fewer bytes than it had when it was looked at, and that nothing
// was answered yet.
var errShorter = errors.New("the file has become shorter since it was looked at")

// sendPart answers with one part of f, which has size bytes and was not read yet. If retry it
// returns errShorter where a small part turns out to be shorter.
func sendPart(q *request, f webdav.File, status int, part byteRange, size int64, retry bool) error {
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
		q.w.Write(content) // an error is of the connection
	default:
		return copyPart(q.w, f, part.length)
	}
	return nil
}

// sendParts answers with several parts of f, which has size bytes (RFC 9110 §15.3.7.2). The body
// begins with a line end, and Content-Range is the last field of each part: zsync and davix cannot
// read it otherwise, although RFC 2046 §5.1.1 wants neither.
func sendParts(q *request, f webdav.File, parts []byteRange, size int64) error {
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

// copyPart writes the next length bytes of f, by sendfile where there is such. It returns an
// error to abort with where f cannot give them: over HTTP/2 an answer that only ends early may be
// taken for a whole one. A client that is gone is no error.
func copyPart(w http.ResponseWriter, f webdav.File, length int64) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	part := &io.LimitedReader{R: f, N: length}
	if length <= smallFile { // else each part of many would be sent by itself
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
