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
	"dav207/server/byterange"
	"dav207/server/davpath"
	"dav207/server/index"
	"dav207/server/reqbody"
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

// index streams the page of a collection. A member that cannot be read has its status in the page.
func (h *Handler) index(q *request, t *tree.Tree, r props.Resource) error {
	title := h.hrefs(q.ctx).Prefix().String()
	if !r.Path.IsRoot() {
		title = strings.TrimSuffix(title, "/") + r.Path.String() + "/"
	}
	page := index.NewPage(q.w)
	for member, err := range h.withoutJunk(t).Walk(q.ctx, r, tree.One) {
		switch {
		case member.Path == r.Path && err != nil:
			return err
		case member.Path == r.Path && !member.Info.IsDir(): // a file has replaced it, and nothing was sent yet
			return h.get(q)
		case member.Path == r.Path:
			index.SetHeaders(q.w.Header())
			if q.Method == http.MethodHead {
				return nil
			}
			err = page.Begin(title, r.Path.IsRoot())
		case err != nil && q.ctx.Err() != nil:
			return abort(err)
		case err != nil:
			err = page.Failed(member.Path.Name(), asError(err).Status)
		default:
			err = page.Member(member.Path.Name(), h.hrefs(q.ctx).Href(member.Path, member.Info.IsDir()), member.Info)
		}
		if err != nil {
			return abort(err)
		}
	}
	if err := page.End(); err != nil {
		return abort(err)
	}
	return nil
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
	head["Etag"] = []string{tag} // 304 has it, too, and Cache-Control (RFC 9110 §15.4.5)
	head["Cache-Control"] = h.cacheControl
	if err := h.httpConditions(q, t, props.Resource{Path: q.path, Info: info}, true); err != nil {
		return err
	}
	size := info.Size()
	var parts []byterange.Range
	// Range applies to GET only (RFC 9110 §14.2). An empty file has no valid Content-Range.
	if ranges := q.Header["Range"]; len(ranges) == 1 && size > 0 && q.Method == http.MethodGet && ifRange(q.Header, tag, info) {
		var ok bool
		if parts, ok = byterange.Parse(ranges[0], size); !ok {
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
		return sendPart(q, f, http.StatusOK, byterange.Range{Length: size}, size, retry)
	case 1:
		return sendPart(q, f, http.StatusPartialContent, parts[0], size, retry)
	}
	return sendParts(q, f, parts, size)
}

// smallFile is the maximum size, in bytes, of a part that is read and sent together with the
// headers. Up to this size that is cheaper than sendfile, which needs a write of its own for the
// headers (at 1 KiB a fifth of the request).
const smallFile = 16 << 10

// errShorter reports that a file is shorter than at its lookup and that no response was sent yet.
var errShorter = errors.New("the file has become shorter since it was looked at")

// sendPart sends one part of f. f has size bytes and must be at its start. If retry is set it
// returns errShorter if a small part is shorter than expected.
func sendPart(q *request, f fsbackend.File, status int, part byterange.Range, size int64, retry bool) error {
	var content []byte
	if q.Method != http.MethodHead {
		if part.First > 0 {
			if _, err := f.Seek(part.First, io.SeekStart); err != nil {
				return err
			}
		}
		if retry && part.Length <= smallFile {
			buf := reqbody.GetBuffer()
			defer reqbody.PutBuffer(buf)
			content = buf[:part.Length]
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
		head["Content-Range"] = []string{part.ContentRange(size)}
	}
	head["Content-Length"] = []string{strconv.FormatInt(part.Length, 10)}
	q.w.WriteHeader(status)
	switch {
	case q.Method == http.MethodHead:
	case content != nil:
		q.w.Write(content) // on error the client is gone
	default:
		return copyPart(q.w, f, part.Length)
	}
	return nil
}

// sendParts sends several parts of f, which has size bytes (RFC 9110 §15.3.7.2).
func sendParts(q *request, f fsbackend.File, parts []byterange.Range, size int64) error {
	head := q.w.Header()
	m := byterange.NewMultipart(head.Get("Content-Type"), size)
	head["Content-Type"] = []string{m.ContentType()}
	head["Content-Length"] = []string{strconv.FormatInt(m.ContentLength(parts), 10)}
	q.w.WriteHeader(http.StatusPartialContent)
	for _, part := range parts {
		if _, err := io.WriteString(q.w, m.Head(part)); err != nil {
			return nil // the client is gone
		}
		if _, err := f.Seek(part.First, io.SeekStart); err != nil {
			return abort(err)
		}
		if err := copyPart(q.w, f, part.Length); err != nil {
			return err
		}
	}
	io.WriteString(q.w, m.End())
	return nil
}

// copyPart sends the next length bytes of f, with sendfile if possible. If reading f fails it
// returns an error that closes the connection: over HTTP/2 a response that ends early may look
// complete. It returns nil if the client is gone.
func copyPart(w http.ResponseWriter, f fsbackend.File, length int64) error {
	buf := reqbody.GetBuffer()
	defer reqbody.PutBuffer(buf)
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

// getAncestor implements GET and HEAD of an ancestor of the prefix, an empty page.
func getAncestor(q *request, path davpath.Path) error {
	if withoutSlash(q.URL) {
		redirect(q, davpath.Mapping{}.Href(path, true))
		return nil
	}
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.Header().Set("Cache-Control", "no-cache")
	q.w.WriteHeader(http.StatusOK)
	return nil
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
	name := props.DAV("getcontentlanguage")
	dead, err := h.tree.Props.Get(q.ctx, q.path)
	if err != nil {
		return "", err
	}
	for _, p := range dead {
		if p.XMLName == name && (h.property == nil || h.property.CheckProperty(q.ctx, access.Read, q.path, name) == nil) {
			return strings.TrimSpace(string(p.InnerXML)), nil
		}
	}
	return "", nil
}
