package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// writes claims one resource.
func writes(p davpath.Path) pathlock.Range { return pathlock.Range{Path: p, Write: true} }

// put answers PUT (RFC 4918 §9.7): the body is written aside while others go on, and takes its place in one step once all
// of it is there.
func (h *Handler) put(q *request) error {
	if q.Header.Get("Content-Range") != "" {
		return plain(http.StatusBadRequest, "PUT of a part of a resource is not supported.") // RFC 9110 §14.5
	}
	if coding := q.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return plain(http.StatusUnsupportedMediaType, "A content coding would be lost: send the content as it is.") // RFC 9110 §8.4
	}
	length, err := announced(q.Request)
	if err != nil {
		return err
	}
	t := h.treeFor(q)
	if h.comesAtOnce(q, length) {
		return h.putSmall(q, t, int(length))
	}
	if _, err := h.firstVerdict(q, t); err != nil {
		return err
	}
	if err := h.room(q, t, length); err != nil {
		return err
	}
	w, commit, err := t.Stage(q.ctx, q.path)
	if err != nil {
		return h.parentGone(q, t, err)
	}
	defer w.Close()
	n, err := receive(w, &q.body)
	if err != nil {
		return err
	}
	if err := asAnnounced(n, length); err != nil {
		return err
	}

	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	old, err := h.mayPut(q, t) // things may have changed while the body came in
	if err != nil {
		return err
	}
	return h.place(q, t, commit, old)
}

// comesAtOnce reports whether a body is so small that nobody is kept waiting when it is read before anything is said of it:
// what may be done is then asked once, and not before and after. A client that waits for 100 Continue sends nothing
// before.
func (h *Handler) comesAtOnce(q *request, length int64) bool {
	return length == q.ContentLength && length >= 0 && length <= copySize && q.Header.Get("Expect") == ""
}

// putSmall is put for a body that comesAtOnce.
func (h *Handler) putSmall(q *request, t *tree.Tree, length int) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	if err := q.body.fill(buf[:length]); err != nil {
		// Other reasons to refuse come first, as for larger bodies, while the client is there.
		if _, refused := h.firstVerdict(q, t); refused != nil && q.ctx.Err() == nil {
			return refused
		}
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	if err := h.putAtOnce(q, t, buf[:length]); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	old, err := h.mayPut(q, t)
	if err != nil {
		return err
	}
	if err := h.room(q, t, int64(length)); err != nil {
		return err
	}
	w, commit, err := t.Stage(q.ctx, q.path)
	if err != nil {
		return h.parentGone(q, t, err)
	}
	defer w.Close()
	if _, err := w.Write(buf[:length]); err != nil {
		return err
	}
	return h.place(q, t, commit, old)
}

// putAtOnce is put for a file system that does it in one go, with one look at what is there; errors.ErrUnsupported says that
// it does not, and nothing has happened.
func (h *Handler) putAtOnce(q *request, t *tree.Tree, content []byte) error {
	existed := false
	put, err := t.Put(q.ctx, q.path, content, func(old props.Resource) error {
		existed = old.Info != nil
		q.lookAtPlace(old)
		if err := h.mayPutOver(q, t, old); err != nil {
			return err
		}
		err := h.room(q, t, int64(len(content)))
		if err == nil && !existed {
			h.clearStaleProps(q, t)
		}
		return err
	})
	if err != nil {
		return h.parentGone(q, t, err)
	}
	return h.answerPut(q, t, put, existed)
}

// place puts what was written aside where the resource of the request is, in the place of old if there is one, and answers.
func (h *Handler) place(q *request, t *tree.Tree, commit func() error, old props.Resource) error {
	existed := old.Info != nil
	if !existed {
		h.clearStaleProps(q, t)
	}
	if err := commit(); err != nil {
		return h.parentGone(q, t, err)
	}
	return h.answerPut(q, t, props.Resource{Path: q.path}, existed)
}

// answerPut ends a PUT whose content is in its place. r is what was put there; without an Info it is looked at.
func (h *Handler) answerPut(q *request, t *tree.Tree, r props.Resource, existed bool) error {
	// The file is there, whatever comes now: an answer without an entity tag is the worst that may follow.
	var err error
	if h.setWantedTimes(q, t, q.path) || r.Info == nil {
		r, err = t.Stat(q.ctx, q.path)
	}
	if err == nil {
		if tag, err := t.ETag(q.ctx, r.Info); err == nil {
			q.w.Header().Set("ETag", tag)
		}
		addLastModified(q.w.Header(), r.Info)
	}
	h.done(q, existed)
	return nil
}

