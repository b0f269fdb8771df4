package davtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dav207/server/multistatus"
)

// Exchange is a request and its answer. Header fields have the names of net/http, so that Get finds
// them however they were spelled.
type Exchange struct {
	// Began is when the request came, and Took the time until the answer ended, by the clock of the
	// server. Took is 0 unless the test moved the clock meanwhile.
	Began time.Time
	Took  time.Duration
	// FirstByte is the time until the answer began. Only clients know it; a Server leaves it 0.
	FirstByte time.Duration

	Method string
	Target string // the request-target as received
	Path   string // the decoded path without the server's prefix; "" if the target is outside of it
	Proto  string // such as HTTP/1.1
	Scheme string // http or https
	Host   string
	User   string // the name in Basic credentials, accepted or not

	RequestHeader http.Header
	// RequestBody is what the server read of the body, also in order to discard it. It has no
	// chunks. A body that the client holds back until 100 Continue is not read after a refusal.
	RequestBody []byte

	Interim []int // the statuses of the 1xx, but 101, that preceded the answer
	Status  int   // 0 if there was no answer
	// ResponseHeader is what the handler sent, and Date. What net/http adds, such as
	// Transfer-Encoding, is missing.
	ResponseHeader http.Header
	ResponseBody   []byte // as the client got it: empty for HEAD

	// Broken says how the answer was cut. It is "" if the answer is whole.
	Broken string

	pending bool // the answer has not ended
}

// Response returns the answer in the form of Server.Do. It has no Responses and no Condition if the
// body is malformed, and has an Err if the answer was cut.
func (e *Exchange) Response() *Response {
	r := &Response{StatusCode: e.Status, Header: e.ResponseHeader, Body: e.ResponseBody}
	if e.Method != http.MethodHead {
		r.Err = r.decode()
	}
	if e.Broken != "" {
		r.Err = fmt.Errorf("davtest: %s", e.Broken)
	}
	return r
}

// Submits reports whether the If header has the state token in one of its lists, without Not (RFC
// 4918 §10.4.2).
func (e *Exchange) Submits(token string) bool {
	token = strings.Trim(token, "<>")
	header := strings.Join(e.RequestHeader.Values("If"), " ")
	inList, not := false, false
	for s := header; s != ""; {
		rest := s[1:]
		switch {
		case s[0] == '(' || s[0] == ')':
			inList, not = s[0] == '(', false
		case s[0] == '<':
			url, after, closed := strings.Cut(rest, ">")
			if inList && !not && closed && url == token {
				return true
			}
			rest, not = after, false
		case s[0] == '[': // an entity tag may hold any of these characters
			_, tag, _ := strings.Cut(rest, `"`)
			_, after, _ := strings.Cut(tag, `"`)
			rest, not = after, false
		case inList && len(s) > 3 && strings.EqualFold(s[:3], "Not"):
			rest, not = s[3:], true
		}
		s = rest
	}
	return false
}

// String returns the request and the outcome in one line, as Response.String has it:
//
//	DELETE /c/ → 207 /c/3=423 lock-token-submitted(/c/3)
//	GET /f → 200 (reset in the answer)
//	PUT /f → no answer
func (e *Exchange) String() string {
	line := e.Method + " " + e.Target + " → "
	if e.Status == 0 {
		line += "no answer"
	} else {
		r := e.Response()
		malformed := r.Err != nil && e.Broken == ""
		r.Err = nil // what follows says more
		line += r.String()
		if malformed {
			line += " (malformed)"
		}
	}
	switch {
	case e.Broken != "":
		line += " (" + e.Broken + ")"
	case e.pending:
		line += " (so far)"
	}
	return line
}

// answers reports whether the answer, or a member or property in its 207, has the status.
func (e *Exchange) answers(status int) bool {
	if e.Status == status {
		return true
	}
	return e.Status == http.StatusMultiStatus &&
		slices.ContainsFunc(e.Response().Responses, func(m multistatus.Response) bool {
			return m.Status == status ||
				slices.ContainsFunc(m.Propstat, func(p multistatus.Propstat) bool { return p.Status == status })
		})
}

