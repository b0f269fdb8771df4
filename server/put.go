package server

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/pathlock"
	"dav207/server/reqbody"
	"dav207/server/tree"
)

// put implements PUT (RFC 4918 §9.7). It writes the body to a temp file while other requests run,
// then replaces the old file by a rename.
func (h *Handler) put(q *request) error {
	if q.Header.Get("Content-Range") != "" {
		return statusError(http.StatusBadRequest, "PUT of a part of a resource is not supported.") // RFC 9110 §14.5
	}
	if coding := q.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return statusError(http.StatusUnsupportedMediaType, "A content coding would be lost: send the content as it is.") // RFC 9110 §8.4
	}
	length, err := announcedLength(q.Request)
	if err != nil {
		return err
	}
	if h.tooLarge(length) {
		return errTooLarge
	}
	t := h.treeFor(q)
	if isSmall(q, length) {
		return h.putSmall(q, t, int(length))
	}
	if err := h.refusePut(q, t); err != nil {
		return err
	}
	if err := h.precheckPut(q, t); err != nil {
		return err
	}
	// 507 comes before the body if its length is announced and there is no room (RFC 4331 §6).
	u, err := t.FS.Create(fsbackend.WithLength(q.ctx, length), q.path)
	if err != nil {
		return h.parentError(q, t, err)
	}
	defer u.Close()
	n, err := h.copyUpload(u, &q.body)
	if err != nil {
		return err
	}
	if err := reqbody.CheckLength(n, length); err != nil {
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	old, err := h.checkPut(q, t) // the resource may have changed while the body was read
	if err != nil {
		return err
	}
	return h.commit(q, t, u, old.Info != nil)
}

// errTooLarge refuses an upload that exceeds Options.MaxUpload.
var errTooLarge = statusError(http.StatusRequestEntityTooLarge, "The file is larger than this server takes.") // RFC 9110 §15.5.14

// tooLarge reports whether an upload of n bytes exceeds Options.MaxUpload.
func (h *Handler) tooLarge(n int64) bool { return h.maxUpload > 0 && n > h.maxUpload }

// copyUpload copies a body to u, no further than Options.MaxUpload allows.
func (h *Handler) copyUpload(u fsbackend.Upload, body *reqbody.Reader) (n int64, err error) {
	if h.maxUpload == 0 {
		return reqbody.Copy(u, body)
	}
	n, err = reqbody.Copy(u, io.LimitReader(body, h.maxUpload+1))
	if err == nil && h.tooLarge(n) {
		err = errTooLarge
	}
	return n, err
}

// isSmall reports whether putSmall may handle a body: it is read before the checks, which then run
// once instead of twice. With Expect the client may not send the body before 100 Continue.
func isSmall(q *request, length int64) bool {
	return length == q.ContentLength && length >= 0 && length <= reqbody.BufferSize && q.Header.Get("Expect") == ""
}

