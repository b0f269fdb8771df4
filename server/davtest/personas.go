package davtest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"dav207/server/multistatus"
)

// personas are the differences of each persona. A source is a file and line of a project, or an
// issue there: httpd is apache/httpd 0cb6804 (trunk), nginx is nginx/nginx 0225dc3 and 05b1a8f, ext
// is arut/nginx-dav-ext-module f5e3088, sabre is sabre-io/dav 4e433ee (4.7.1), nextcloud is
// nextcloud/server 006f053, xnet is golang.org/x/net v0.62.0.
var personas = map[string][]difference{
	"apache": {
		{about: "Server", source: "httpd server/core.c:3774", answered: set("Server", "Apache")},
		{about: "DAV and Allow, without spaces", source: "httpd modules/dav/main/mod_dav.c:1817,1868,1884-1906,2027; modules/dav/fs/repos.c:2275",
			answered: on("OPTIONS", 200, set("DAV", "1,2", "<http://apache.org/dav/propset/fs/1>"), allow("OPTIONS,MKCOL,PUT,LOCK",
				"OPTIONS,GET,HEAD,POST,DELETE,TRACE,PROPFIND,PROPPATCH,COPY,MOVE,LOCK,UNLOCK", "OPTIONS,GET,HEAD,POST,DELETE,TRACE,PROPFIND,PROPPATCH,COPY,MOVE,PUT,LOCK,UNLOCK"))},
		{about: "a listing of Depth: infinity is refused", source: "httpd modules/dav/main/mod_dav.c:2262",
			asked: refuse("PROPFIND", 403, func(q *question) bool {
				return q.collection && !slices.Contains([]string{"0", "1"}, q.Header.Get("Depth"))
			})},
		{about: "lock tokens are of the scheme opaquelocktoken", source: "httpd modules/dav/fs/lock.c:279",
			asked: ownTokens("opaquelocktoken:"), answered: tokens("opaquelocktoken:")},
		{about: "no displayname", source: "httpd modules/dav/main/std_liveprop.c:139", answered: without("displayname")},
		{about: "a member that cannot be read: all properties are 404, and for allprop a status of the response, 200",
			source: "httpd modules/dav/main/mod_dav.c:2174-2190", answered: on("PROPFIND", 207, unreadableIsEmpty)},
		{about: "the entity tag is weak in the first second", source: "httpd server/util_etag.c:300", answered: weakTags},
		{about: "no entity tag after PUT", source: "httpd modules/dav/main/mod_dav.c:734", answered: on("PUT", 0, set("ETag"), set("Last-Modified"))},
		{about: "201 has an absolute Location", source: "httpd modules/dav/main/mod_dav.c:732,1275,2836",
			answered: on("PUT,MKCOL", 201, func(a *answer) { a.set("Location", a.origin()+a.URL.EscapedPath()) })},
		{about: "members that are locked: a DELETE is 424, with a multistatus in the body", source: "httpd modules/dav/main/util.c:1771, mod_dav.c:1387-1397",
			answered: on("DELETE", 207, lockedIs424)},
		{about: "the prefix of live properties is lp1", source: "httpd modules/dav/main/std_liveprop.c:163, props.c:925; modules/dav/fs/repos.c:2072",
			answered: func(a *answer) {
				a.dialect.live = map[string]string{"resourcetype": "lp1", "creationdate": "lp1", "getcontentlength": "lp1", "getlastmodified": "lp1", "getetag": "lp1"}
				if a.multi {
					a.dialect.root = ` xmlns:lp1="DAV:"`
				}
			}},
		{about: "the status line of a property that failed ends in (status)", source: "httpd modules/dav/main/mod_dav.c:2409",
			answered: on("PROPPATCH", 207, func(a *answer) { a.dialect.reason = "(status)" })},
		{about: "the media type of XML is text/xml", source: "httpd modules/dav/main/mod_dav.h:49", answered: xmlType(`text/xml; charset="utf-8"`)},
		{about: "errors are pages, without a condition", source: "httpd modules/http/http_protocol.c:1282,1356; include/httpd.h:254", answered: onError(func(a *answer) {
			text := http.StatusText(a.status)
			a.replaceBody("text/html; charset=iso-8859-1", fmt.Sprintf(html401+"<html><head>\n<title>%d %s</title>\n</head><body>\n<h1>%s</h1>\n</body></html>\n", a.status, text, text))
		})},
	},
	"nginx": {
		{about: "Server", source: "nginx src/http/ngx_http_header_filter_module.c, ngx_http_server_string", answered: set("Server", "nginx")},
		{about: "DAV is 2 without 1; one Allow for all", source: "ext ngx_http_dav_ext_module.c:504-517; arut/nginx-dav-ext-module#57",
			answered: on("OPTIONS", 200, set("DAV", "2"), set("MS-Author-Via"), set("Allow", "GET,HEAD,PUT,DELETE,MKCOL,COPY,MOVE,PROPFIND,OPTIONS,LOCK,UNLOCK"))},
		{about: "no PROPPATCH", source: "nginx src/http/modules/ngx_http_static_module.c, ngx_http_static_handler; arut/nginx-dav-ext-module#18",
			asked: refuse("PROPPATCH", 405, nil)},
		{about: "a listing of Depth: infinity is refused, without the condition", source: "ext ngx_http_dav_ext_module.c:752-763",
			asked: refuse("PROPFIND", 403, func(q *question) bool { return strings.EqualFold(q.Header.Get("Depth"), "infinity") })},
		{about: "PROPFIND without Depth is Depth: 0", source: "ext ngx_http_dav_ext_module.c:747", asked: defaults("PROPFIND", "Depth", "0")},
		{about: "MKCOL without a slash at the end is 409", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_mkcol_handler",
			asked: refuse("MKCOL", 409, withoutSlashAtEnd)},
		{about: "DELETE of a collection without a slash at the end is 409", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_delete_handler",
			asked: refuse("DELETE", 409, func(q *question) bool { return q.collection && withoutSlashAtEnd(q) })},
		{about: "a DELETE of which a part failed is 500", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_delete_path and ngx_http_dav_error",
			answered: on("DELETE", 207, whole(500))},
		{about: "a COPY of which a part failed is 201", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_copy_tree_file",
			answered: on("COPY", 207, whole(201))},
		{about: "COPY and MOVE of a file are 204, new or not", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_copy_move_handler",
			answered: on("COPY,MOVE", 201, func(a *answer) {
				if !a.collection {
					a.status = http.StatusNoContent
				}
			})},
		{about: "no entity tag after PUT", source: "nginx src/http/modules/ngx_http_dav_module.c, ngx_http_dav_put_handler",
			answered: on("PUT", 0, set("ETag"), set("Last-Modified"))},
		{about: "a PROPFIND has six properties, and no 404 for others", source: "ext ngx_http_dav_ext_module.c:683-706,1653-1669", answered: on("PROPFIND", 207, sixProperties)},
		{about: "the Request-URI's own href has no slash if the Request-URI has none", source: "ext ngx_http_dav_ext_module.c:818", answered: on("PROPFIND", 207, func(a *answer) {
			if len(a.responses) > 0 && withoutSlashAtEnd(a.question) {
				a.responses[0].Href = strings.TrimSuffix(a.responses[0].Href, "/")
			}
		})},
		{about: "the media type of XML is text/xml", source: "ext ngx_http_dav_ext_module.c:1081-1084,1303-1306", answered: xmlType("text/xml; charset=utf-8")},
		{about: "errors are pages, those with a status that nginx does not know are empty", source: "nginx src/http/ngx_http_special_response.c, ngx_http_error_pages", answered: onError(func(a *answer) {
			text := map[int]string{400: "Bad Request", 401: "Authorization Required", 403: "Forbidden", 404: "Not Found", 405: "Not Allowed", 409: "Conflict", 412: "Precondition Failed",
				415: "Unsupported Media Type", 500: "Internal Server Error", 507: "Insufficient Storage"}[a.status]
			if text == "" {
				a.replaceBody("", "")
				return
			}
			title := fmt.Sprint(a.status, " ", text)
			a.replaceBody("text/html", "<html>\r\n<head><title>"+title+"</title></head>\r\n<body bgcolor=\"white\">\r\n<center><h1>"+title+"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
		})},
	},
	"iis": {
		{about: "Server", source: "Microsoft Learn, Troubleshoot App Service issues in Application Gateway", answered: set("Server", "Microsoft-IIS/10.0")},
		{about: "Allow of a collection lacks PUT and DELETE, and comes once more as Public", source: "[MS-WDVSE] section 4, OPTIONS", answered: on("OPTIONS", 200, func(a *answer) {
			if a.collection {
				a.set("Allow", iisMethods)
				a.set("Public", iisMethods)
			}
		})},
		{about: "hrefs are absolute", source: "dom111/webdav-js#125", answered: func(a *answer) {
			for i := range a.responses {
				a.responses[i].Href = a.origin() + a.responses[i].Href
			}
		}},
		{about: "the status stands first in a propstat", source: "dom111/webdav-js#125", answered: func(a *answer) { a.dialect.statusFirst = true }},
		{about: "collections have a length of 0, an empty type and an empty entity tag", source: "dom111/webdav-js#125", answered: on("PROPFIND", 207,
			live("getcontentlength", "0", absent), live("getcontenttype", "", absent), live("getetag", "", absent))},
		{about: "allprop has ishidden and iscollection", source: "dom111/webdav-js#125; IIS settings schema, webdav/authoring compatFlags", answered: on("PROPFIND", 207,
			live("ishidden", "0", "0"), live("iscollection", "1", "0"))},
		{about: "creationdate has milliseconds", source: "dom111/webdav-js#125", answered: on("PROPFIND", 207, values("creationdate", func(v string) string {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return v
			}
			return t.UTC().Format("2006-01-02T15:04:05.000Z")
		}))},
		{about: "entity tags end in :0", source: "marcelduran/yslow#61", asked: ownTags, answered: func(a *answer) {
			if tag := a.tag(); tag != "" {
				a.set("ETag", iisTag(tag))
			}
			values("getetag", iisTag)(a)
		}},
	},
	"sabre": slices.Concat(sabre, []difference{
		{about: "the version", source: "sabre lib/DAV/Server.php:461, Version.php", answered: set("X-Sabre-Version", "4.7.1")},
		{about: "DAV, and Allow without MKCOL for what exists", source: "sabre lib/DAV/CorePlugin.php:212, Server.php:504-536, Locks/Plugin.php:104", answered: on("OPTIONS", 200,
			set("DAV", "1, 3, extended-mkcol, 2"), allow(sabreMethods+", MKCOL, LOCK, UNLOCK", sabreMethods+", LOCK, UNLOCK", sabreMethods+", LOCK, UNLOCK"))},
		{about: "the root declares the prefix s", source: "sabre lib/DAV/Xml/Service.php:43", answered: func(a *answer) { a.dialect.root = ` xmlns:s="http://sabredav.org/ns"` }},
	}),
	"nextcloud": slices.Concat(sabre, []difference{
		{about: "DAV without class 2, and Allow without MKCOL", source: "nextcloud/server#11156", answered: on("OPTIONS", 200,
			set("DAV", "1, 3, extended-mkcol, access-control, calendarserver-principal-property-search, nc-calendar-search, nc-enable-birthday-calendar"),
			allow(sabreMethods+", MKCOL", sabreMethods, sabreMethods))},
		{about: "the root declares the prefixes s, oc and nc", source: "nextcloud/server#10123", answered: func(a *answer) {
			a.dialect.root = ` xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns"`
		}},
		{about: "OC-ETag is the entity tag once more", source: "nextcloud apps/dav/lib/Connector/Sabre/CopyEtagHeaderPlugin.php", answered: func(a *answer) {
			if tag := a.tag(); tag != "" {
				a.set("OC-ETag", tag)
			}
		}},
		{about: "a file is an attachment", source: "nextcloud apps/dav/lib/Connector/Sabre/FilesPlugin.php, httpGet", answered: on("GET,HEAD", 200, func(a *answer) {
			name := url.PathEscape(a.URL.Path[strings.LastIndex(a.URL.Path, "/")+1:])
			a.set("Content-Disposition", "attachment; filename*=UTF-8''"+name+`; filename="`+name+`"`)
			a.set("X-Accel-Buffering", "no")
		})},
	}),
	"xnet": {
		{about: "DAV and Allow: a collection lacks GET, MKCOL and PUT", source: "xnet webdav/webdav.go:198-208", answered: on("OPTIONS", 200, set("DAV", "1, 2"), allow("OPTIONS, LOCK, PUT, MKCOL",
			"OPTIONS, LOCK, DELETE, PROPPATCH, COPY, MOVE, UNLOCK, PROPFIND", "OPTIONS, LOCK, GET, HEAD, POST, DELETE, PROPPATCH, COPY, MOVE, UNLOCK, PROPFIND, PUT"))},
		{about: "MOVE without Overwrite does not overwrite", source: "xnet webdav/webdav.go:412", asked: defaults("MOVE", "Overwrite", "F")},
		{about: "lock tokens are no URIs", source: "xnet webdav/lock.go:133", asked: ownTokens(""), answered: tokens("")},
		{about: "GET of a collection is 405", source: "xnet webdav/webdav.go:231", answered: on("GET,HEAD", 200, func(a *answer) {
			if a.collection {
				a.plain(http.StatusMethodNotAllowed)
			}
		})},
		{about: "a PUT that replaces is 201", source: "xnet webdav/webdav.go:312", answered: on("PUT", 204, func(a *answer) { a.status = http.StatusCreated })},
		{about: "no Last-Modified after PUT", source: "xnet webdav/webdav.go:307-312", answered: on("PUT", 0, set("Last-Modified"))},
		{about: "a DELETE of which a part failed is 405", source: "xnet webdav/webdav.go:256-268", answered: on("DELETE", 207, whole(405))},
		{about: "a COPY or MOVE of which a part failed is 403", source: "xnet webdav/file.go:637,718,726,738", answered: on("COPY,MOVE", 207, whole(403))},
		{about: "no creationdate and no lockdiscovery", source: "xnet webdav/prop.go:133,156", answered: without("creationdate", "lockdiscovery")},
		{about: "a member that cannot be read is left out", source: "xnet webdav/webdav.go:660-685", answered: on("PROPFIND", 207, func(a *answer) {
			a.responses = slices.DeleteFunc(a.responses, unreadable)
		})},
		{about: "the media type of a multistatus is text/xml", source: "xnet webdav/xml.go:355", answered: func(a *answer) {
			if a.multi {
				xmlType("text/xml; charset=utf-8")(a)
			}
		}},
		{about: "the XML declaration of a multistatus", source: "xnet webdav/xml.go:357", answered: func(a *answer) {
			if a.multi {
				a.dialect.declaration = `<?xml version="1.0" encoding="UTF-8"?>`
			}
		}},
		{about: "a status has its text as body, without a condition", source: "xnet webdav/webdav.go:96", answered: func(a *answer) {
			if a.status == http.StatusCreated && a.Method != "LOCK" || a.status >= 400 {
				a.replaceBody("text/plain; charset=utf-8", http.StatusText(a.status))
			}
		}},
	},
}

