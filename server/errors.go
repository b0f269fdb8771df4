package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/origin"
	"dav207/server/tree"
)

// fail sends the response for a request that failed as a whole. It is the only function that does.
func (h *Handler) fail(q *request, err error) {
	if errors.Is(err, errAbort) {
		h.log.LogAttrs(q.ctx, q.abortLevel(), "answer broken off", slog.String("method", q.Method),
			slog.String("name", q.path.String()), slog.Any("err", err))
		panic(http.ErrAbortHandler)
	}
	e := asError(err)
	level := slog.LevelDebug
	switch {
	case e.Status == http.StatusNotImplemented, e.Status == http.StatusBadGateway: // unknown method, Destination on another server
	case e.Status == http.StatusInsufficientStorage:
		level = slog.LevelWarn // not a fault of the server, but the administrator may want to know
	case e.Status >= 500:
		level = slog.LevelError
	}
	h.log.LogAttrs(q.ctx, level, "request failed", slog.String("method", q.Method), slog.String("name", q.path.String()),
		slog.Int("status", e.Status), slog.Any("err", err))

	if e.Status == http.StatusNotModified {
		q.w.WriteHeader(e.Status)
		return
	}
	head := q.w.Header()
	head.Del("ETag")
	head.Del("Last-Modified")
	head.Del("Content-Location")
	if e.Status == http.StatusForbidden && e.Condition != nil { // such as propfind-finite-depth, not a privilege
		access.KeepForbidden(q.ctx)
	}
	if e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotImplemented {
		head.Set("Allow", h.allow(q, q.Method))
	}
	multistatus.RespondError(q.w, q.Request, e)
}

// abortLevel returns the log level for a response that was cut off. It is not a warning if the
// client is gone.
func (q *request) abortLevel() slog.Level {
	if q.ctx.Err() != nil {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// errAbort is wrapped by errors that occur after the response has begun. fail closes the
// connection, since a complete response would be wrong.
var errAbort = errors.New("the answer cannot be completed")

func abort(err error) error { return errors.Join(errAbort, err) }

// asError returns err with its status. It maps the errors of package tree to RFC 4918.
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
		err = checkCreatable(e.Path) // the same status as for PUT
	}
	e := multistatus.AsError(err)
	if reason := davpath.NameError(""); e.Description == "" && errors.As(err, &reason) {
		return &multistatus.Error{Status: e.Status, Err: err, Description: string(reason)}
	}
	return e
}

// failure returns the response of a 207 for a resource that failed.
func failure(href string, err error) *multistatus.Response {
	r := multistatus.Failure(href, asError(err))
	return &r
}

// statusError returns an error with a status and a description, which may be "".
func statusError(status int, description string) error {
	return &multistatus.Error{Status: status, Description: description}
}

// badRequest returns the error for a URL that cannot name a resource.
func badRequest(err error) error {
	return &multistatus.Error{Status: http.StatusBadRequest, Description: "The URL is not one that can name a resource.", Err: err}
}

// targetError returns the error for an invalid request-target: 421 if it has another scheme (RFC
// 9110 §7.4), else 400.
func targetError(err error) error {
	if errors.Is(err, origin.ErrScheme) {
		return &multistatus.Error{Status: http.StatusMisdirectedRequest, Err: err,
			Description: "This is not the server of that scheme."}
	}
	return badRequest(err)
}

// conditionError returns an error with a precondition element (RFC 4918 §16).
func conditionError(status int, name string, hrefs ...string) error {
	return &multistatus.Error{Status: status, Condition: multistatus.Precondition(name, hrefs...)}
}

// reservedError returns the error for a Request-URI that is reserved for the server's own files.
// Clients see no resource there. Methods that would create one get the same status as for a
// reserved Destination (RFC 4918 §9.3.1: 403, "the server does not allow the creation of
// collections at the given location in its URL namespace").
func reservedError(method string, p davpath.Path) error {
	switch method {
	case http.MethodPut, "MKCOL", "LOCK":
		return checkCreatable(p)
	}
	return &multistatus.Error{Status: http.StatusNotFound, Err: errors.New("reserved name")}
}

// hiddenError returns the error for a Request-URI that the policy hides. It does not depend on
// whether there is a resource.
func (h *Handler) hiddenError(q *request) error {
	switch q.Method {
	case http.MethodPut, "MKCOL", "LOCK":
		return h.checkSeen(q.ctx, q.path)
	case "UNLOCK":
		return conditionError(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	}
	return &multistatus.Error{Status: http.StatusNotFound, Err: errors.New("the policy hides it")}
}

// errMethod returns the error for a method that the server does not implement: 405 for methods of
// HTTP, 501 for others (RFC 9110 §9.1).
func errMethod(method string) error {
	switch method {
	case http.MethodPost, http.MethodPatch, http.MethodTrace, http.MethodConnect:
		return statusError(http.StatusMethodNotAllowed, "")
	}
	return statusError(http.StatusNotImplemented, "")
}

// xmlError returns an error of parsing an XML body with its status.
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

// checkCreatable returns an error if no resource with the name p may be created.
func checkCreatable(p davpath.Path) error {
	if p.Reserved() {
		return &multistatus.Error{Status: http.StatusForbidden, Err: fs.ErrPermission, Description: "The name is reserved."}
	}
	if err := p.Creatable(); err != nil {
		return &multistatus.Error{Status: http.StatusBadRequest, Err: err, Description: err.Error()}
	}
	return nil
}

// invalid returns a 400 for a body or header that breaks a rule of RFC 4918.
func invalid(description string) error { return statusError(http.StatusBadRequest, description) }

// discardOrAbort ends a multistatus that cannot be completed. It returns err if nothing was sent
// yet, so that the client gets a plain status, otherwise an error that closes the connection.
func discardOrAbort(out *multistatus.Writer, err error) error {
	if out.Discard() {
		return err
	}
	return abort(err)
}
