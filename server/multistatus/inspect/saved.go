package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ReadSaved reads an answer as curl -i writes it, or a body alone. Of several answers, as after a
// redirect or a 1xx, the last one counts. Err is set if the body is shorter than its Content-Length
// or longer than MaxBody.
func ReadSaved(r io.Reader) (*Exchange, error) {
	saved, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, err
	}
	x := &Exchange{Body: saved}
	if len(saved) > MaxBody {
		x.Body, x.Err = saved[:MaxBody], errTooLong
	}
	for bytes.HasPrefix(x.Body, []byte("HTTP/")) {
		if err := x.readHead(); err != nil {
			return nil, err
		}
	}
	if x.Header.Get("Transfer-Encoding") != "" { // curl has decoded it
		return x, nil
	}
	if n, err := strconv.Atoi(x.Header.Get("Content-Length")); err == nil && n >= 0 && x.Err == nil {
		switch {
		case len(x.Body) > n:
			x.Body = x.Body[:n] // curl -w '\n' has added a line feed
		case len(x.Body) < n && len(x.Body) > 0 && x.Header.Get("Content-Encoding") == "":
			// An empty body is that of HEAD, and curl --compressed has decoded an encoding.
			x.Err = fmt.Errorf("%d bytes of %d: %w", len(x.Body), n, io.ErrUnexpectedEOF)
		}
	}
	return x, nil
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
		x.Redirects = append(x.Redirects, &Exchange{Proto: x.Proto, Status: x.Status, Header: x.Header})
	}
	x.Proto, x.Status, x.Header, x.Body = fields[0], status, make(http.Header), rest
	for i, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t") || name == "" {
			return fmt.Errorf("line %d, %.60q, is not a header field", i+2, line)
		}
		x.Header.Add(name, strings.TrimSpace(value))
	}
	return nil
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
