package rfc4918

import "strings"

// xnetDifferences lists exactly the differences that TestXnetCompare must find. First comes the
// reason with the section, of RFC 4918 unless another is named; then, indented once, the difference
// in the form of the function difference, theirs before ours; below it the requests. A request that
// ends in "*" is a prefix: all requests with it must have the difference.
//
// Requests that both servers answer alike are not listed, right or wrong: other tests check those.
const xnetDifferences = `
§9.1, RFC 9110 §9.1: a method that no resource has is 405 if HTTP defines it, 501 if nobody does
	200 -> 405
		POST /%66
		POST /a%20b;%C3%A9%25/%23%3F
		POST /d/%2e%2e/f
		POST /d/../f
		POST /d//1.txt
		POST /d/1.txt
		POST /d/s/2.html
		POST /empty
		POST /f
		POST /f/
		POST /l0/x
		POST /lf
		POST /li/x
	400 -> 501
		BREW *
	404 -> 405
		POST /f/x
		POST /missing
		POST /missing/
		POST /missing/x
§8.3, §13: the href of a collection ends in a slash and is not the spelling of the request
	+/c/ -/c
		PROPPATCH /c | set
	+/d/ -/d
		PROPPATCH /d | set
	+/d/1.txt -/d//1.txt
		PROPPATCH /d//1.txt | set
	+/f -/d/../f
		PROPPATCH /d/%2e%2e/f | set
		PROPPATCH /d/../f | set
	+/f -/f/
		PROPPATCH /f/ | set
§15.1, §15.8: creationdate and lockdiscovery are there, and are a part of allprop
	+creationdate 200 +lockdiscovery 200
		PROPFIND /d/ | Depth: 1
		PROPFIND /d/ | Depth: 1 | allprop
		PROPFIND /f | Depth: 1
		PROPFIND /f | Depth: 1 | allprop
	+lockdiscovery 200 -lockdiscovery 404
		PROPFIND /d/ | Depth: 1 | locks
		PROPFIND /f | Depth: 1 | locks
RFC 3744 §5.4, RFC 5397 §3: the user and the user's privileges are named, and no part of allprop
	+creationdate 200 +current-user-principal 200 +current-user-privilege-set 200 +lockdiscovery 200
		PROPFIND /d/ | Depth: 1 | propname
		PROPFIND /f | Depth: 1 | propname
§14.8: what DAV:include asks for is answered, too
	+creationdate 200 +lockdiscovery 200 +unknown 404
		PROPFIND /d/ | Depth: 1 | include
		PROPFIND /f | Depth: 1 | include
§8.1, §9.1, §20.6: a body that is not well-formed, has two roots, undeclared prefixes or a DOCTYPE, or is no propfind, is
400, be the resource there or not
	207 -> 400
		PROPFIND /d/ | Depth: 1 | doctype
		PROPFIND /d/ | Depth: 1 | two roots
		PROPFIND /d/ | Depth: 1 | undeclared
		PROPFIND /f | Depth: 1 | doctype
		PROPFIND /f | Depth: 1 | two roots
		PROPFIND /f | Depth: 1 | undeclared
	404 -> 400
		PROPFIND /missing | Depth: 1 | cut off
		PROPFIND /missing | Depth: 1 | doctype
		PROPFIND /missing | Depth: 1 | text
		PROPFIND /missing | Depth: 1 | two forms
		PROPFIND /missing | Depth: 1 | two roots
		PROPFIND /missing | Depth: 1 | undeclared
		PROPFIND /missing | Depth: 1 | wrong root
§10.2: a Depth that is none is 400; its values are those of a token, in any case
	207 -> 400
		PROPFIND /d/ | Depth:  | prop
	400 -> 201
		COPY /d/ | Destination: /new | Depth: Infinity
		COPY /f | Destination: /new | Depth: Infinity
		MOVE /d/ | Destination: /new | Depth: Infinity
		MOVE /f | Destination: /new | Depth: Infinity
	400 -> 207
		PROPFIND /d/ | Depth: Infinity | prop
		PROPFIND /f | Depth: Infinity | prop
§10.2: "If a resource does not have internal members, then the Depth header MUST be ignored."
	400 -> 207
		PROPFIND /f | Depth: -1 | prop
		PROPFIND /f | Depth: 2 | prop
	400 -> 201
		COPY /f | Destination: /new | Depth: 1
		COPY /f | Destination: /new | Depth: x
§14.19, §9.2: a propertyupdate that cannot be read is 400 before anything is asked of locks
	423 -> 400
		PROPPATCH /lf
		PROPPATCH /lf | cut off
		PROPPATCH /lf | undeclared
		PROPPATCH /lf | wrong root
		PROPPATCH /li/x
		PROPPATCH /li/x | cut off
		PROPPATCH /li/x | undeclared
		PROPPATCH /li/x | wrong root
§9.2: PROPPATCH of the root works like that of any collection
	500 -> 207
		PROPPATCH / | set
§9.4: GET and HEAD of a collection answer with an index
	405 -> 200
		GET /
		GET /a%20b;%c3%a9%25/
		GET /d/
		GET /e/
		HEAD /
		HEAD /a%20b;%c3%a9%25/
		HEAD /d/
		HEAD /e/
§9.4, §5.2: and those of one without its slash lead to the URL that has it
	405 -> 301
		GET /c
		GET /d
		HEAD /c
		HEAD /d
RFC 9110 §14.2: a Range of a unit that is not known is ignored
	416 -> 200
		GET /f | Range: lines=1-2
§10.4.1: an If header that does not hold is 412, for GET and for the refresh of a lock (§9.10.2), too
	200 -> 412
		GET /f | If: (["wrong"])
		LOCK /f | If: (<{/lf}>)
§9.7.1, RFC 9110 §9.3.4: a PUT that replaces answers 204
	201 -> 204
		PUT /%66 | text
		PUT /a%20b;%C3%A9%25/%23%3F | text
		PUT /d/%2e%2e/f | text
		PUT /d/../f | text
		PUT /d//1.txt | text
		PUT /d/1.txt | text
		PUT /d/s/2.html | text
		PUT /empty | text
		PUT /f
		PUT /f | If-Match: * | text
		PUT /f | If-Match: {/f:etag} | text
		PUT /f | text
		PUT /f/ | text
		PUT /l0/x | text
		PUT /lf | If: (<DAV:no-lock>) (<{/lf}>) | text
		PUT /lf | If: (<{/lf}> ["wrong"]) (Not <DAV:no-lock> [{/lf:etag}]) | text
		PUT /lf | If: (<{/lf}> [{/lf:etag}]) | text
		PUT /lf | If: (<{/lf}>) | text
		PUT /li/x | If: (<{/li/}>) | text
§9.7.2, §9.10.4: a collection has no content, and neither PUT nor LOCK makes one, which a slash at the end would promise
	201 -> 405
		LOCK /missing/ | Depth: 0 | Timeout: Second-60 | exclusive
		LOCK /new/ | Depth: infinity | exclusive
		LOCK /new/ | exclusive
		PUT /missing/ | text
	404 -> 405
		PUT / | text
	501 -> 405
		LOCK /new/ | Depth: 0 | shared
§9.7.1, §9.3.1, §9.8.5, §9.9.4, §9.10.6: 409 where the parent is missing or a file, and nothing else
	403 -> 409
		COPY /d/ | Destination: /empty/new
		COPY /d/ | Destination: /missing/new
		COPY /f | Destination: /empty/new
		MOVE /d/ | Destination: /empty/new
		MOVE /d/ | Destination: /missing/new
		MOVE /f | Destination: /empty/new
		MOVE /f | Destination: /missing/new
	404 -> 409
		PUT /f/x | text
	405 -> 409
		MKCOL /f/x
	500 -> 409
		LOCK /f/x | Depth: 0 | Timeout: Second-60 | exclusive
		LOCK /missing/new | Depth: infinity | exclusive
		LOCK /missing/new | exclusive
		LOCK /missing/x | Depth: 0 | Timeout: Second-60 | exclusive
	501 -> 409
		LOCK /missing/new | Depth: 0 | shared
RFC 9110 §14.5: a PUT of a part is refused, not taken for the whole
	201 -> 400
		PUT /d/new | Content-Range: bytes 0-8/100 | text
		PUT /f | Content-Range: bytes 0-8/100 | text
		PUT /new | Content-Range: bytes 0-8/100 | text
RFC 9110 §13.1: If-Match and If-None-Match are evaluated
	201 -> 412
		PUT /d/new | If-Match: "wrong" | text
		PUT /d/new | If-Match: * | text
		PUT /f | If-Match: "wrong" | text
		PUT /f | If-None-Match: * | text
		PUT /f | If-None-Match: {/f:etag} | text
		PUT /new | If-Match: "wrong" | text
		PUT /new | If-Match: * | text
§10.4.4: an unmapped URL has no state, not even that of the lock above it: the token is to be tagged with the collection
	201 -> 412
		PUT /li/new | If: (<{/li/}>) | text
§10.4: entity tags, Not, several lists and the tags of lists are evaluated; a token need not be that of every resource
	201 -> 412
		PUT /lf | If: (<{/lf}> ["wrong"]) | text
	412 -> 201
		COPY /f | Destination: /l0/new | If: </l0/> (<{/l0/}>)
		COPY /f | Destination: /li/new | If: </li/> (<{/li/}>)
		COPY /lf | Destination: /new | If: (<{/lf}>)
		COPY /lf | Destination: /new | If: </lf> (<{/lf}>)
		COPY /li/x | Destination: /li/y | If: </li/> (<{/li/}>)
		COPY /li/x | Destination: /new | If: </li/> (<{/li/}>)
		MKCOL /l0/new | If: </l0/> (<{/l0/}>)
		MKCOL /li/new | If: </li/> (<{/li/}>)
		MOVE /f | Destination: /l0/new | If: </l0/> (<{/l0/}>)
		MOVE /f | Destination: /li/new | If: </li/> (<{/li/}>)
		MOVE /lf | Destination: /new | If: (<{/lf}>)
		MOVE /lf | Destination: /new | If: </lf> (<{/lf}>)
		MOVE /li/x | Destination: /li/y | If: </li/> (<{/li/}>)
		MOVE /li/x | Destination: /new | If: </li/> (<{/li/}>)
		PUT /d/new | If: (<DAV:no-lock>) (Not <DAV:no-lock>) | text
		PUT /d/new | If: (Not <DAV:no-lock>) | text
		PUT /d/new | If: (Not ["wrong"]) | text
		PUT /l0/new | If: </l0/> (<{/l0/}>) | text
		PUT /new | If: (<DAV:no-lock>) (Not <DAV:no-lock>) | text
		PUT /new | If: (Not <DAV:no-lock>) | text
		PUT /new | If: (Not ["wrong"]) | text
	412 -> 204
		COPY /f | Destination: /lf | If: </lf> (<{/lf}>)
		COPY /lf | Destination: /empty | If: (<{/lf}>)
		DELETE /c/ | If: </c/lf> (<{/c/lf}>)
		DELETE /l0/x | If: </l0/> (<{/l0/}>)
		DELETE /li/x | If: </li/> (<{/li/}>)
		MOVE /f | Destination: /lf | If: </lf> (<{/lf}>)
		MOVE /lf | Destination: /empty | If: (<{/lf}>)
		PUT /f | If: (<DAV:no-lock>) (Not <DAV:no-lock>) | text
		PUT /f | If: (Not <DAV:no-lock>) | text
		PUT /f | If: (Not ["wrong"]) | text
		PUT /f | If: ([{/f:etag}]) | text
		PUT /lf | If: </lf> (<{/lf}>) | text
		PUT /li/x | If: </li/> (<{/li/}>) | text
§7.5: a condition that holds submits no token
	412 -> 423
		PUT /lf | If: (Not <DAV:no-lock>) | text
§7.4: a lock of Depth 0 guards the membership of its collection
	201 -> 423
		COPY /d/ | Destination: /l0/new
		COPY /f | Destination: /l0/new
		LOCK /l0/new | Depth: infinity | exclusive
		LOCK /l0/new | exclusive
		MKCOL /l0/new
		MOVE /d/ | Destination: /l0/new
		MOVE /f | Destination: /l0/new
		MOVE /l0/x | Destination: /e/new/
		MOVE /l0/x | Destination: /new
		PUT /l0/new | text
	204 -> 423
		COPY /d/ | Destination: /l0/x
		DELETE /l0/x
	412 -> 423
		MOVE /d/ | Destination: /l0/x
		MOVE /f | Destination: /l0/x
		MOVE /l0/x | Destination: /e/
§9.6.1, §9.9.4, §9.8.3: a locked member stays and has its own status, the others go
	201 -> 207
		MOVE /c/ | Destination: /e/new/
		MOVE /c/ | Destination: /new
	204 -> 207
		COPY /d/ | Destination: /c/
		COPY /f | Destination: /c/
		DELETE /c
	412 -> 207
		MOVE /c/ | Destination: /e/
		MOVE /d/ | Destination: /c/
		MOVE /f | Destination: /c/
§9.10.3, §9.10.9: LOCK of a collection names the member that is locked already
	423 -> 207
		LOCK /c/ | Depth: infinity | exclusive
		LOCK /c/ | exclusive
§6.2: there are shared locks, which conflict with exclusive ones only
	501 -> 200
		LOCK /c/ | Depth: 0 | shared
		LOCK /d/ | Depth: 0 | shared
		LOCK /f | Depth: 0 | shared
		LOCK /l0/x | Depth: 0 | shared
	501 -> 201
		LOCK /new | Depth: 0 | shared
	501 -> 423
		LOCK /l0/ | Depth: 0 | shared
		LOCK /l0/new | Depth: 0 | shared
		LOCK /lf | Depth: 0 | shared
		LOCK /li/x | Depth: 0 | shared
§9.10.1, §14.11: a lockinfo without a lockscope is 400
	501 -> 400
		LOCK /f | no scope
§10.7: a Timeout that is not known or too large is a wish like another
	400 -> 200
		LOCK /f | Timeout: Minute-1 | exclusive
		LOCK /f | Timeout: Second-5000000000 | exclusive
§10.5: a Lock-Token without its angle brackets, as some clients send it, is one
	400 -> 204
		UNLOCK /lf | Lock-Token: {/lf}
§9.11.1: UNLOCK of a resource that the lock does not cover is 409 (lock-token-matches-request-uri)
	204 -> 409
		UNLOCK /f | Lock-Token: <{/lf}>
		UNLOCK /missing | Lock-Token: <{/lf}>
§9.3.1: MKCOL where something is, is 405, locked or not
	423 -> 405
		MKCOL /lf
		MKCOL /li/x
§5.2: what lies below a file is not there
	405 -> 404
		DELETE /f/x
		PROPFIND /f/x | Depth: 0 | prop
		PROPFIND /f/x | Depth: 1 | prop
		PROPPATCH /f/x | set
§9.6.1: DELETE of a collection has no Depth but infinity
	204 -> 400
		DELETE /d/ | Depth: 0
		DELETE /d/ | Depth: 1
§9.6: the root stays, and that is 403
	405 -> 403
		DELETE /
§9.9.2, §10.2: MOVE of a file may say any Depth
	400 -> 201
		MOVE /f | Destination: /new | Depth: 0
		MOVE /f | Destination: /new | Depth: 1
		MOVE /f | Destination: /new | Depth: x
§9.9.3, §10.6: without an Overwrite header, and in any case of its letter, MOVE replaces
	412 -> 204
		MOVE /a%20b;%C3%A9%25/%23%3F | Destination: /e/
		MOVE /d | Destination: /e/
		MOVE /d/ | Destination: /e/
		MOVE /d/ | Destination: /f
		MOVE /f | Destination: /d
		MOVE /f | Destination: /d/1.txt
		MOVE /f | Destination: /d/s
		MOVE /f | Destination: /e/
		MOVE /f | Destination: /empty | Overwrite: t
§10.6: an Overwrite that is neither T nor F is 400
	201 -> 400
		COPY /f | Destination: /new | Overwrite: 
		COPY /f | Destination: /new | Overwrite: x
		MOVE /f | Destination: /new | Overwrite: 
		MOVE /f | Destination: /new | Overwrite: x
	204 -> 400
		COPY /f | Destination: /empty | Overwrite: 
		COPY /f | Destination: /empty | Overwrite: x
	412 -> 400
		MOVE /f | Destination: /empty | Overwrite: 
		MOVE /f | Destination: /empty | Overwrite: x
§8.3, §10.3: a Destination is an absolute URL or an absolute path, without dot segments above the root, a NUL, or a query or
fragment, which would name another resource
	201 -> 400
		COPY /d/ | Destination: /%00
		COPY /d/ | Destination: /../new
		COPY /d/ | Destination: //example.com/new
		COPY /d/ | Destination: /new#f
		COPY /d/ | Destination: /new?q
		COPY /d/ | Destination: new
		COPY /f | Destination: /%00
		COPY /f | Destination: /../new
		COPY /f | Destination: //example.com/new
		COPY /f | Destination: /new#f
		COPY /f | Destination: /new?q
		COPY /f | Destination: new
		MOVE /d/ | Destination: /%00
		MOVE /d/ | Destination: /../new
		MOVE /d/ | Destination: //example.com/new
		MOVE /d/ | Destination: /new#f
		MOVE /d/ | Destination: /new?q
		MOVE /d/ | Destination: new
		MOVE /f | Destination: /%00
		MOVE /f | Destination: /../new
		MOVE /f | Destination: //example.com/new
		MOVE /f | Destination: /new#f
		MOVE /f | Destination: /new?q
		MOVE /f | Destination: new
§9.8.5, §9.9.4: 403 where source and destination are one resource or one holds the other, before anything is lost
	204 -> 403
		COPY /d/ | Destination: /d/1.txt
		COPY /d/ | Destination: /d/s
	404 -> 403
		COPY /d/ | Destination: /d
	412 -> 403
		MOVE /d/ | Destination: /
		MOVE /d/ | Destination: /d/1.txt
		MOVE /d/ | Destination: /d/s
		MOVE /f | Destination: /
	423 -> 403
		MOVE /d/ | Destination: /d
	500 -> 403
		COPY /d/ | Destination: /d/s/new
	502 -> 403
		COPY /d/ | Destination: http://example.com
		COPY /f | Destination: http://example.com
		MOVE /d/ | Destination: http://example.com
		MOVE /f | Destination: http://example.com
§9.9: a MOVE of what is not there is 404, and the destination is not touched
	403 -> 404
		MOVE /missing | Destination: /e/new/
		MOVE /missing | Destination: /new
		MOVE /missing/x | Destination: /e/new/
		MOVE /missing/x | Destination: /new
	412 -> 404
		MOVE /missing | Destination: /e/
		MOVE /missing | Destination: /e/ | Overwrite: F
		MOVE /missing/x | Destination: /e/
		MOVE /missing/x | Destination: /e/ | Overwrite: F
§10.6, §9.9.4: Overwrite: F over something is 412, whether or not a lock would be next to refuse
	423 -> 412
		MOVE /c/lf | Destination: /e/ | Overwrite: F
		MOVE /lf | Destination: /e/ | Overwrite: F
		MOVE /li/ | Destination: /e/ | Overwrite: F
		MOVE /li/x | Destination: /e/ | Overwrite: F
`

// parseXnetDifferences returns the differences by request, or by prefix of requests.
func parseXnetDifferences() (exact, prefixes map[string]string) {
	exact, prefixes = map[string]string{}, map[string]string{}
	differs := ""
	for line := range strings.Lines(xnetDifferences) {
		line = strings.TrimSuffix(line, "\n")
		if key, ok := strings.CutPrefix(line, "\t\t"); ok {
			if p, ok := strings.CutSuffix(key, "*"); ok && strings.HasSuffix(p, " ") && !strings.Contains(p, "|") {
				prefixes[p] = differs
			} else {
				exact[key] = differs
			}
		} else if d, ok := strings.CutPrefix(line, "\t"); ok {
			differs = d
		}
	}
	return exact, prefixes
}
