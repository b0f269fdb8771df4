package inspect

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"dav207/server/multistatus"
)

// Rules returns the rules that Judge applies: those of bodies, and those of exchanges.
func Rules() []*multistatus.Rule {
	all := slices.Clone(multistatus.Rules())
	for i := range rules {
		all = append(all, &rules[i].Rule)
	}
	return all
}

// rule is a rule with the function that applies it.
type rule struct {
	multistatus.Rule
	check func(*judge)
}

// must is a rule of the protocol.
func must(name, section, text string, check func(*judge)) rule {
	return rule{multistatus.Rule{Name: name, Section: section, Text: text}, check}
}

// should is a rule whose violation misleads, and is allowed.
func should(name, section, text string, check func(*judge)) rule {
	return rule{multistatus.Rule{Name: name, Section: section, Text: text, Advice: true}, check}
}

var rules = []rule{
	must("cut-body", "RFC 9112 §8", "an answer ends as its framing says", cutBody),
	must("content-type", "RFC 4918 §8.2", "XML is application/xml or text/xml, JSON is application/json", contentType),
	must("charset", "RFC 7303 §3", "Content-Type, the XML declaration and the body agree on the charset; JSON is UTF-8", charset),
	must("required-field", "RFC 9110 §15.5", "401 has WWW-Authenticate, 405 Allow, 407 Proxy-Authenticate, 426 Upgrade", requiredField),
	must("multistatus-status", "RFC 4918 §13", "a multistatus is the body of a 207", multistatusStatus),
	should("hidden-failure", "RFC 4918 §11.1", "where outcomes differ the status is 207", hiddenFailure),
	must("no-multistatus", "RFC 4918 §13", "the body of a 207 is a multistatus", noMultistatus),
	must("content-encoding", "RFC 9110 §8.4", "the body is in the Content-Encoding that the answer names", contentEncoding),
	should("unknown-json", "dav207", "the body of a 207 in JSON has responses or results", unknownJSON),
	should("needless-207", "RFC 4918 §9.6.1, §9.8.5, §9.9.4", "if one resource was touched, or all went well, the status says so itself", needless207),
	should("success-member", "RFC 4918 §9.6.1, §9.8.5, §9.9.4", "201 and 204 are not in the 207 to DELETE, COPY and MOVE", successMember),
	should("failed-dependency", "RFC 4918 §9.6.1, §11.4", "424 is for what depends on something that failed, and not in the 207 to PROPFIND, DELETE, COPY and MOVE", failedDependency),
	must("half-proppatch", "RFC 4918 §9.2", "PROPPATCH sets all properties or none", halfProppatch),
	must("missing-self", "RFC 4918 §9.1, §9.2", "the answer to PROPFIND and PROPPATCH has a response for the resource itself", missingSelf),
	must("foreign-href", "RFC 4918 §8.3", "an href has the scheme, the host and the path of the request", foreignHref),
	must("depth", "RFC 4918 §10.2", "the answer to PROPFIND goes as deep as Depth says", depth),
	must("date", "RFC 9110 §5.6.7", "a date is one such as Sun, 06 Nov 1994 08:49:37 GMT", dates),
	must("etag", "RFC 9110 §8.8.3", "an entity tag is in double quotes, after W/ if it is weak", entityTag),
	should("weak-etag", "RFC 4918 §8.8", "entity tags are strong: If-Match never holds with a weak one", weakTag),
	should("cache-control", "RFC 9111 §4.2.2", "an answer that caches may keep says for how long: no-cache makes them ask", cacheControl),
	should("cached-207", "RFC 9110 §15.1", "a 207 with a failure is not for caches", cached207),
	should("vary", "RFC 9110 §12.5.5", "an answer that depends on Accept or Accept-Encoding says so in Vary", vary),
	should("cors", "Fetch §3.2.3", "an answer to another origin has Access-Control-Allow-Origin, or the browser hides its status from the page", cors),
	should("cors-expose", "Fetch §3.2.3", "fields that pages need are in Access-Control-Expose-Headers", corsExpose),
	must("missing-id", "OData JSON 4.01 §19", "every item of a batch has a response", missingID),
	must("unknown-id", "OData JSON 4.01 §19", "a response is for an item of the batch", unknownID),
}

