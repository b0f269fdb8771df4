package server

import (
	"errors"
	"io/fs"
	"net/http"
	"os"

	"dav207/props"
	"dav207/server/access"
)

// get answers GET and HEAD. A file goes out through http.ServeContent, which knows ranges and conditions; a collection
// is shown as an index.
func (h *Handler) get(q *request) error {
	t := h.treeFor(q)
	f, err := t.FS.OpenFile(q.ctx, q.path.String(), os.O_RDONLY, 0)
	if err == nil {
		defer f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if denied := h.allowed(q.ctx, access.Read, q.path); denied != nil {
			return denied
		}
	}
	if err != nil {
		return err
	}
	info, err := f.Stat() // what was opened, whatever has the name by now
	if err != nil {
		return err
	}
	if info.IsDir() {
		r, err := h.existing(q, t, access.Read)
		if err != nil {
			return err
		}
		return h.index(q, t, r)
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	tag, err := t.ETag(q.ctx, info)
	if err != nil {
		return err
	}
	head := q.w.Header()
	head.Set("ETag", tag)
	head.Set("Content-Type", props.ContentType(q.path.Name()))
	head.Set("Accept-Ranges", "bytes")
	// A browser must neither guess another type nor run what somebody uploaded as a part of this site.
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'")
	if language, err := h.language(q); err != nil {
		return err
	} else if language != "" {
		head.Set("Content-Language", language)
	}
	http.ServeContent(q.w, rangeOfBytes(q.Request), "", info.ModTime(), f)
	return nil
}

// language returns the value of DAV:getcontentlanguage, which is what GET says, too (RFC 4918 §15.3).
func (h *Handler) language(q *request) (string, error) {
	dead, err := h.tree.Props.Get(q.ctx, q.path)
	if err != nil {
		return "", err
	}
	for _, p := range dead {
		if p.XMLName == props.DAV("getcontentlanguage") && languageTag(p.InnerXML) {
			return string(p.InnerXML), nil
		}
	}
	return "", nil
}

// languageTag reports whether b can stand in a Content-Language header: language tags, and what separates them
// (RFC 9110 §8.5).
func languageTag(b []byte) bool {
	for _, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == ',' || c == ' ') {
			return false
		}
	}
	return len(b) > 0
}

// maxRanges is how many ranges of a file one request gets; more would cost us much and the client nothing.
const maxRanges = 64

// rangeOfBytes hides a Range header that a server must or may ignore (RFC 9110 §14.2): that of another unit, which
// http.ServeContent would answer with 416, and one of very many ranges.
func rangeOfBytes(r *http.Request) *http.Request {
	if asked := r.Header.Get("Range"); asked == "" || byteRange(asked) {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	return r
}

func byteRange(s string) bool {
	const unit = "bytes="
	if len(s) < len(unit) || s[:len(unit)] != unit {
		return false
	}
	n := 0
	for _, c := range s {
		if c == ',' {
			n++
		}
	}
	return n < maxRanges
}
