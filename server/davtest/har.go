package davtest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// HAR writes the exchanges as an HTTP Archive, version 1.2, for browsers' developer tools and
// other viewers. Bodies that are no UTF-8 text are base64: for an answer "encoding" says so, for a
// request "_encoding", since HAR has no field for it. A comment says how an answer was cut.
func (j Journal) HAR(w io.Writer) error {
	log := harLog{Version: "1.2", Creator: harCreator{"dav207", version()}, Entries: []harEntry{}}
	for i := range j {
		log.Entries = append(log.Entries, harEntryOf(&j[i]))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]harLog{"log": log})
}

// version returns the version of the module in this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == "dav207" && m.Version != "" {
				return m.Version
			}
		}
	}
	return "(devel)"
}

// The types below are the objects of HAR 1.2. Its fields that are not optional have no omitempty.
type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harEntry struct {
	Started  string      `json:"startedDateTime"`
	Time     float64     `json:"time"` // in milliseconds
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  harTimings  `json:"timings"`
	Comment  string      `json:"comment,omitempty"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harRequest struct {
	Method      string       `json:"method"`
	URL         string       `json:"url"`
	HTTPVersion string       `json:"httpVersion"`
	Cookies     []harPair    `json:"cookies"`
	Headers     []harPair    `json:"headers"`
	QueryString []harPair    `json:"queryString"`
	PostData    *harPostData `json:"postData,omitempty"`
	HeadersSize int          `json:"headersSize"` // -1: unknown
	BodySize    int          `json:"bodySize"`
}

type harPostData struct {
	MimeType string    `json:"mimeType"`
	Params   []harPair `json:"params"`
	Text     string    `json:"text"`
	Encoding string    `json:"_encoding,omitempty"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Cookies     []harPair  `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
	Text     string `json:"text,omitempty"`
	Encoding string `json:"encoding,omitempty"`
}

// harPair is a cookie, a header field or a parameter.
type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func harEntryOf(e *Exchange) harEntry {
	ms := float64(e.Took) / float64(time.Millisecond)
	timings := harTimings{Wait: ms}
	if e.FirstByte > 0 {
		timings.Wait = float64(e.FirstByte) / float64(time.Millisecond)
		timings.Receive = ms - timings.Wait
	}
	entry := harEntry{
		Started: e.Began.Format("2006-01-02T15:04:05.000Z07:00"),
		Time:    ms,
		Timings: timings,
		Request: harRequest{
			Method: e.Method, URL: e.url(), HTTPVersion: e.Proto,
			Cookies:     harCookies((&http.Request{Header: e.RequestHeader}).Cookies()),
			Headers:     append([]harPair{{"Host", e.Host}}, harHeaders(e.RequestHeader)...),
			QueryString: harQuery(e.Target),
			HeadersSize: -1, BodySize: len(e.RequestBody),
		},
		Response: harResponse{
			Status: e.Status, StatusText: http.StatusText(e.Status), HTTPVersion: e.Proto,
			Cookies:     harCookies((&http.Response{Header: e.ResponseHeader}).Cookies()),
			Headers:     harHeaders(e.ResponseHeader),
			Content:     harContent{Size: len(e.ResponseBody), MimeType: e.ResponseHeader.Get("Content-Type")},
			RedirectURL: e.ResponseHeader.Get("Location"),
			HeadersSize: -1, BodySize: len(e.ResponseBody),
		},
		Comment: e.Broken,
	}
	if len(e.RequestBody) > 0 {
		data := &harPostData{MimeType: e.RequestHeader.Get("Content-Type"), Params: []harPair{}}
		data.Text, data.Encoding = harText(e.RequestBody)
		entry.Request.PostData = data
	}
	entry.Response.Content.Text, entry.Response.Content.Encoding = harText(e.ResponseBody)
	return entry
}

// url returns the absolute URL of the request. The target may be one, or the asterisk of OPTIONS.
func (e *Exchange) url() string {
	if strings.Contains(e.Target, "://") && !strings.HasPrefix(e.Target, "/") {
		return e.Target
	}
	return e.Scheme + "://" + e.Host + "/" + strings.TrimPrefix(e.Target, "/")
}

// harText returns a body as text and its encoding, "" or base64.
func harText(body []byte) (text, encoding string) {
	if utf8.Valid(body) {
		return string(body), ""
	}
	return base64.StdEncoding.EncodeToString(body), "base64"
}

func harHeaders(h http.Header) []harPair {
	pairs := []harPair{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			pairs = append(pairs, harPair{name, value})
		}
	}
	return pairs
}

func harCookies(cookies []*http.Cookie) []harPair {
	pairs := []harPair{}
	for _, c := range cookies {
		pairs = append(pairs, harPair{c.Name, c.Value})
	}
	return pairs
}

// harQuery returns the parameters of a target, in their order and as sent.
func harQuery(target string) []harPair {
	pairs := []harPair{}
	_, query, _ := strings.Cut(target, "?")
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); part != "" {
			pairs = append(pairs, harPair{name, value})
		}
	}
	return pairs
}