func cutBody(j *judge) {
	if j.Err != nil && !isLimit(j.Err) && j.Status != 0 {
		j.found("", "%v", j.Err)
	}
}

func contentEncoding(j *judge) {
	if j.undecoded != nil && !isLimit(j.undecoded) {
		j.found("", "%v", j.undecoded)
	}
}

func contentType(j *judge) {
	kind, _ := j.mediaType()
	if j.Status == 0 || !j.hasBody() {
		return
	}
	fits := kind == "application/xml" || kind == "text/xml" || strings.HasSuffix(kind, "+xml")
	if j.JSON {
		fits = kind == "application/json" || strings.HasSuffix(kind, "+json")
	}
	switch {
	case kind == "":
		j.found("", "there is no Content-Type")
	case !fits:
		j.found("", "it is %.60q", kind)
	}
}

// encoding finds the declared encoding of an XML document.
var encoding = regexp.MustCompile(`^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']*)`)

// One piece: it is a list of what can contradict what.
func charset(j *judge) {
	_, said := j.mediaType()
	if !j.hasBody() || j.Status == 0 {
		return
	}
	if (said == "utf-8" || j.JSON) && !isUTF8(j.body) {
		j.found("", "the body is not UTF-8")
	}
	switch {
	case j.JSON && said != "" && said != "utf-8" && said != "us-ascii":
		j.found("", "Content-Type says %.40q", said)
	case strings.HasPrefix(said, "utf-16") && !j.JSON && !bytes.ContainsRune(j.body, 0):
		j.found("", "Content-Type says %.40q, the body is none", said)
	}
	if m := encoding.FindSubmatch(j.body); m != nil && said != "" && !strings.EqualFold(string(m[1]), said) {
		j.found("", "Content-Type says %.40q, the XML declaration %.40q", said, m[1])
	}
}

// isUTF8 reports whether b is UTF-8, but for a character that is cut at its end.
func isUTF8(b []byte) bool {
	for i := 0; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.Valid(b[:len(b)-i]) {
			return true
		}
	}
	return false
}

func requiredField(j *judge) {
	field := map[int]string{http.StatusUnauthorized: "WWW-Authenticate", http.StatusMethodNotAllowed: "Allow",
		http.StatusProxyAuthRequired: "Proxy-Authenticate", http.StatusUpgradeRequired: "Upgrade"}[j.Status]
	if field != "" && j.Header.Values(field) == nil {
		j.found("", "%d without %s", j.Status, field)
	}
}

func multistatusStatus(j *judge) {
	// A batch in JSON has its own rules about the status.
	if j.Kind == multistatus.KindMultistatus && !j.JSON && j.Status != 0 && j.Status != http.StatusMultiStatus {
		j.found("", "the status is %d", j.Status)
	}
}

func hiddenFailure(j *judge) {
	if len(j.Members) > 0 && j.Report.Failed > 0 && j.Status >= 200 && j.Status < 300 && j.Status != http.StatusMultiStatus {
		j.found("", "%d hides that %d of %d failed", j.Status, j.Report.Failed, j.Total)
	}
}

func noMultistatus(j *judge) {
	// A body that was saved alone has no status: it can only be one, or one of another kind that is
	// known.
	claims := j.Status == http.StatusMultiStatus || j.Status == 0 && j.Kind == multistatus.KindOther && j.Method != http.MethodGet
	if claims && j.Method != http.MethodHead && (!j.JSON || j.Status == 0) && j.Kind != multistatus.KindMultistatus && j.readable() {
		j.found("", "the body is none")
	}
}

// readable reports whether the body could be read, whatever it is.
func (j *judge) readable() bool {
	unread := slices.ContainsFunc(j.Findings, func(f multistatus.Finding) bool {
		return slices.Contains([]string{"document", "well-formed", "json", "xml-encoding", "too-large"}, f.Name)
	})
	return !unread && j.Err == nil && (j.body != nil || len(j.Body) == 0)
}

