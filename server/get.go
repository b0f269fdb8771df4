package server

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/tree"
)

// get answers GET and HEAD. A file goes out through http.ServeContent, which knows ranges and conditions; a collection
// is shown as an index.
func (h *Handler) get(q *request) error {
	t := &h.tree // for looks, which nobody guards
	f, err := t.FS.OpenFile(q.ctx, q.path.String(), os.O_RDONLY, 0)
	if err == nil {
		defer f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if denied := h.allowed(q.ctx, access.Read, q.path); denied != nil {
			return denied
		}
	}
	if errors.Is(err, fs.ErrNotExist) && len(h.stand(q.ctx, t, q.path)) > 0 {
		return h.getNowhere(q, h.treeFor(q))
	}
	if err != nil {
		return err
	}
	info, err := f.Stat() // what was opened, whatever has the name by now
	if err != nil {
		return err
	}
	if info.IsDir() {
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

// send answers with the file f, of which info is a look. If whole, it returns errShorter before anything is sent where it finds
// less than was seen; otherwise it sends what there is, and the connection is cut.
func (h *Handler) send(q *request, t *tree.Tree, f webdav.File, info fs.FileInfo, whole bool) error {
	tag, err := t.ETag(q.ctx, info)
	if err != nil {
		return err
	}
	head := q.w.Header()
	head["Etag"] = []string{tag}
	head["Content-Type"] = []string{props.ContentType(q.path.Name())}
	head["Accept-Ranges"] = acceptRanges
	// A browser must neither guess another type nor run what somebody uploaded as a part of this site.
	head["X-Content-Type-Options"] = noSniff
	head["Content-Security-Policy"] = sandbox
	if language, err := h.language(q, info); err != nil {
		return err
	} else if language != "" {
		head.Set("Content-Language", language)
	}
	modified := time.Time{}
	if props.Dated(info.ModTime()) {
		modified = notLater(info.ModTime())
	}
	if whole && info.Size() <= smallFile && unconditional(q.Header) {
		return sendWhole(q, f, info.Size(), modified)
	}
	w, content := forSending(q.w, f, info.Size())
	http.ServeContent(w, forContent(q.Request, info.Size()), "", modified, content)
	return nil
}

// What every file is sent with. Nobody changes these: who sets a header puts another list in the place of its values.
var (
	acceptRanges = []string{"bytes"}
	noSniff      = []string{"nosniff"}
	sandbox      = []string{"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'"}
)

// language returns the value of DAV:getcontentlanguage, which is what GET says, too (RFC 4918 §15.3).
func (h *Handler) language(q *request, info fs.FileInfo) (string, error) {
	dead, err := h.tree.Props.Get(q.ctx, props.Resource{Path: q.path, Info: info})
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

// maxRanges is how many ranges of a file one request gets; more would cost us much and the client nothing.
const maxRanges = 64

// forContent makes a request fit for http.ServeContent, which reads only the first line of a header, knows Range for HEAD, too,
// and answers 416 to another unit than bytes: RFC 9110 §5.3, §14.2. Nor does it bound the number of ranges.
func forContent(r *http.Request, size int64) *http.Request {
	asked := r.Header.Get("Range")
	hide := asked != "" && (r.Method == http.MethodHead || size == 0 || !byteRange(asked))
	join := false
	for _, name := range []string{"If-Match", "If-None-Match"} {
		join = join || len(r.Header.Values(name)) > 1
	}
	if !hide && !join {
		return r
	}
	r = r.Clone(r.Context())
	if hide {
		r.Header.Del("Range")
	}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if values := r.Header.Values(name); len(values) > 1 {
			r.Header.Set(name, strings.Join(values, ", "))
		}
	}
	return r
}

// byteRange reports whether http.ServeContent can be trusted with a Range: it makes an impossible Content-Range of a suffix
// without bytes, and takes numbers that it cannot hold for mistakes (RFC 9110 §14.1.2). To ignore a Range is always allowed.
func byteRange(s string) bool {
	sets, ok := strings.CutPrefix(s, "bytes=")
	if !ok || strings.Count(sets, ",") >= maxRanges {
		return false
	}
	for set := range strings.SplitSeq(sets, ",") {
		first, last, _ := strings.Cut(set, "-")
		first, last = strings.TrimSpace(first), strings.TrimSpace(last)
		if first == "" && strings.Trim(last, "0") == "" || len(first) > 18 || len(last) > 18 {
			return false
		}
	}
	return true
}

// notLater returns the time that Last-Modified may have: none that is still to come (RFC 9110 §8.8.2.1).
func notLater(t time.Time) time.Time {
	if now := time.Now(); t.After(now) {
		return now
	}
	return t
}