// putSmall is put for a small body. Its only lookup is the one by Create.
func (h *Handler) putSmall(q *request, t *tree.Tree, length int) error {
	buf := reqbody.GetBuffer()
	defer reqbody.PutBuffer(buf)
	if err := q.body.Fill(buf[:length]); err != nil {
		// The checks take precedence over an error in the body, as for larger bodies.
		if refused := h.precheckPut(q, t); refused != nil && q.ctx.Err() == nil {
			return refused
		}
		return err
	}
	if err := h.refusePut(q, t); err != nil {
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	u, err := t.FS.Create(q.ctx, q.path)
	if err != nil {
		if _, refused := h.checkPut(q, t); refused != nil {
			return refused
		}
		return h.parentError(q, t, err)
	}
	defer u.Close()
	old := props.Resource{Path: q.path, Info: u.Replaces()}
	q.recordReplaced(old)
	if err := h.checkPutOver(q, t, old); err != nil {
		return err
	}
	if _, err := u.Write(buf[:length]); err != nil {
		return err
	}
	return h.commit(q, t, u, old.Info != nil)
}

// commit puts an upload in place and responds.
func (h *Handler) commit(q *request, t *tree.Tree, u fsbackend.Upload, existed bool) error {
	if !existed {
		if err := h.clearStaleProps(q, t); err != nil {
			return err
		}
	}
	info, err := u.Commit(q.ctx)
	if err != nil {
		return h.parentError(q, t, err)
	}
	return h.respondPut(q, t, props.Resource{Path: q.path, Info: info}, existed)
}

// respondPut responds to a PUT whose file is in place. r is that file; respondPut looks it up if
// r.Info is nil.
func (h *Handler) respondPut(q *request, t *tree.Tree, r props.Resource, existed bool) error {
	// The PUT has succeeded. After an error here the response only lacks its ETag.
	var err error
	if h.setRequestedTimes(q, t, q.path) || r.Info == nil {
		r, err = t.Stat(q.ctx, q.path)
	}
	if err == nil {
		if tag, err := r.Info.ETag(q.ctx); err == nil {
			q.w.Header().Set("ETag", tag)
		}
		addLastModified(q.w.Header(), r.Info)
	}
	h.respondCreated(q, existed)
	return nil
}

// refusePut calls refuse.
func (h *Handler) refusePut(q *request, t *tree.Tree) error {
	return h.refuse(q, h.deniedWrite(q.ctx, q.path), func(*request) error { return h.precheckPut(q, t) })
}

// precheckPut is checkPut before the body is read. It waits for conflicting requests, so that it
// does not see an intermediate state.
func (h *Handler) precheckPut(q *request, t *tree.Tree) error {
	release, err := h.reserve(q, pathlock.Range{Path: q.path})
	if err != nil {
		return err
	}
	defer release()
	_, err = h.checkPut(q, t)
	return err
}

// checkPut checks whether a file may be written to the URL. It returns the old file; r.Info is nil
// if there is none.
func (h *Handler) checkPut(q *request, t *tree.Tree) (props.Resource, error) {
	r, err := q.stat(t)
	if err != nil {
		r.Info = nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	return r, h.checkPutOver(q, t, r)
}

// checkPutOver is checkPut after the lookup. r.Info is nil if the URL has no resource.
func (h *Handler) checkPutOver(q *request, t *tree.Tree, r props.Resource) error {
	switch {
	case r.Info == nil && strings.HasSuffix(q.URL.Path, "/"):
		return statusError(http.StatusMethodNotAllowed, "The URL is that of a collection, see MKCOL.")
	case r.Info == nil:
		return h.checkCreate(q, t)
	case r.Info.IsDir():
		return statusError(http.StatusMethodNotAllowed, "A collection has no content.") // §9.7.2
	}
	return h.authorize(q, t, access.WriteContent, r, true)
}

// announcedLength returns the length of the body in bytes by the headers, -1 if it is unknown.
// macOS sends chunked uploads and their length in X-Expected-Entity-Length.
//
// In HTTP/1.0 a body requires Content-Length (RFC 1945 §7.2.2). Without it net/http treats even a
// chunked body as empty, so that PUT would replace the file by an empty one.
func announcedLength(r *http.Request) (int64, error) {
	if !r.ProtoAtLeast(1, 1) && r.Header.Get("Content-Length") == "" {
		return -1, statusError(http.StatusLengthRequired, "PUT with HTTP/1.0 needs a Content-Length.") // RFC 9110 §15.5.12
	}
	expected := r.Header.Get("X-Expected-Entity-Length")
	if expected == "" {
		return r.ContentLength, nil
	}
	n, err := strconv.ParseInt(expected, 10, 64)
	switch {
	case err != nil || n < 0:
		return -1, statusError(http.StatusBadRequest, "X-Expected-Entity-Length is not a length.")
	case r.ContentLength >= 0 && r.ContentLength != n:
		return -1, statusError(http.StatusBadRequest, "X-Expected-Entity-Length and Content-Length are not the same.")
	}
	return n, nil
}