func unknownJSON(j *judge) {
	if j.Status == http.StatusMultiStatus && j.JSON && j.Kind != multistatus.KindMultistatus && j.Kind != multistatus.KindBatch {
		j.found("", "it has neither")
	}
}

// changes reports whether the answer is a 207 to a method that answers so only if something failed
// below its resource.
func (j *judge) changes() bool {
	switch j.Method {
	case "DELETE", "COPY", "MOVE", "PUT", "MKCOL", "LOCK", "UNLOCK":
		return j.Status == http.StatusMultiStatus && j.Kind == multistatus.KindMultistatus
	}
	return false
}

func needless207(j *judge) {
	if !j.changes() {
		return
	}
	if j.Report.Failed == 0 {
		j.found("", "nothing in it failed")
		return
	}
	if j.Total == 1 && j.URL != nil && j.Members[0].Status != http.StatusFailedDependency {
		if r, ok := j.resource(j.Members[0].Href); ok && r.path == resourceOf(j.URL).path {
			j.found("", "it names only the resource of the request: %d", j.Members[0].Status)
		}
	}
}

func successMember(j *judge) {
	if !omitsSuccess(j.Method) {
		return
	}
	for _, m := range j.Members {
		if m.Status == http.StatusCreated || m.Status == http.StatusNoContent {
			j.found(m.Href, "it is %d", m.Status)
		}
	}
}

func failedDependency(j *judge) {
	var other bool
	var dependent []string
	for _, m := range j.Members {
		statuses := []int{m.Status}
		for _, ps := range m.Propstat {
			statuses = append(statuses, ps.Status)
		}
		for _, status := range statuses {
			other = other || status >= 300 && status != http.StatusFailedDependency
		}
		if slices.Contains(statuses, http.StatusFailedDependency) {
			dependent = append(dependent, m.Name())
		}
	}
	for _, name := range dependent {
		switch {
		case omitsSuccess(j.Method) || j.Method == "PROPFIND":
			j.found(name, "424 in the answer to %s", j.Method)
		case !other:
			j.found(name, "424, and nothing else failed")
		}
	}
}

func halfProppatch(j *judge) {
	if j.Method != "PROPPATCH" {
		return
	}
	for _, m := range j.Members {
		set, failed := 0, 0
		for _, ps := range m.Propstat {
			if ps.Status >= 200 && ps.Status < 300 {
				set += len(ps.Prop)
			} else {
				failed += len(ps.Prop)
			}
		}
		if set > 0 && failed > 0 {
			j.found(m.Href, "%d were set, %d were not", set, failed)
		}
	}
}

func missingSelf(j *judge) {
	if j.Method != "PROPFIND" && j.Method != "PROPPATCH" || j.URL == nil || j.Kind != multistatus.KindMultistatus || !j.readable() {
		return
	}
	if strings.Contains(strings.ToLower(j.RequestHeader.Get("Depth")), "noroot") { // of drafts, and of Exchange
		return
	}
	for _, m := range j.Members {
		if r, ok := j.resource(m.Href); ok && r.path == resourceOf(j.URL).path {
			return
		}
	}
	j.found("", "there is none for %s", j.URL.EscapedPath())
}

func foreignHref(j *judge) {
	if j.URL == nil || j.Kind != multistatus.KindMultistatus {
		return
	}
	self := resourceOf(j.URL)
	for _, m := range j.Members {
		r, ok := j.resource(m.Href)
		switch {
		case !ok:
		case r.host != self.host:
			if !omitsSuccess(j.Method) || !j.destined(r.host) {
				j.found(m.Href, "the request was to %s://%s", j.URL.Scheme, j.URL.Host)
			}
		case (j.Method == "PROPFIND" || j.Method == "DELETE") && !r.within(self):
			j.found(m.Href, "it is not below %s", j.URL.EscapedPath())
		}
	}
}

// destined reports whether a host is that of the Destination of COPY or MOVE.
func (j *judge) destined(host string) bool {
	d, err := url.Parse(j.RequestHeader.Get("Destination"))
	return err == nil && d.Host != "" && hostOf(d) == host
}

