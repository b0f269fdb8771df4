// Package inspect judges a request and its answer, of any server: the multistatus in it, its header
// fields, and what the one says about the other. It reads leniently (see multistatus.Inspect) and
// judges strictly.
//
// Send sends a request and ReadSaved reads an answer that was saved; Judge judges either. A Printer
// shows it to people, Suite asks a server for what it supports.
package inspect

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dav207/server/multistatus"
)

// Exchange is a request and its answer. What is not known has its zero value; then the rules that
// need it are not applied.
type Exchange struct {
	Method        string
	URL           *url.URL
	RequestHeader http.Header
	RequestBody   []byte

	Interim []int  // the statuses of the 1xx that came before the answer
	Proto   string // such as HTTP/1.1
	Status  int    // 0 if there is only a body, or no answer
	Header  http.Header
	Body    []byte
	Err     error // of the transport: no answer, or a body that was cut

	Redirects []*Exchange // the answers that led here
	Began     time.Time
	FirstByte time.Duration // until the first byte of the answer
	Took      time.Duration // until its end
}

// Outcome is the verdict in a word. A greater one is worse. The values are the exit statuses of
// dav207 inspect.
type Outcome int

// The outcomes.
const (
	Well      Outcome = 0
	Failed    Outcome = 3 // the request, or a member
	Broken    Outcome = 4 // the answer breaks the protocol
	Transport Outcome = 5 // there is no whole answer
)

// Report is the judgement of an exchange.
type Report struct {
	*multistatus.Report
	Total, Failed int // members; of an answer without members 1
	Outcome       Outcome
	Verdict       string // in words
}

// Judge returns the judgement of an exchange. expect is the status that is right, 0 for any that is
// a success.
func Judge(x *Exchange, expect int) *Report {
	r := &Report{Report: &multistatus.Report{Kind: multistatus.KindOther}}
	x = x.asServed()
	var body []byte
	var undecoded error
	switch {
	case x.Method == http.MethodHead:
		r.Kind = multistatus.KindEmpty
	case x.Method == http.MethodGet && x.Status >= 200 && x.Status < 300: // a file, whatever is in it
		body = x.Body
	default:
		if body, undecoded = x.decoded(); undecoded == nil || len(body) > 0 {
			r.Report = multistatus.Inspect(body)
		}
	}
	if isLimit(undecoded) && x.Err == nil && x.Status < 300 { // a failure is one, whatever the body says
		c := *x
		c.Err = undecoded
		x = &c
	}
	if x.Err != nil || undecoded != nil {
		// The end is missing, which is not the server's violation of the rules of what it sent.
		r.Drop("well-formed", "json")
	}
	r.count(x)
	for i := range rules {
		rules[i].check(&judge{Exchange: x, Report: r, body: body, undecoded: undecoded, rule: &rules[i].Rule})
	}
	r.conclude(x, expect)
	return r
}

// asServed returns the exchange with the URL that the server was asked for: its host is that of the
// Host field (RFC 9110 §7.1).
func (x *Exchange) asServed() *Exchange {
	host := x.RequestHeader.Get("Host")
	if host == "" || x.URL == nil {
		return x
	}
	served, target := *x, *x.URL
	target.Host, served.URL = host, &target
	return &served
}

// maxCodings is the number of codings that are decoded.
const maxCodings = 3

// decoded returns the body without its Content-Encoding. With an error it returns what comes before
// the fault; that of a coding that is not known is a limitError.
func (x *Exchange) decoded() ([]byte, error) {
	if len(x.Body) == 0 || !x.isEncoded() {
		return x.Body, nil
	}
	body, err := x.Body, error(nil)
	codings := strings.Split(strings.Join(x.Header.Values("Content-Encoding"), ","), ",")
	for i, coding := range slices.Backward(codings) {
		if err != nil || i < len(codings)-maxCodings {
			return body, cmp.Or(err, error(limitError(fmt.Sprintf("more than %d codings", maxCodings))))
		}
		if body, err = decode(body, strings.ToLower(strings.TrimSpace(coding))); body == nil {
			return nil, err
		}
	}
	return body, err
}

// decode returns what a coding has encoded.
func decode(body []byte, coding string) ([]byte, error) {
	var z io.Reader
	var err error
	switch coding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		z, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		z, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, limitError(fmt.Sprintf("the body is in the Content-Encoding %.40q, which is not read", coding))
	}
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, MaxBody+1))
	if len(plain) > MaxBody {
		return plain[:MaxBody], errTooLong
	}
	if plain == nil {
		plain = []byte{}
	}
	return plain, err
}

// isEncoded reports whether the body is in its Content-Encoding. Of a saved one curl --compressed
// has decoded it; then it is text.
func (x *Exchange) isEncoded() bool {
	if x.Header.Get("Content-Encoding") == "" {
		return false
	}
	start := x.Body[:min(len(x.Body), 100)]
	return !x.Began.IsZero() || !isUTF8(start) || bytes.ContainsFunc(start, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) })
}

var syncCollection = regexp.MustCompile(`<(?:[\w.-]+:)?sync-collection[\s/>]`)

