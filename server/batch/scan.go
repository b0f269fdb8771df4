package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// The errors of checkText.
var (
	errDepth = errors.New("nested too deeply")
	errText  = errors.New("not Unicode")
)

// checkText checks valid JSON for what encoding/json lets pass. It returns errDepth if raw is
// nested more than maxDepth deep, and errText if it is no Unicode: not UTF-8, or with the escape of
// half of a surrogate pair (RFC 8259 §8.2). Both would be stored as other text than was sent.
func checkText(raw []byte, maxDepth int) error {
	if !utf8.Valid(raw) {
		return errText
	}
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\':
			n := escapeLength(raw[i:])
			if n == 0 {
				return errText
			}
			i += n - 1
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errDepth
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// escapeLength returns the length of the escape that b begins with, or that of the two of a
// surrogate pair. It returns 0 for half of one.
func escapeLength(b []byte) int {
	const first, low, last = 0xD800, 0xDC00, 0xDFFF
	if b[1] != 'u' {
		return 2
	}
	code := codeUnit(b)
	if code < first || code > last {
		return 6
	}
	if next := codeUnit(b[6:]); code >= low || next < low || next > last {
		return 0
	}
	return 12
}

// codeUnit returns the code of the escape that b begins with, or 0 if there is none.
func codeUnit(b []byte) uint64 {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	code, _ := strconv.ParseUint(string(b[2:6]), 16, 32)
	return code
}

// eachMember calls f with the members of an object, which is valid JSON, in their order. Unlike
// json.Unmarshal it gives names that occur twice, and does not take one case for the other.
func eachMember(object []byte, f func(name string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errNoObject, err)
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err == nil {
			err = f(name.(string), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoObject = errors.New("not an object")
