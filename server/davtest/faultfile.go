package davtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A file of faults is JSON: {"faults": [{"method": "DELETE", "path": "/c/03", "status": 423}, …]}.
// Its words are those of the methods of Fault: see the README.

// String returns the fault as a line of a file.
func (s *faultSpec) String() string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// LineError is a mistake in a file of faults or in a tree as text.
type LineError struct {
	In   string // "faults" or "tree"
	Line int    // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.In, e.Line, e.Err) }

// Unwrap returns the mistake.
func (e *LineError) Unwrap() error { return e.Err }

// parseFaults parses a file of faults. Its error is a *LineError.
func parseFaults(file []byte) ([]*faultSpec, error) {
	at := func(offset int64, err error) error {
		offset = min(max(offset, 0), int64(len(file)))
		return &LineError{"faults", 1 + bytes.Count(file[:offset], []byte("\n")), jsonError(err)}
	}
	d := json.NewDecoder(bytes.NewReader(file))
	for _, want := range []any{json.Delim('{'), "faults", json.Delim('[')} {
		if token, err := d.Token(); err != nil || token != want {
			return nil, at(d.InputOffset(), errors.New(`a file of faults begins with {"faults": [`))
		}
	}
	var specs []*faultSpec
	for d.More() {
		begin := skipSpace(file, d.InputOffset())
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, at(syntaxOffset(err, d.InputOffset()), err)
		}
		s := new(faultSpec)
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(s); err != nil {
			return nil, at(begin+mistakeOffset(raw, err), err)
		}
		if err := s.compile(true); err != nil {
			return nil, at(begin, err)
		}
		specs = append(specs, s)
	}
	for _, want := range []json.Delim{']', '}'} {
		if token, err := d.Token(); err != nil || token != want {
			return nil, at(d.InputOffset(), errors.New(`a file of faults ends with ]}`))
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, at(d.InputOffset(), errors.New("something follows the faults"))
	}
	return specs, nil
}

// skipSpace returns the offset of the next value in a list.
func skipSpace(file []byte, from int64) int64 {
	rest := file[from:]
	return from + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n,")))
}

func syntaxOffset(err error, otherwise int64) int64 {
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		return e.Offset
	}
	return otherwise
}

// mistakeOffset returns where in a fault the mistake is.
func mistakeOffset(raw []byte, err error) int64 {
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return e.Offset
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return int64(max(bytes.Index(raw, []byte(name)), 0))
	}
	return 0
}

// jsonError returns err in the words of the file.
func jsonError(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		kind := e.Type.String()
		if e.Type.Kind().String() == "struct" {
			kind = "object"
		}
		return fmt.Errorf("%s is a %s, not a %s", e.Field, kind, e.Value)
	}
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return fmt.Errorf("a fault has no %s: it has %s", name, faultWords)
	}
	return err
}

const faultWords = "method, path, depth, user, header, nth, after, times, optional, status, condition, description, setHeader, property, lock, " +
	"wire {delay, stall, trickle, reset, cut, malformed, contentLength, contentType, answer {status, header, body}, challenge, redirect, unavailable}"