func depth(j *judge) {
	limit, limited := map[string]int{"0": 0, "1": 1}[j.RequestHeader.Get("Depth")]
	if j.Method != "PROPFIND" || !limited || j.URL == nil {
		return
	}
	self := resourceOf(j.URL)
	for _, m := range j.Members {
		if r, ok := j.resource(m.Href); ok && r.within(self) && r.segments-self.segments > limit {
			j.found(m.Href, "it is deeper than %d", limit)
		}
	}
}

func dates(j *judge) {
	for _, name := range []string{"Date", "Last-Modified", "Expires", "Retry-After"} {
		value := j.Header.Get(name)
		if value == "" || name == "Expires" && (value == "0" || value == "-1") || // both mean the past (RFC 9111 §5.3)
			name == "Retry-After" && strings.Trim(value, "0123456789") == "" { // seconds (RFC 9110 §10.2.3)
			continue
		}
		if !multistatus.ValidDate(value) {
			j.found("", "%s is %.60q", name, value)
		}
	}
}

func entityTag(j *judge) {
	if tag := j.Header.Get("ETag"); tag != "" {
		if _, ok := multistatus.ParseETag(tag); !ok {
			j.found("", "it is %.60q", tag)
		}
	}
}

func weakTag(j *judge) {
	if weak, ok := multistatus.ParseETag(j.Header.Get("ETag")); ok && weak {
		j.found("", "it is %.60q", j.Header.Get("ETag"))
	}
}

// read reports whether the method is one whose answers caches keep.
func (j *judge) read() bool { return j.Method == http.MethodGet || j.Method == http.MethodHead }

// cacheControl finds answers that caches keep without being told for how long: content with a date,
// which is fresh for a tenth of its age, and permanent redirects.
func cacheControl(j *judge) {
	if !j.read() || j.Header.Get("Expires") != "" {
		return
	}
	control := j.directives()
	for _, name := range []string{"no-store", "no-cache", "max-age", "s-maxage"} {
		if _, ok := control[name]; ok {
			return
		}
	}
	switch j.Status {
	case http.StatusOK, http.StatusPartialContent:
		if j.Header.Get("Last-Modified") != "" {
			j.found("", "there is Last-Modified, and neither Cache-Control nor Expires says it")
		}
	case http.StatusMovedPermanently, http.StatusPermanentRedirect:
		j.found("", "%d without Cache-Control is kept for good", j.Status)
	}
}

// directive matches a directive of Cache-Control (RFC 9111 §5.2), with its value.
var directive = regexp.MustCompile("([!#$%&'*+\\-.^_`|~0-9A-Za-z]+)(?:=(\"(?:[^\"\\\\]|\\\\.)*\"|[^\",\\s]*))?")

// directives returns those of Cache-Control, by their names in lower case.
func (j *judge) directives() map[string]string {
	found := make(map[string]string)
	for _, m := range directive.FindAllStringSubmatch(strings.Join(j.Header.Values("Cache-Control"), ","), -1) {
		found[strings.ToLower(m[1])] = strings.Trim(m[2], `"`)
	}
	return found
}

// fresh reports whether caches keep the answer and use it without asking. What has no lifetime they
// keep if it is public.
func (j *judge) fresh() bool {
	control := j.directives()
	if _, ok := control["no-store"]; ok {
		return false
	}
	if fields, ok := control["no-cache"]; ok && fields == "" {
		return false
	}
	told := false
	for _, name := range []string{"max-age", "s-maxage"} {
		age, ok := control[name]
		told = told || ok
		if n, err := strconv.ParseUint(age, 10, 64); ok && (err == nil && n > 0 || errors.Is(err, strconv.ErrRange)) {
			return true
		}
	}
	if told {
		return false
	}
	if value := j.Header.Get("Expires"); value != "" {
		expires, err := http.ParseTime(value)
		date, undated := http.ParseTime(j.Header.Get("Date"))
		if undated != nil {
			date = time.Now()
		}
		return err == nil && expires.After(date)
	}
	_, public := control["public"]
	return public
}

func cached207(j *judge) {
	if j.Status == http.StatusMultiStatus && j.Report.Failed > 0 && j.fresh() {
		j.found("", "Cache-Control is %.60q, Expires %.40q", strings.Join(j.Header.Values("Cache-Control"), ","), j.Header.Get("Expires"))
	}
}