// sabre are the differences that sabre and Nextcloud, which is made with it, have in common.
var sabre = []difference{
	{about: "the prefix of DAV: is d", source: "sabre lib/DAV/Xml/Service.php:42", answered: func(a *answer) { a.dialect.prefix = "d" }},
	{about: "the XML declaration has no encoding", source: "nextcloud/server#10123; sabre lib/DAV/Server.php:1665", answered: func(a *answer) {
		a.dialect.declaration = `<?xml version="1.0"?>` + "\n"
	}},
	{about: "PROPFIND of Depth: infinity, or without Depth, is Depth: 1", source: "sabre lib/DAV/CorePlugin.php:318, Server.php:975", asked: func(q *question) int {
		if q.Method == "PROPFIND" && q.Header.Get("Depth") != "0" {
			q.Header.Set("Depth", "1")
		}
		return 0
	}},
	{about: "lock tokens are of the scheme opaquelocktoken", source: "sabre lib/DAV/Locks/Plugin.php:212",
		asked: ownTokens("opaquelocktoken:"), answered: tokens("opaquelocktoken:")},
	{about: "no displayname and no creationdate", source: "sabre lib/DAV/CorePlugin.php:750-790", answered: without("displayname", "creationdate")},
	{about: "Prefer: return=minimal: no 404 in a PROPFIND", source: "sabre lib/DAV/CorePlugin.php:341, Xml/Element/Response.php:157", answered: on("PROPFIND", 207, func(a *answer) {
		for i := range a.responses {
			r := &a.responses[i]
			if len(r.Propstat) == 0 || !minimal(a) {
				continue
			}
			r.Propstat = slices.DeleteFunc(r.Propstat, func(ps multistatus.Propstat) bool { return ps.Status == http.StatusNotFound })
			if len(r.Propstat) == 0 {
				r.Propstat = []multistatus.Propstat{{Status: http.StatusTeapot}}
			}
		}
	})},
	{about: "Prefer: return=minimal: a PROPPATCH that succeeded is 204", source: "sabre lib/DAV/CorePlugin.php:375-387", answered: on("PROPPATCH", 207, func(a *answer) {
		failed := slices.ContainsFunc(a.responses, func(r multistatus.Response) bool {
			return slices.ContainsFunc(r.Propstat, func(ps multistatus.Propstat) bool { return ps.Status > 299 })
		})
		if minimal(a) && !failed {
			a.plain(http.StatusNoContent)
		}
	})},
	{about: "a DELETE ends at the first member that fails, with its status", source: "sabre lib/DAV/Tree.php:192, FS/Directory.php:125", answered: on("DELETE", 207, whole(0))},
	{about: "GET of a collection is 501, HEAD is 200", source: "sabre lib/DAV/Server.php:473-479, CorePlugin.php:249-257", answered: on("GET", 200, func(a *answer) {
		if a.collection {
			a.plain(http.StatusNotImplemented)
		}
	})},
	{about: "errors are XML with an exception", source: "sabre lib/DAV/Server.php:262-305", answered: onError(func(a *answer) {
		const start, end = "<D:error " + davDeclaration + ">", "</D:error>"
		_, condition, _ := strings.Cut(string(a.body), start)
		name := map[int]string{400: "BadRequest", 401: "NotAuthenticated", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict", 412: "PreconditionFailed",
			415: "UnsupportedMediaType", 416: "RequestedRangeNotSatisfiable", 423: "Locked", 501: "NotImplemented", 503: "ServiceUnavailable", 507: "InsufficientStorage"}[a.status]
		class := strings.TrimSuffix(`Sabre\DAV\Exception\`+name, `\`)
		a.dialect.declaration = `<?xml version="1.0" encoding="utf-8"?>` + "\n"
		a.replaceBody(multistatus.ContentType, a.dialect.declaration+start+"<s:exception>"+class+"</s:exception><s:message>"+http.StatusText(a.status)+"</s:message>"+
			strings.TrimSuffix(condition, end)+end)
	})},
}

const (
	html401      = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n"
	iisMethods   = "OPTIONS, TRACE, GET, HEAD, POST, LOCK, UNLOCK, MKCOL, PROPFIND, PROPPATCH, COPY, MOVE"
	sabreMethods = "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, PROPPATCH, COPY, MOVE, REPORT"
)

// on makes effects for some methods, and a status unless it is 0.
func on(methods string, status int, effects ...effect) effect {
	return func(a *answer) {
		if slices.Contains(strings.Split(methods, ","), a.Method) && (status == 0 || status == a.status) {
			for _, e := range effects {
				e(a)
			}
		}
	}
}

// set sets a field of the header, or removes it if there are no values.
func set(name string, values ...string) effect {
	return func(a *answer) { a.set(name, values...) }
}

// allow sets Allow for an unmapped URL, a collection and a file.
func allow(unmapped, collection, file string) effect {
	return func(a *answer) {
		switch {
		case !a.exists:
			a.set("Allow", unmapped)
		case a.collection:
			a.set("Allow", collection)
		default:
			a.set("Allow", file)
		}
	}
}

// whole is a plain status in place of a multistatus.
func whole(status int) effect { return func(a *answer) { a.plain(status) } }

// xmlType is the media type of XML bodies. The body must have its dialect before.
func xmlType(contentType string) effect {
	return func(a *answer) {
		if a.header.Get("Content-Type") != multistatus.ContentType {
			return
		}
		if !a.multi {
			a.body = a.dialect.document(a.body)
		}
		a.set("Content-Type", contentType)
	}
}

// onError makes an effect for statuses of 400 and more, unless the body is a multistatus.
func onError(e effect) effect {
	return func(a *answer) {
		if a.status >= 400 && !a.multi {
			e(a)
		}
	}
}

// refuse refuses requests of a method, and those only for which condition, if any, returns true.
func refuse(method string, status int, condition func(*question) bool) func(*question) int {
	return func(q *question) int {
		if q.Method == method && (condition == nil || condition(q)) {
			return status
		}
		return 0
	}
}

// defaults sets a header field of requests that do not have it.
func defaults(method, name, value string) func(*question) int {
	return func(q *question) int {
		if q.Method == method && q.Header.Get(name) == "" {
			q.Header.Set(name, value)
		}
		return 0
	}
}

func withoutSlashAtEnd(q *question) bool { return !strings.HasSuffix(q.URL.Path, "/") }

// without makes properties 404 where they are named, and leaves them out otherwise.
func without(names ...string) effect {
	return on("PROPFIND", 207, func(a *answer) {
		for _, name := range names {
			status := 0
			if named, _ := a.wants(name); named {
				status = http.StatusNotFound
			}
			for i := range a.responses {
				if found(&a.responses[i], name) != nil {
					move(&a.responses[i], name, "", status)
				}
			}
		}
	})
}

// absent is the value of a property for resources that it is not for.
const absent = "-"

// live makes a live property, of collections and of others.
func live(name, ofCollection, ofOther string) effect {
	return func(a *answer) {
		named, all := a.wants(name)
		for i := range a.responses {
			r, value := &a.responses[i], ofOther
			if strings.HasSuffix(r.Href, "/") {
				value = ofCollection
			}
			if (named || all) && value != absent && !unreadable(*r) && found(r, name) == nil {
				move(r, name, value, http.StatusOK)
			}
		}
	}
}

// unreadable reports whether no property of a resource may be read.
func unreadable(r multistatus.Response) bool {
	return len(r.Propstat) > 0 && !slices.ContainsFunc(r.Propstat, func(ps multistatus.Propstat) bool {
		return ps.Status == http.StatusOK || ps.Status == http.StatusNotFound
	})
}

func unreadableIsEmpty(a *answer) {
	for i := range a.responses {
		r := &a.responses[i]
		if !unreadable(*r) {
			continue
		}
		if _, all := a.wants(""); all {
			*r = multistatus.Response{Href: r.Href, Status: http.StatusOK}
			continue
		}
		for j := range r.Propstat {
			r.Propstat[j] = multistatus.Propstat{Prop: r.Propstat[j].Prop, Status: http.StatusNotFound}
		}
	}
}

func lockedIs424(a *answer) {
	if slices.ContainsFunc(a.responses, func(r multistatus.Response) bool { return r.Status == http.StatusLocked }) {
		a.status = http.StatusFailedDependency
	}
}

func sixProperties(a *answer) {
	six := []string{"displayname", "getcontentlength", "getlastmodified", "resourcetype", "lockdiscovery", "supportedlock"}
	for i := range a.responses {
		have := multistatus.Propstat{Status: http.StatusOK}
		for _, ps := range a.responses[i].Propstat {
			for _, p := range ps.Prop {
				if ps.Status == http.StatusOK && p.XMLName == davName(p.XMLName.Local) && slices.Contains(six, p.XMLName.Local) {
					have.Prop = append(have.Prop, p)
				}
			}
		}
		a.responses[i].Propstat = []multistatus.Propstat{have}
	}
}

// values changes the values of a property.
func values(name string, change func(string) string) effect {
	return func(a *answer) {
		for i := range a.responses {
			if p := found(&a.responses[i], name); p != nil && len(p.InnerXML) > 0 {
				p.InnerXML = []byte(change(string(p.InnerXML)))
			}
		}
	}
}

func weakTags(a *answer) {
	isFresh := func(date string) bool {
		t, err := http.ParseTime(date)
		return err == nil && a.server.Now().Sub(t) < time.Second
	}
	if tag := a.tag(); tag != "" && isFresh(a.header.Get("Last-Modified")) {
		a.set("ETag", "W/"+tag)
	}
	for i := range a.responses {
		tag, date := found(&a.responses[i], "getetag"), found(&a.responses[i], "getlastmodified")
		if tag != nil && date != nil && isFresh(string(date.InnerXML)) {
			tag.InnerXML = append([]byte("W/"), tag.InnerXML...)
		}
	}
}

// origin returns the scheme and the host of the request.
func (a *answer) origin() string {
	if a.TLS != nil {
		return "https://" + a.Host
	}
	return "http://" + a.Host
}

// minimal reports whether the client prefers short answers (RFC 7240 §4.2, or Brief).
func minimal(a *answer) bool {
	return strings.Contains(a.Header.Get("Prefer"), "return=minimal") || a.Header.Get("Brief") == "t"
}

func iisTag(tag string) string { return strings.TrimSuffix(tag, `"`) + `:0"` }

// ownTags makes the entity tags of a request those of the server.
func ownTags(q *question) int {
	for _, name := range []string{"If", "If-Match", "If-None-Match", "If-Range"} {
		for i, v := range q.Header[name] {
			q.Header[name][i] = strings.ReplaceAll(v, `:0"`, `"`)
		}
	}
	return 0
}

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

const ownScheme = "urn:uuid:"

// ownTokens makes the lock tokens of a request, which are UUIDs of another scheme, those of the
// server.
func ownTokens(scheme string) func(*question) int {
	token := regexp.MustCompile("<" + scheme + "(" + uuid + ")>")
	return func(q *question) int {
		for _, name := range []string{"If", "Lock-Token"} {
			for i, v := range q.Header[name] {
				q.Header[name][i] = token.ReplaceAllString(v, "<"+ownScheme+"$1>")
			}
		}
		return 0
	}
}

// tokens makes the lock tokens of an answer UUIDs of another scheme.
func tokens(scheme string) effect {
	token := regexp.MustCompile(ownScheme + "(" + uuid + ")")
	change := func(v string) string { return token.ReplaceAllString(v, scheme+"$1") }
	return func(a *answer) {
		if v := a.header.Get("Lock-Token"); v != "" {
			a.set("Lock-Token", change(v))
		}
		values("lockdiscovery", change)(a)
		if a.Method == "LOCK" && a.status < 300 {
			a.body = []byte(change(string(a.body)))
		}
	}
}
