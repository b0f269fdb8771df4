package server

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/tree"
)

// get answers GET and HEAD. A collection is shown as an index, at the URL that ends in a slash.
func (h *Handler) get(q *request) error {
	t := &h.tree // for looks, which nobody guards
	f, err := t.Open(q.ctx, q.path)
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
		if withoutSlash(q.URL) {
			// Before the conditions (RFC 9110 §13.2.1).
			redirect(q, h.hrefs(q.ctx).Href(q.path, true))
			return nil
		}
		t = h.treeFor(q)
		r, err := h.existing(q, t, access.Read)
		if err != nil {
			return err
		}
		return h.index(q, t, r)
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	for tries := 3; ; tries-- {
		if err = h.send(q, t, f, info, tries > 0); err != errShorter {
			return err
		}
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			info, err = f.Stat()
		}
		if err != nil {
			return err
		}
	}
}

// send answers with the file f, of which info is a look, or with the parts of it that are asked
// for. If retry, it returns errShorter before anything is sent where it finds less than info
// says; otherwise it sends what there is, and the connection is cut.
func (h *Handler) send(q *request, t *tree.Tree, f webdav.File, info fs.FileInfo, retry bool) error {
	tag, err := t.ETag(q.ctx, info)
	if err != nil {
		return err
	}
	head := q.w.Header()
	head["Etag"] = []string{tag} // which 304 has, too (RFC 9110 §15.4.5)
	if err := h.httpConditions(q, t, props.Resource{Path: q.path, Info: info}, true); err != nil {
		return err
	}
	size := info.Size()
	var parts []byteRange
	// Range is for GET only (RFC 9110 §14.2). Nothing of an empty file could stand in a
	// Content-Range.
	if ranges := q.Header["Range"]; len(ranges) == 1 && size > 0 && q.Method == http.MethodGet && ifRange(q.Header, tag, info) {
		var ok bool
		if parts, ok = parseRanges(ranges[0], size); !ok {
			head.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10)) // RFC 9110 §15.5.17
			return plain(http.StatusRequestedRangeNotSatisfiable, "")
		}
	}
	if language, err := h.language(q); err != nil {
		return err
	} else if language != "" {
		head.Set("Content-Language", language)
	}
	head["Content-Type"] = []string{props.ContentType(q.path.Name())}
	head["Accept-Ranges"] = acceptRanges
	// A browser must neither guess another type nor run what somebody uploaded as a part of this
	// site.
	head["X-Content-Type-Options"] = noSniff
	head["Content-Security-Policy"] = sandbox
	addLastModified(head, info)
	switch len(parts) {
	case 0:
		return sendPart(q, f, http.StatusOK, byteRange{0, size}, size, retry)
	case 1:
		return sendPart(q, f, http.StatusPartialContent, parts[0], size, retry)
	}
	return sendParts(q, f, parts, size)
}

// addLastModified adds Last-Modified, which a file without such a time does not have.
func addLastModified(head http.Header, info fs.FileInfo) {
	if t := props.LastModified(info); !t.IsZero() {
		head["Last-Modified"] = []string{t.UTC().Format(http.TimeFormat)}
	}
}

// withoutSlash reports whether a URL is not one that a collection has (RFC 4918 §5.2). One
// without a path means the root (RFC 9110 §4.2.3).
func withoutSlash(u *url.URL) bool { return u.Path != "" && !strings.HasSuffix(u.Path, "/") }

// redirect answers GET and HEAD of a collection whose URL lacks its slash with href, the one that
// has it: programs that know no WebDAV take what answers without it for a file, and resolve links
// against its parent. Caches keep no redirect: a file may have the URL next (RFC 9111 §4.2.2).
// href begins with one slash, as no Path has an empty segment; so it never names another host.
func redirect(q *request, href string) {
	if q.URL.RawQuery != "" || q.URL.ForceQuery {
		href += "?" + q.URL.RawQuery
	}
	q.w.Header().Set("Cache-Control", "no-cache")
	q.w.Header().Set("X-Content-Type-Options", "nosniff")
	http.Redirect(q.w, q.Request, href, http.StatusMovedPermanently)
}

// What every file is sent with. Nobody changes these: who sets a header puts another list in the place of its values.
var (
	acceptRanges = []string{"bytes"}
	noSniff      = []string{"nosniff"}
	sandbox      = []string{"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'"}
)

// language returns the value of DAV:getcontentlanguage, which is what GET says, too (RFC 4918 §15.3).
func (h *Handler) language(q *request) (string, error) {
	dead, err := h.tree.Props.Get(q.ctx, q.path)
	if err != nil {
		return "", err
	}
	for _, p := range dead {
		if p.XMLName == props.DAV("getcontentlanguage") {
			return strings.TrimSpace(string(p.InnerXML)), nil
		}
	}
	return "", nil
}
