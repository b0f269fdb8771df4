// Package middleware has HTTP middleware that is not specific to WebDAV: a request log, recovery
// from panics, authentication, and protection from requests of other sites and from DNS rebinding.
//
// Each is a func(http.Handler) http.Handler. The ResponseWriter that the handler gets supports
// http.ResponseController, and io.ReaderFrom, so that files are sent with sendfile. A refused
// request does not close the connection unless its body is too long.
//
// The package does not authorize (see package access). It limits nothing but the rate of wrong
// passwords (see package limits). It never logs a header that may contain credentials, a name that
// is not a user's, or a query.
package middleware

import (
	"net/http"
	"time"

	"dav207/server/early"
	"dav207/server/multistatus"
	"dav207/server/wire"
)

// refuse answers a request without using its body.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	w = wire.Wrap(w, r)
	early.Respond(w, r, false, time.Time{}, func() {
		multistatus.RespondError(w, r, &multistatus.Error{Status: status, Description: text})
	})
}
