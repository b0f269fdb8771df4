package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"

	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// fail is the only way in which a request that failed as a whole is answered.
func (h *Handler) fail(q *request, err error) {
	if errors.Is(err, errAbort) {
		h.log.LogAttrs(q.ctx, q.warning(), "answer broken off", slog.String("method", q.Method),
			slog.String("name", q.path.String()), slog.Any("err", err))
		panic(http.ErrAbortHandler)
	}
	e := asError(err)
	level := slog.LevelDebug
	switch {
	case e.Status == http.StatusNotImplemented, e.Status == http.StatusBadGateway: // a strange method, a Destination elsewhere
	case e.Status == http.StatusInsufficientStorage:
		level = slog.LevelWarn // any client can ask for too much, and somebody may want to make room
	case e.Status >= 500:
		level = slog.LevelError
	}
	h.log.LogAttrs(q.ctx, level, "request failed", slog.String("method", q.Method), slog.String("name", q.path.String()),
		slog.Int("status", e.Status), slog.Any("err", err))

	if e.Status == http.StatusNotModified {
		q.w.WriteHeader(e.Status)
		return
	}
	var body []byte
	contentType := "text/plain; charset=utf-8"
	switch {
	case e.Condition != nil:
		body, contentType = multistatus.AppendError(nil, e.Condition), multistatus.ContentType
	case e.Description != "":
		body = []byte(e.Description + "\n")
	default:
		body = []byte(http.StatusText(e.Status) + "\n")
	}
	head := q.w.Header()
	head.Del("ETag")
	head.Del("Last-Modified")
	head.Del("Content-Location")
	head.Set("Content-Type", contentType)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented {
		head.Set("Allow", h.allow(q.Method))
	}
	q.w.WriteHeader(e.Status)
	if q.Method != http.MethodHead {
		q.w.Write(body)
	}
}

// warning returns the level of a failure that the server cannot tell the client of. It is no warning
// that the client is gone.
func (q *request) warning() slog.Level {
	if q.ctx.Err() != nil {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// errAbort is wrapped by what can no longer be said, because the answer has begun: a cut connection is honest, a
// well-formed half-truth is not.
var errAbort = errors.New("the answer cannot be completed")

func abort(err error) error { return errors.Join(errAbort, err) }

// asError gives the errors of the engine their place in RFC 4918.
func asError(err error) *multistatus.Error {
	switch {
	case errors.Is(err, tree.ErrNoParent):
		return &multistatus.Error{Status: http.StatusConflict, Err: err, // §9.3.1, §9.7.1, §9.8.5, §9.9.4, §9.10.6
			Description: "The parent is not an existing collection."}
	case errors.Is(err, tree.ErrOverlap):
		return &multistatus.Error{Status: http.StatusForbidden, Err: err, // §9.8.5, §9.9.4
			Description: "Source and destination are one resource, or one holds the other."}
	case errors.Is(err, tree.ErrLoop):
		return &multistatus.Error{Status: http.StatusLoopDetected, Err: err,
			Description: "The collection holds itself."}
	}
	if e := (*tree.TooLongError)(nil); errors.As(err, &e) {
		err = creatable(e.Path) // as PUT answers there
	}
	e := multistatus.AsError(err)
	if reason := davpath.NameError(""); e.Description == "" && errors.As(err, &reason) {
		return &multistatus.Error{Status: e.Status, Err: err, Description: string(reason)}
	}
	return e
}

// failure is the response for one resource that failed.
func failure(href string, err error) *multistatus.Response {
	r := multistatus.Failure(href, asError(err))
	return &r
}

// plain is an error with a status and nothing to add.
func plain(status int, description string) error {
	return &multistatus.Error{Status: status, Description: description}
}

func badRequest(err error) error {
	return &multistatus.Error{Status: http.StatusBadRequest, Description: "The URL is not one that can name a resource.", Err: err}
}

func condition(status int, name string, hrefs ...string) error {
	return &multistatus.Error{Status: status, Condition: multistatus.Precondition(name, hrefs...)}
}

// reserved answers for a Request-URI that is that of the server's own files: to a client they are not there, and what would make
// something there is refused as it is for a Destination (RFC 4918 §9.3.1: 403, "the server does not allow the creation of
// collections at the given location in its URL namespace").
func reserved(method string, p davpath.Path) error {
	switch method {
	case http.MethodPut, "MKCOL", "LOCK":
		return creatable(p)
	}
	return &multistatus.Error{Status: http.StatusNotFound, Err: errors.New("reserved name")}
}

// errMethod answers for a method that this server does not have: 405 for those of HTTP, which it knows and does not
// support on any resource, 501 for others (RFC 9110 §9.1).
func errMethod(method string) error {
	switch method {
	case http.MethodPost, http.MethodPatch, http.MethodTrace, http.MethodConnect:
		return plain(http.StatusMethodNotAllowed, "")
	}
	return plain(http.StatusNotImplemented, "")
}

// xmlError gives the errors of reading an XML body their status.
func xmlError(err error) error {
	switch {
	case errors.Is(err, davxml.ErrCharset):
		return &multistatus.Error{Status: http.StatusUnsupportedMediaType, Err: err,
			Description: "The body must be UTF-8 or UTF-16."}
	case errors.Is(err, davxml.ErrMalformed), errors.Is(err, davxml.ErrEmpty):
		return &multistatus.Error{Status: http.StatusBadRequest, Err: err, Description: "The XML body cannot be read."}
	}
	return err
}

// creatable refuses names that could not be read back.
func creatable(p davpath.Path) error {
	if p.Reserved() {
		return &multistatus.Error{Status: http.StatusForbidden, Err: fs.ErrPermission, Description: "The name is reserved."}
	}
	if err := p.Creatable(); err != nil {
		return &multistatus.Error{Status: http.StatusBadRequest, Err: err, Description: err.Error()}
	}
	return nil
}
