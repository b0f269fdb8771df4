package server

import (
	"net/http"
)

// SetDAVHeaders sets the DAV and MS-Author-Via headers (RFC 4918 §10.1) as OPTIONS does. A
// middleware that refuses requests must set them, too, since clients send OPTIONS before they have
// credentials.
func (h *Handler) SetDAVHeaders(head http.Header) {
	classes := "1, 2, 3"
	if h.readOnly {
		classes = "1, 3" // §18.3: all but locking. macOS then mounts read-only
	}
	head.Set("DAV", classes)
	head.Set("MS-Author-Via", "DAV") // without it Office opens documents read-only
}

// options implements OPTIONS (RFC 4918 §10.1). The response is the same for every URL: clients ask
// for parents of the share and for names that do not exist, and apply the response to the whole
// server.
func (h *Handler) options(q *request) error {
	head := q.w.Header()
	h.SetDAVHeaders(head)
	head.Set("Allow", h.allow(""))
	head.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}
