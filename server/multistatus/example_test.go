package multistatus_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"

	"dav207/server/multistatus"
)

// closeTickets closes the tickets that a form names, and answers for each of them.
func closeTickets(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || len(r.Form["id"]) == 0 {
		multistatus.RespondError(w, r, &multistatus.Error{Status: http.StatusBadRequest, Description: "No ticket is named."})
		return
	}
	out := multistatus.NewWriter(w, r) // in JSON for a client that prefers it
	for _, id := range r.Form["id"] {
		response := multistatus.Response{Href: "/tickets/" + url.PathEscape(id), Status: http.StatusNoContent}
		if err := closeTicket(id); err != nil {
			response = multistatus.Failure(response.Href, err)
		}
		out.Write(&response) // Close returns the error
	}
	if out.Close() != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for all
	}
}

func closeTicket(id string) error { // the operation of the handler
	switch id {
	case "2":
		return &fs.PathError{Op: "open", Path: "/home/joe/tickets/2", Err: fs.ErrPermission}
	case "3":
		return syscall.ENOSPC
	case "4":
		return &multistatus.Error{Status: http.StatusConflict, Description: "The ticket is closed already."}
	}
	return nil
}

// A batch endpoint that has nothing to do with WebDAV.
func ExampleNewWriter() {
	for _, accept := range []string{"application/json", "application/xml"} {
		for _, query := range []string{"", "id=1&id=2&id=3&id=4"} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/close?"+query, nil)
			r.Header.Set("Accept", accept)
			closeTickets(w, r)
			fmt.Printf("%d %q\n", w.Code, w.Header().Get("Content-Type"))
			fmt.Println(strings.TrimSpace(strings.ReplaceAll(w.Body.String(), "><", ">\n<")))
		}
	}
	// Output:
	// 400 "application/problem+json"
	// {"type":"about:blank","title":"Bad Request","status":400,"detail":"No ticket is named."}
	// 207 "application/json"
	// {"responses":[
	// {"href":"/tickets/1","status":204},
	// {"href":"/tickets/2","status":403},
	// {"href":"/tickets/3","status":507,"error":{"condition":"sufficient-disk-space"}},
	// {"href":"/tickets/4","status":409,"description":"The ticket is closed already."}
	// ]}
	// 400 "text/plain; charset=utf-8"
	// No ticket is named.
	// 207 "application/xml; charset=utf-8"
	// <?xml version="1.0" encoding="utf-8"?>
	// <D:multistatus xmlns:D="DAV:">
	// <D:response>
	// <D:href>/tickets/1</D:href>
	// <D:status>HTTP/1.1 204 No Content</D:status>
	// </D:response>
	// <D:response>
	// <D:href>/tickets/2</D:href>
	// <D:status>HTTP/1.1 403 Forbidden</D:status>
	// </D:response>
	// <D:response>
	// <D:href>/tickets/3</D:href>
	// <D:status>HTTP/1.1 507 Insufficient Storage</D:status>
	// <D:error>
	// <D:sufficient-disk-space/>
	// </D:error>
	// </D:response>
	// <D:response>
	// <D:href>/tickets/4</D:href>
	// <D:status>HTTP/1.1 409 Conflict</D:status>
	// <D:responsedescription>The ticket is closed already.</D:responsedescription>
	// </D:response>
	// </D:multistatus>
}

// The properties of one resource; one of them is forbidden (RFC 4918 §9.1.3).
func ExampleResponse_properties() {
	w := httptest.NewRecorder()
	out := multistatus.NewWriter(w, httptest.NewRequest("PROPFIND", "/file", nil))
	name := func(local string) multistatus.Property {
		p := multistatus.Property{}
		p.XMLName.Space, p.XMLName.Local = "http://ns.example.com/box", local
		return p
	}
	author := name("author")
	author.InnerXML = []byte("J. J. Johnson") // XML: the caller escapes text
	err := out.Write(&multistatus.Response{
		Href: "/file",
		Propstat: []multistatus.Propstat{
			{Status: http.StatusOK, Prop: []multistatus.Property{author}},
			{Status: http.StatusForbidden, Prop: []multistatus.Property{name("DingALing")}, Description: "The user does not have access."},
		},
	})
	fmt.Println(err, out.Close())
	fmt.Print(strings.ReplaceAll(w.Body.String(), "><", ">\n<"))
	// Output:
	// <nil> <nil>
	// <?xml version="1.0" encoding="utf-8"?>
	// <D:multistatus xmlns:D="DAV:">
	// <D:response>
	// <D:href>/file</D:href>
	// <D:propstat>
	// <D:prop>
	// <ns:author xmlns:ns="http://ns.example.com/box">J. J. Johnson</ns:author>
	// </D:prop>
	// <D:status>HTTP/1.1 200 OK</D:status>
	// </D:propstat>
	// <D:propstat>
	// <D:prop>
	// <ns:DingALing xmlns:ns="http://ns.example.com/box"/>
	// </D:prop>
	// <D:status>HTTP/1.1 403 Forbidden</D:status>
	// <D:responsedescription>The user does not have access.</D:responsedescription>
	// </D:propstat>
	// </D:response>
	// </D:multistatus>
}
