package server

import (
	"errors"
	"io/fs"
	"net/http"

	"dav207/server/access"
)

// verdict refuses a request whose client waits to hear whether to send the body (RFC 9110 §10.1.1), for what can be said
// without it. Other clients hear first what is wrong with their bodies.
func (h *Handler) verdict(q *request) error {
	if q.Header.Get("Expect") == "" {
		return nil
	}
	t := h.treeFor(q)
	switch q.Method {
	case "PROPFIND":
		_, err := h.existing(q, t, access.Read)
		return err
	case "PROPPATCH":
		_, err := h.existing(q, t, access.WriteProperties)
		return err
	case "LOCK", "MKCOL":
		r, err := h.stat(q, t)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return h.mayCreate(q, t)
		case err != nil:
			return err
		case q.Method == "MKCOL":
			return plain(http.StatusMethodNotAllowed, "There is a resource at this URL.")
		}
		return h.mayLock(q, t, r, nil)
	}
	return nil
}