// vary looks at what is known to depend on the request: a body in JSON, and a coding.
func vary(j *judge) {
	varies := strings.Join(j.Header.Values("Vary"), ",")
	accept := j.RequestHeader.Get("Accept")
	if j.hasBody() && j.Kind != multistatus.KindBatch && j.JSON && strings.Contains(accept, "json") && !lists(varies, "Accept") {
		j.found("", "the request has Accept: %.60s, and Vary is %.60q", accept, varies)
	}
	accept = j.RequestHeader.Get("Accept-Encoding")
	if _, never := j.directives()["no-store"]; j.read() && accept != "" && j.Header.Get("Content-Encoding") != "" && !never && !lists(varies, "Accept-Encoding") {
		j.found("", "the request has Accept-Encoding: %.60s, and Vary is %.60q", accept, varies)
	}
}

// lists reports whether a list in a header field has an element, or "*".
func lists(field, element string) bool { return names(field, "*") || names(field, element) }

// names reports whether a list in a header field has an element.
func names(field, element string) bool {
	for one := range strings.SplitSeq(field, ",") {
		if strings.EqualFold(strings.TrimSpace(one), element) {
			return true
		}
	}
	return false
}

// crossOrigin returns the origin of the request if that is not the server's own, else "".
func (j *judge) crossOrigin() string {
	origin := j.RequestHeader.Get("Origin")
	if u, err := url.Parse(origin); j.Status == 0 || j.URL != nil && err == nil && hostOf(u) == hostOf(j.URL) {
		return ""
	}
	return origin
}

// One piece: it is a list of cases.
func cors(j *judge) {
	origin, allowed := j.crossOrigin(), strings.Join(j.Header.Values("Access-Control-Allow-Origin"), ", ")
	varies := lists(strings.Join(j.Header.Values("Vary"), ","), "Origin")
	switch {
	case allowed == "" && origin == "" && varies: // another answer is for those who come from one
	case allowed == "":
		for _, name := range slices.Sorted(maps.Keys(j.Header)) {
			if origin == "" && strings.HasPrefix(name, "Access-Control-") {
				j.found("", "there is %s without it", name)
				return
			}
		}
		if origin != "" {
			j.found("", "there is none for %.60s", origin)
		}
	case allowed == "*" && strings.EqualFold(j.Header.Get("Access-Control-Allow-Credentials"), "true"):
		j.found("", "* does not count where there are credentials")
	case strings.Contains(allowed, ","):
		j.found("", "%.60q is more than one value", allowed)
	case origin == "" || allowed == "*":
	case allowed != origin:
		j.found("", "it is %.60q, not %.60s", allowed, origin)
	case !varies:
		j.found("", "it names the origin, and Vary does not: caches give it to others")
	}
}

func corsExpose(j *judge) {
	if j.crossOrigin() == "" || j.Header.Get("Access-Control-Allow-Origin") == "" || j.Method == http.MethodOptions {
		return
	}
	exposed := strings.Join(j.Header.Values("Access-Control-Expose-Headers"), ",")
	for _, name := range []string{"DAV", "ETag", "Lock-Token", "Location", "Retry-After"} {
		all := lists(exposed, "*") && j.Header.Get("Access-Control-Allow-Credentials") != "true" // there "*" is a name
		if j.Header.Get(name) != "" && !all && !names(exposed, name) {
			j.found("", "%s is not", name)
		}
	}
}

func missingID(j *judge) {
	empty := j.Kind == multistatus.KindMultistatus && j.JSON && len(j.Members) == 0
	if j.Kind != multistatus.KindBatch && !empty {
		return
	}
	answered := make(map[string]bool)
	for _, m := range j.Members {
		answered[m.ID] = true
	}
	for _, id := range j.asked() {
		if !answered[id] {
			j.found(id, "there is none for it")
		}
	}
}

func unknownID(j *judge) {
	asked := j.asked()
	for _, m := range j.Members {
		if j.Kind == multistatus.KindBatch && asked != nil && m.ID != "" && !slices.Contains(asked, m.ID) {
			j.found(m.ID, "it was not asked for")
		}
	}
}