// withoutBody reports whether an answer has no body whatever its fields say (RFC 9112 §6.3).
func (e *Exchange) withoutBody() bool {
	return e.Method == http.MethodHead || withoutBody(e.Status)
}

// missing returns how much of the body that Content-Length announces was not sent. known is false
// if there is no Content-Length and the answer has a body.
func (e *Exchange) missing() (n int64, known bool) {
	if e.withoutBody() {
		return 0, true
	}
	length, err := strconv.ParseInt(e.ResponseHeader.Get("Content-Length"), 10, 64)
	return length - int64(len(e.ResponseBody)), err == nil
}

// Journal holds exchanges in the order in which the requests began.
type Journal []Exchange

// Sent returns the requests with one of the methods, such as "PUT" or "PUT,DELETE", whose path
// matches a pattern of Server.Fail. No methods are all methods, and no pattern is all paths. It
// panics if a method or the pattern can match nothing.
func (j Journal) Sent(methods, pattern string) Journal {
	wanted, err := parseMethods(methods)
	glob := ""
	if err == nil && pattern != "" {
		glob, err = parsePattern(pattern)
	}
	if err != nil {
		panic(fmt.Sprintf("davtest: Sent: %v", err))
	}
	return j.only(func(e *Exchange) bool {
		return (wanted == nil || slices.Contains(wanted, e.Method)) && (glob == "" || e.Path != "" && matchPath(glob, withoutSlash(e.Path)))
	})
}

// withoutSlash returns a path without a slash at its end, unless it is the root.
func withoutSlash(p string) string {
	if len(p) > 1 {
		return strings.TrimSuffix(p, "/")
	}
	return p
}

// only returns the exchanges for which keep returns true. Of nil it returns nil.
func (j Journal) only(keep func(*Exchange) bool) Journal {
	if j == nil {
		return nil
	}
	kept := Journal{}
	for i := range j {
		if keep(&j[i]) {
			kept = append(kept, j[i])
		}
	}
	return kept
}

// After returns what began after the first exchange whose answer has the status, or a member or a
// property in its 207. It returns nil if no answer has the status: then all assertions fail, also
// MustBeEmpty.
func (j Journal) After(status int) Journal {
	for i := range j {
		if j[i].answers(status) {
			return j[i+1:]
		}
	}
	return nil
}

// Last returns the last exchange, or nil if there is none.
func (j Journal) Last() *Exchange {
	if len(j) == 0 {
		return nil
	}
	return &j[len(j)-1]
}

// String returns a line for each exchange.
func (j Journal) String() string {
	var b strings.Builder
	for i := range j {
		b.WriteString(j[i].String() + "\n")
	}
	return b.String()
}

// MustBeEmpty ends the test with t.Fatal if there are exchanges, or if j is nil: see After.
func (j Journal) MustBeEmpty(t testing.TB) {
	t.Helper()
	if j == nil {
		t.Fatalf("davtest: no answer has the status after which nothing may come")
	}
	if len(j) > 0 {
		t.Fatalf("davtest: %d requests, want none:\n%s", len(j), j)
	}
}

// MustSubmit ends the test with t.Fatal if there is no exchange, or one whose If header does not
// have the lock token: see Exchange.Submits.
func (j Journal) MustSubmit(t testing.TB, token string) {
	t.Helper()
	if len(j) == 0 {
		t.Fatalf("davtest: no request, want one that submits %s", token)
	}
	without := j.only(func(e *Exchange) bool { return !e.Submits(token) })
	if len(without) == 0 {
		return
	}
	var lines strings.Builder
	for i := range without {
		header := "no If header"
		if values := without[i].RequestHeader.Values("If"); len(values) > 0 {
			header = "If: " + strings.Join(values, " ")
		}
		fmt.Fprintf(&lines, "%s\n\t%s\n", &without[i], header)
	}
	t.Fatalf("davtest: %d of %d requests do not submit %s:\n%s", len(without), len(j), token, &lines)
}

// pathOf returns the path of a request-target within a tree at prefix, or "" if it is outside.
func pathOf(target *url.URL, prefix string) string {
	p, ok := strings.CutPrefix(target.Path, prefix)
	switch {
	case !ok || p != "" && p[0] != '/' || target.Path == "*":
		return ""
	case p == "":
		return "/"
	}
	return p
}
