// Package byterange parses Range, formats Content-Range (RFC 9110 §14) and frames the parts of a
// multipart/byteranges.
package byterange

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// Range is a part of a file: Length bytes, at least one, starting at First.
type Range struct{ First, Length int64 }

// ContentRange returns the Content-Range for a file of size bytes (RFC 9110 §14.4).
func (r Range) ContentRange(size int64) string {
	b := strconv.AppendInt(append(make([]byte, 0, 72), "bytes "...), r.First, 10)
	b = strconv.AppendInt(append(b, '-'), r.First+r.Length-1, 10)
	return string(strconv.AppendInt(append(b, '/'), size, 10))
}

// MaxRanges is the maximum number of ranges in one response.
const MaxRanges = 64

// Parse returns the parts of a file that a Range header selects, in the order requested; none
// means the whole file (RFC 9110 §14.2). size must be positive. ok is false if the response is 416:
// the header is malformed or selects no byte. If it has more than MaxRanges ranges, or more bytes
// in all than the file, Parse selects the whole file.
func Parse(s string, size int64) (parts []Range, ok bool) {
	unit, set, found := strings.Cut(s, "=")
	if !found || !strings.EqualFold(unit, "bytes") || strings.Count(set, ",") >= MaxRanges {
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
		if part.Length == 0 {
			outside = true
			continue
		}
		if part.Length > size-sum {
			return nil, true
		}
		sum += part.Length
		parts = append(parts, part)
	}
	return parts, len(parts) > 0 || !outside
}

// parseRange parses one range-spec (RFC 9110 §14.1.2). The length is 0 if it selects no byte.
func parseRange(spec string, size int64) (part Range, valid bool) {
	from, to, dash := strings.Cut(spec, "-")
	first, isFirst := position(from)
	last, isLast := position(to)
	switch {
	case !dash, from == "" && !isLast, from != "" && !isFirst, to != "" && !isLast, from != "" && to != "" && last < first:
		return part, false
	case from == "": // the last bytes, at most all of them
		part.Length = min(last, size)
		part.First = size - part.Length
	case first < size:
		part = Range{first, size - first}
		if to != "" && last < size {
			part.Length = last - first + 1
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

// Multipart frames several parts of a file of size bytes as multipart/byteranges (RFC 9110 §14.6).
// The body begins with a line end and Content-Range is the last field of each part: RFC 2046 §5.1.1
// requires neither, but zsync and davix do.
type Multipart struct {
	boundary    string
	contentType string
	size        int64
}

// NewMultipart returns the frame for a file of that type and size.
func NewMultipart(contentType string, size int64) *Multipart {
	return &Multipart{boundary: rand.Text(), contentType: contentType, size: size}
}

// ContentType returns the Content-Type of the response.
func (m *Multipart) ContentType() string { return "multipart/byteranges; boundary=" + m.boundary }

// Head returns the bytes before the content of a part.
func (m *Multipart) Head(part Range) string {
	return "\r\n--" + m.boundary + "\r\nContent-Type: " + m.contentType +
		"\r\nContent-Range: " + part.ContentRange(m.size) + "\r\n\r\n"
}

// End returns the bytes after the last part.
func (m *Multipart) End() string { return "\r\n--" + m.boundary + "--\r\n" }

// ContentLength returns the length of the body with these parts.
func (m *Multipart) ContentLength(parts []Range) int64 {
	length := int64(len(m.End()))
	for _, part := range parts {
		length += int64(len(m.Head(part))) + part.Length
	}
	return length
}
