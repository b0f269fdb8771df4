package multistatus_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"

	"dav207/server/multistatus"
)

// A handler that processes several resources and reports the error of each that failed.
func ExampleWriter() {
	archive := func(name string) error { // the operation of the handler
		switch name {
		case "/mail/2":
			return &fs.PathError{Op: "open", Path: "/home/joe/mail/2", Err: fs.ErrPermission}
		case "/mail/3":
			return syscall.ENOSPC
		}
		return nil
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := multistatus.NewWriter(w, r)
		for _, name := range r.URL.Query()["name"] {
			if err := archive(name); err != nil {
				response := multistatus.Failure(name, err)
				out.Write(&response) // Close returns the error
			}
		}
		if !out.Started() {
			w.WriteHeader(http.StatusNoContent) // nothing failed
			return
		}
		if out.Close() != nil {
			panic(http.ErrAbortHandler) // the client must not take a part for all
		}
	})

	for _, query := range []string{"name=/mail/1", "name=/mail/1&name=/mail/2&name=/mail/3"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/archive?"+query, nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Content-Type"))
		fmt.Print(strings.ReplaceAll(w.Body.String(), "><", ">\n<"))
	}
	// Output:
	// 204 ""
	// 207 "application/xml; charset=utf-8"
	// <?xml version="1.0" encoding="utf-8"?>
	// <D:multistatus xmlns:D="DAV:">
	// <D:response>
	// <D:href>/mail/2</D:href>
	// <D:status>HTTP/1.1 403 Forbidden</D:status>
	// </D:response>
	// <D:response>
	// <D:href>/mail/3</D:href>
	// <D:status>HTTP/1.1 507 Insufficient Storage</D:status>
	// <D:error>
	// <D:sufficient-disk-space/>
	// </D:error>
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
