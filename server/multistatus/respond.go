package multistatus

import (
	"maps"
	"net/http"
	"strconv"
)

// RespondError sends the response to a request that failed as a whole: a DAV:error if e has a
// condition (§16), else a line of text; if the client prefers JSON, a problem (RFC 9457). It sets
// e.Header, and the header fields that describe the body. The caller sets others before.
//
// A cache must ask again before it uses the response: some of these statuses may be cached unless
// the response says otherwise (RFC 9110 §15.1), and a resource that is missing now may be created.
func RespondError(w http.ResponseWriter, r *http.Request, e *Error) {
	var body []byte
	var contentType string
	switch {
	case ErrorFormatFor(r.Header) == JSON:
		body, contentType = AppendProblem(nil, e), ContentTypeProblem
	case e.Condition != nil:
		body, contentType = appendError(nil, e.Condition), ContentType
	case e.Description != "":
		body, contentType = []byte(e.Description+"\n"), "text/plain; charset=utf-8"
	default:
		body, contentType = []byte(http.StatusText(e.Status)+"\n"), "text/plain; charset=utf-8"
	}
	head := w.Header()
	maps.Copy(head, e.Header)
	head.Set("Content-Type", contentType)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head["Cache-Control"] = noCache
	addVary(head, "Accept")
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		w.Write(body) // on error the client is gone
	}
}
