package inspect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"unicode/utf16"
)

var errNothing = errors.New("standard input is empty")

// ReadSaved reads an answer as curl -i writes it, or a body alone, to a request of which target
// says what is known. Of several answers, as after a redirect or a 1xx, the last one counts; its
// URL is that to which the redirects led. Err is set if there is nothing, or if the body is shorter
// than its framing says or longer than MaxBody.
func ReadSaved(r io.Reader, target *Request) (*Exchange, error) {
	saved, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, err
	}
	x := &Exchange{Method: target.Method, URL: target.URL, RequestHeader: target.Header, RequestBody: target.Body, Body: saved}
	switch {
	case len(saved) == 0:
		x.Body, x.Err = nil, errNothing
		return x, nil
	case len(saved) > MaxBody:
		x.Body, x.Err = saved[:MaxBody], errTooLong
	}
	x.Body = plainHead(x.Body)
	for x.mayBeFollowed() && bytes.HasPrefix(x.Body, []byte("HTTP/")) {
		if err := x.readHead(); err != nil {
			return nil, err
		}
	}
	if coding := x.Header.Get("Transfer-Encoding"); coding != "" {
		x.readChunks()
		return x, nil
	}
	x.checkLength()
	return x, nil
}

// checkLength compares the body with Content-Length. curl -w '\n' has added a line feed to the one,
// and an empty one is that of HEAD.
func (x *Exchange) checkLength() {
	n, err := strconv.Atoi(x.Header.Get("Content-Length"))
	if err != nil || n < 0 || x.Err != nil {
		return
	}
	coded := x.Header.Get("Content-Encoding") != ""
	switch {
	case len(x.Body) > n && !coded:
		x.Body = x.Body[:n]
	case len(x.Body) < n && len(x.Body) > 0 && (!coded || x.isEncoded()): // curl --compressed has decoded others
		x.Err = fmt.Errorf("%d bytes of %d: %w", len(x.Body), n, io.ErrUnexpectedEOF)
	}
}

// plainHead returns what was saved without the byte order mark, and from UTF-16, in which shells of
// Windows write what curl prints. A body alone is left as it is: its own encoding is to be judged.
func plainHead(saved []byte) []byte {
	if rest, ok := bytes.CutPrefix(saved, []byte("\xef\xbb\xbfHTTP/")); ok {
		return saved[len(saved)-len(rest)-len("HTTP/"):]
	}
	for _, e := range []struct {
		mark  string
		order binary.ByteOrder
	}{{"\xff\xfe", binary.LittleEndian}, {"\xfe\xff", binary.BigEndian}} {
		if !bytes.HasPrefix(saved, []byte(e.mark)) {
			continue
		}
		units := make([]uint16, 0, len(saved)/2)
		for i := 2; i+1 < len(saved); i += 2 {
			units = append(units, e.order.Uint16(saved[i:]))
		}
		if text := string(utf16.Decode(units)); strings.HasPrefix(text, "HTTP/") {
			return []byte(text)
		}
	}
	return saved
}

// mayBeFollowed reports whether another answer may follow the last one that was read: it is none
// yet, a 1xx, one that curl follows or authenticates itself for, or that of a proxy to CONNECT. The
// body of any other may begin like an answer, and is none.
func (x *Exchange) mayBeFollowed() bool {
	switch {
	case x.Err != nil && x.Err != errTooLong: // its fields do not end
		return false
	case x.Status < 200, x.Status >= 300 && x.Status < 400, x.Status == http.StatusUnauthorized, x.Status == http.StatusProxyAuthRequired:
		return true
	}
	return x.Status == http.StatusOK && x.Header.Get("Content-Length") == "" && x.Header.Get("Transfer-Encoding") == "" &&
		x.Header.Get("Content-Type") == ""
}

// readChunks decodes a chunked body, if curl --raw has not.
func (x *Exchange) readChunks() {
	size, _, _ := bytes.Cut(x.Body, []byte("\n"))
	size, _, _ = bytes.Cut(bytes.TrimSpace(size), []byte(";"))
	if _, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 32); err != nil || !strings.EqualFold(x.Header.Get("Transfer-Encoding"), "chunked") {
		return
	}
	body, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(x.Body))))
	if x.Body = body; x.Err == nil {
		x.Err = err
	}
}

// readHead takes a status line and header fields from the beginning of the body.
func (x *Exchange) readHead() error {
	head, rest, ok := cutHead(x.Body)
	if !ok {
		x.Err = errors.New("the header fields do not end")
	}
	lines := strings.Split(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n")
	fields := strings.Fields(lines[0])
	if len(fields) < 2 || len(fields[1]) != 3 {
		return fmt.Errorf("%.60q is not a status line", lines[0])
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil || status < 100 {
		return fmt.Errorf("%.60q is not a status line", lines[0])
	}
	if x.Status >= 100 && x.Status < 200 {
		x.Interim = append(x.Interim, x.Status)
	} else if x.Status != 0 {
		before := *x
		before.Body, before.Err, before.Redirects = nil, nil, nil // curl prints no body of it
		x.Redirects, x.Interim = append(x.Redirects, &before), nil
		if next, ok := x.location(); ok {
			x.URL = next
		}
	}
	x.Proto, x.Status, x.Body = fields[0], status, rest
	x.Header, err = parseFields(lines[1:])
	return err
}

// parseFields parses the lines of header fields.
func parseFields(lines []string) (http.Header, error) {
	h := make(http.Header)
	var last []string // the values of the last field
	for i, line := range lines {
		if text := strings.TrimLeft(line, " \t"); text != line && last != nil { // obs-fold (RFC 9112 §5.2)
			last[len(last)-1] += " " + strings.TrimSpace(text)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t") || name == "" {
			return nil, fmt.Errorf("line %d, %.60q, is not a header field", i+2, line)
		}
		h.Add(name, strings.TrimSpace(value))
		last = h.Values(name)
	}
	return h, nil
}

// cutHead splits b after the first empty line.
func cutHead(b []byte) (head, rest []byte, ok bool) {
	for start := 0; ; {
		i := bytes.IndexByte(b[start:], '\n')
		if i < 0 {
			return bytes.TrimRight(b, "\r\n"), nil, false
		}
		line := bytes.TrimSuffix(b[start:start+i], []byte("\r"))
		if len(line) == 0 {
			return bytes.TrimRight(b[:start], "\r\n"), b[start+i+1:], true
		}
		start += i + 1
	}
}