func (r *Report) count(x *Exchange) {
	absent := x.Method == "PROPPATCH" // there a property with 404 was not changed
	// A member with 404 was removed since the sync token (RFC 6578 §3.5.1).
	synced := x.Method == "REPORT" && syncCollection.Match(x.RequestBody)
	for i := range r.Members {
		if m := &r.Members[i]; m.Failed(absent) && !(synced && m.Status == http.StatusNotFound) {
			r.Failed++
		}
	}
	r.Total = len(r.Members)
	if r.Total == 0 && r.Kind != multistatus.KindMultistatus {
		r.Total = 1
		if x.Status >= 300 && x.Status != http.StatusNotModified || x.Status == 0 && r.Kind == multistatus.KindError {
			r.Failed = 1
		}
	}
}

func (r *Report) conclude(x *Exchange, expect int) {
	failed := r.Failed > 0
	if expect != 0 {
		// A status that is expected is no failure of the request. A member that fails is one.
		failed = x.Status != expect || failed && len(r.Members) > 0
	}
	broken := slices.ContainsFunc(r.Findings, func(f multistatus.Finding) bool { return !f.Advice })
	switch {
	case x.Err != nil:
		r.Outcome = Transport
	case broken:
		r.Outcome = Broken
	case failed:
		r.Outcome = Failed
	}
	r.Verdict = r.verdict(x, expect)
}

// verdict returns one line. One piece: it is a list of cases.
func (r *Report) verdict(x *Exchange, expect int) string {
	var s string
	switch {
	case x.Err != nil && x.Status == 0 && x.Body == nil:
		return "no answer: " + x.Err.Error()
	case len(r.Members) > 0 && omitsSuccess(x.Method) && r.Failed == r.Total:
		s = fmt.Sprintf("%d failed; what succeeded is not named", r.Failed)
	case r.Kind == multistatus.KindMultistatus || r.Kind == multistatus.KindBatch:
		s = fmt.Sprintf("%d of %d succeeded", r.Total-r.Failed, r.Total)
	case r.Failed > 0:
		s = "the request failed"
	case (x.Status == http.StatusMultiStatus || x.Status == 0) && r.Kind != multistatus.KindError:
		s = "nothing says what succeeded"
	default:
		s = "the request succeeded"
	}
	if expect != 0 && x.Status != expect {
		s += fmt.Sprintf("; %d was expected", expect)
	}
	if x.Err != nil {
		s += "; the answer is not whole: " + x.Err.Error()
	}
	return s + r.counts()
}

// counts returns how many findings there are.
func (r *Report) counts() (s string) {
	breaks, warnings := 0, 0
	counted := make(map[*multistatus.Rule]bool)
	for _, f := range r.Findings {
		switch {
		case counted[f.Rule]:
		case f.Advice:
			warnings += r.Count(f.Rule)
		default:
			breaks += r.Count(f.Rule)
		}
		counted[f.Rule] = true
	}
	if breaks > 0 {
		s += "; " + plural(breaks, "violation")
	}
	if warnings > 0 {
		s += "; " + plural(warnings, "warning")
	}
	return s
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// omitsSuccess reports whether a 207 to the method names only what failed (RFC 4918 §9.6.1, §9.8.5,
// §9.9.4).
func omitsSuccess(method string) bool {
	return method == "DELETE" || method == "COPY" || method == "MOVE"
}

// judge is an exchange with its report, as one rule sees it.
type judge struct {
	*Exchange
	*Report
	body      []byte // decoded
	undecoded error  // why it is not decoded to its end
	rule      *multistatus.Rule
}

// found reports a violation of the rule.
func (j *judge) found(href, format string, args ...any) {
	j.Add(j.rule, href, format, args...)
}

// hasBody reports whether the answer has a body that was read as one of WebDAV or of a batch.
func (j *judge) hasBody() bool {
	return j.Kind == multistatus.KindMultistatus || j.Kind == multistatus.KindError || j.Kind == multistatus.KindBatch
}

// mediaType returns the type of the answer in lower case, and its charset.
func (j *judge) mediaType() (kind, charset string) {
	kind, params, err := mime.ParseMediaType(j.Header.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(j.Header.Get("Content-Type")), ";")
	}
	return strings.TrimSpace(kind), strings.ToLower(params["charset"])
}

// asked returns the ids or the indexes of the items of a batch that was sent, nil if it was none.
func (j *judge) asked() []string {
	var batch struct {
		Requests []struct {
			ID any `json:"id"`
		} `json:"requests"`
		Operations []any `json:"operations"`
	}
	d := json.NewDecoder(bytes.NewReader(j.RequestBody))
	d.UseNumber() // an id may be one, and is kept as it is
	if d.Decode(&batch) != nil {
		return nil
	}
	var ids []string
	for _, r := range batch.Requests {
		if r.ID != nil {
			ids = append(ids, fmt.Sprint(r.ID))
		}
	}
	for i := range batch.Operations {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

// resource is what an href names. Its path is without escapes and without a slash at its end.
type resource struct {
	path, host string
	segments   int
}

// resource returns what an href names. ok is false for what is no URL.
func (j *judge) resource(href string) (r resource, ok bool) {
	if href == "" {
		return r, false
	}
	u, err := j.URL.Parse(href)
	if err != nil {
		return r, false
	}
	return resourceOf(u), true
}

func resourceOf(u *url.URL) resource {
	segments := strings.Count(strings.TrimSuffix(u.EscapedPath(), "/"), "/")
	return resource{strings.TrimSuffix(u.Path, "/"), hostOf(u), segments}
}

// within reports whether r is other, or below it.
func (r resource) within(other resource) bool {
	return strings.HasPrefix(r.path+"/", other.path+"/")
}

// hostOf returns the scheme and the host of u, with the port that is meant.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}
