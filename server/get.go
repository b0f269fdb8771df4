package server

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/tree"
)

// get implements GET and HEAD. For a collection it sends an index page, at the URL that ends in a
// slash.
func (h *Handler) get(q *request) error {
	t := &h.tree // without a guard: get only reads
	f, err := t.Open(q.ctx, q.path)
	if err == nil {
		defer f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if denied := h.checkPolicy(q.ctx, access.Read, q.path); denied != nil {
			return denied
		}
	}
	if errors.Is(err, syscall.EISDIR) {
		return h.getCollection(q)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat() // of the open file, which may have been renamed or replaced
	if err != nil {
		return err
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	for tries := 3; ; tries-- {
		if err = h.sendFile(q, t, f, info, tries > 0); err != errShorter {
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

// getCollection sends the index page of a collection.
func (h *Handler) getCollection(q *request) error {
	if withoutSlash(q.URL) { // before the conditions (RFC 9110 §13.2.1)
		redirect(q, h.hrefs(q.ctx).Href(q.path, true))
		return nil
	}
	t := h.treeFor(q)
	r, err := h.lookupFor(q, t, access.Read)
	if err != nil {
		return err
	}
	return h.index(q, t, r)
}

// sendFile sends f or the requested ranges of it. info describes f. If f is shorter than info and
// retry is set, it returns errShorter before it sends anything; without retry it sends what there
// is and closes the connection.
func (h *Handler) sendFile(q *request, t *tree.Tree, f fsbackend.File, info *fsbackend.Info, retry bool) error {
	tag, err := info.ETag(q.ctx)
	if err != nil {
		return err
	}
	head := q.w.Header()
	head["Etag"] = []string{tag} // 304 has it, too (RFC 9110 §15.4.5)
	if err := h.httpConditions(q, t, props.Resource{Path: q.path, Info: info}, true); err != nil {
		return err
	}
	size := info.Size()
	var parts []byteRange
	// Range applies to GET only (RFC 9110 §14.2). An empty file has no valid Content-Range.
	if ranges := q.Header["Range"]; len(ranges) == 1 && size > 0 && q.Method == http.MethodGet && ifRange(q.Header, tag, info) {
		var ok bool
		if parts, ok = parseRanges(ranges[0], size); !ok {
			head.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10)) // RFC 9110 §15.5.17
			return statusError(http.StatusRequestedRangeNotSatisfiable, "")
		}
	}
	if language, err := h.language(q); err != nil {
		return err
	} else if language != "" {
		head.Set("Content-Language", language)
	}
	head["Content-Type"] = []string{props.ContentType(q.path.Name())}
	head["Accept-Ranges"] = acceptRanges
	// Prevent a browser from guessing another type and from running uploaded scripts as part of
	// this site.
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

// addLastModified sets Last-Modified, unless the file has no modification time.
func addLastModified(head http.Header, info *fsbackend.Info) {
	if t := props.LastModified(info); !t.IsZero() {
		head["Last-Modified"] = []string{t.UTC().Format(http.TimeFormat)}
	}
}

// withoutSlash reports whether the URL of a collection lacks its final slash (RFC 4918 §5.2). An
// empty path means the root (RFC 9110 §4.2.3).
func withoutSlash(u *url.URL) bool { return u.Path != "" && !strings.HasSuffix(u.Path, "/") }

// redirect redirects GET and HEAD of a collection to href, its URL with a slash. Programs without
// WebDAV otherwise resolve relative links against the parent. Caches must not store the redirect,
// since a file may be at the URL later (RFC 9111 §4.2.2). href starts with exactly one slash, so it
// cannot name another host.
func redirect(q *request, href string) {
	if q.URL.RawQuery != "" || q.URL.ForceQuery {
		href += "?" + q.URL.RawQuery
	}
	q.w.Header().Set("Cache-Control", "no-cache")
	q.w.Header().Set("X-Content-Type-Options", "nosniff")
	http.Redirect(q.w, q.Request, href, http.StatusMovedPermanently)
}

// Header values of every file. They are shared and must not be changed.
var (
	acceptRanges = []string{"bytes"}
	noSniff      = []string{"nosniff"}
	sandbox      = []string{"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'"}
)

// language returns the value of DAV:getcontentlanguage, which is Content-Language of GET (RFC 4918
// §15.3).
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