// firstVerdict says before the body is read why it is not wanted. It does not look at what another request has half done: a
// lock that is granted and whose empty resource is not there yet, a collection that is between two names.
func (h *Handler) firstVerdict(q *request, t *tree.Tree) (props.Resource, error) {
	release, err := h.reserve(q, pathlock.Range{Path: q.path})
	if err != nil {
		return props.Resource{}, err
	}
	defer release()
	return h.mayPut(q, t)
}

// clearStaleProps removes the properties that are stored for a URL where nothing is and a resource is about to be created:
// those of one that was removed behind the server's back, or just before the server was killed. It is called before the
// resource is there, so that no crash can leave it with them.
func (h *Handler) clearStaleProps(q *request, t *tree.Tree) {
	if err := t.Props.Update(context.WithoutCancel(q.ctx), props.Delete{Path: q.path}); err != nil {
		h.warnMember(q, q.path, err)
	}
}

// done answers for something that was put at a URL: 201 if nothing was there before.
func (h *Handler) done(q *request, existed bool) {
	if existed {
		q.w.WriteHeader(http.StatusNoContent)
		return
	}
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusCreated)
}

// mayPut returns the file that is there, without an Info if there is none, and why none may be put there.
func (h *Handler) mayPut(q *request, t *tree.Tree) (props.Resource, error) {
	r, err := q.stat(t)
	if err != nil {
		r.Info = nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	return r, h.mayPutOver(q, t, r)
}

// mayPutOver says why no file may be put where r is, or where nothing is if it has no Info.
func (h *Handler) mayPutOver(q *request, t *tree.Tree, r props.Resource) error {
	switch {
	case r.Info == nil && strings.HasSuffix(q.URL.Path, "/"):
		return plain(http.StatusMethodNotAllowed, "The URL is that of a collection, see MKCOL.")
	case r.Info == nil:
		return h.mayCreate(q, t)
	case r.Info.IsDir():
		return plain(http.StatusMethodNotAllowed, "A collection has no content.") // §9.7.2
	}
	return h.ask(q, t, access.WriteContent, r, true)
}

// mayCreate says why nothing may be created at the URL of the request, where nothing is.
func (h *Handler) mayCreate(q *request, t *tree.Tree) error {
	if err := creatable(q.path); err != nil {
		return err
	}
	if !q.seen.vacant {
		if err := t.Parent(q.ctx, q.path); err != nil {
			return err
		}
	}
	if err := h.endAtRequest(q); err != nil {
		return err
	}
	return h.ask(q, t, access.Bind, props.Resource{Path: q.path}, false)
}

// parentGone gives the failure to create something its place: the parent is gone, or is another one
// than that in which the file was written, and the file system cannot move it there.
func (h *Handler) parentGone(q *request, t *tree.Tree, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	if t.Parent(q.ctx, q.path) == nil {
		return &multistatus.Error{Status: http.StatusConflict, Err: err,
			Description: "The collection was replaced by another one meanwhile: send the request again."}
	}
	return errors.Join(tree.ErrNoParent, err)
}

// announced returns the length of the body as the request tells it, -1 if it does not. The client of macOS sends its
// uploads chunked and tells the length in a header of its own.
//
// In HTTP/1.0 only Content-Length says that there is a body (RFC 1945 §7.2.2). Without it net/http
// takes the body for empty, even if it is chunked, and an empty file would take the place of the one
// that is there.
func announced(r *http.Request) (int64, error) {
	if !r.ProtoAtLeast(1, 1) && r.Header.Get("Content-Length") == "" {
		return -1, plain(http.StatusLengthRequired, "PUT with HTTP/1.0 needs a Content-Length.") // RFC 9110 §15.5.12
	}
	expected := r.Header.Get("X-Expected-Entity-Length")
	if expected == "" {
		return r.ContentLength, nil
	}
	n, err := strconv.ParseInt(expected, 10, 64)
	switch {
	case err != nil || n < 0:
		return -1, plain(http.StatusBadRequest, "X-Expected-Entity-Length is not a length.")
	case r.ContentLength >= 0 && r.ContentLength != n:
		return -1, plain(http.StatusBadRequest, "X-Expected-Entity-Length and Content-Length are not the same.")
	}
	return n, nil
}

// asAnnounced refuses a body of another length than the one that was announced; -1 is for none.
func asAnnounced(n, length int64) error {
	if length >= 0 && n != length {
		return plain(http.StatusBadRequest, fmt.Sprintf("The body has %d bytes, not the %d that were announced.", n, length))
	}
	return nil
}
