package davtest

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"dav207/server/multistatus"
)

// WriteExchanges writes the exchanges as a file that the tests of integration/rfc4918 replay. head
// is the text that the file begins with: the comment, and the sections that the requests need of
// "options", "before", "policy" and "fail"; a section "after" goes to the end. Other sections may
// be there if the replayer knows them.
//
//	Issue 11: a lock keeps the others out.
//	-- before --
//	/f  text: old
//
// What differs from run to run becomes a placeholder: {token1}, {etag1} and {date1} where a later
// request has the value or the same value comes again, and {any} for other times, for the rest of a
// timeout and for quotas. The address of the server becomes www.example.com. A lock token in head,
// as in "/f  locked urn:uuid:…", becomes a placeholder, too. If the clock was moved between two
// requests by a second or more the file has a section "later". The body of an answer that is HTML
// or no UTF-8 is left out.
//
// It writes nothing and returns an error if an answer is not whole, if a line would begin a
// section, or if a text has what would be taken for a placeholder.
func (j Journal) WriteExchanges(w io.Writer, head string) error {
	f := exchangeFile{j: j, names: map[string]string{}, counts: map[string]int{}, dates: map[dated]string{}}
	archive, err := f.archive(head)
	if err != nil {
		return fmt.Errorf("davtest: %w", err)
	}
	_, err = w.Write(txtar.Format(archive))
	return err
}

// exchangeFile is the state of WriteExchanges.
type exchangeFile struct {
	j      Journal
	names  map[string]string // the placeholders of tokens and entity tags
	counts map[string]int    // of placeholders, by kind
	dates  map[dated]string  // the placeholders of dates
}

// dated is a date in the answer of the exchange with an index. Resources have the same date while
// the clock stands still, but need not when the file is replayed: so a date is named where it is
// seen last before a request that has it, and only there.
type dated struct {
	index int
	date  string
}

var (
	tokenPattern = regexp.MustCompile(`(?:urn:uuid|opaquelocktoken):[^<>"'()\s&{}]+`)
	etagPattern  = regexp.MustCompile(`(<(?:[\w.-]+:)?getetag\b[^<>]*>)([^<]+)(</)`)
	datePattern  = regexp.MustCompile(`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT` +
		`|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`)
	restPattern  = regexp.MustCompile(`(<(?:[\w.-]+:)?timeout\b[^<>]*>Second-)\d+(<)`)
	quotaPattern = regexp.MustCompile(`(<(?:[\w.-]+:)?quota-(?:available|used)-bytes\b[^<>]*>)\d+(<)`)
	reserved     = regexp.MustCompile(`\{(?:any|lock|(?:token|etag|date)\d+)\}`)
)

// responseFields are the header fields that a file has of an answer, in the spelling of the RFCs.
var responseFields = []string{"Allow", "Content-Language", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "DAV",
	"ETag", "Last-Modified", "Location", "Lock-Token", "Retry-After", "WWW-Authenticate", "X-OC-CTime", "X-OC-Mtime"}

// unsentFields are the header fields of a request that a file does not have, because the replayer
// sends each request with its whole body and on a connection of its own.
var unsentFields = []string{"Connection", "Content-Length", "Expect", "Keep-Alive", "Transfer-Encoding"}

func (f *exchangeFile) archive(head string) (*txtar.Archive, error) {
	archive := txtar.Parse([]byte(head))
	if len(bytes.TrimSpace(archive.Comment)) == 0 {
		return nil, errors.New("the head must begin with a comment that says what the exchanges show")
	}
	if len(f.j) == 0 {
		return nil, errors.New("there are no exchanges")
	}
	var after []txtar.File
	sections := archive.Files
	archive.Files = nil
	for _, s := range sections {
		switch s.Data = []byte(f.tokens(string(s.Data), true)); s.Name {
		case "request", "response", "later":
			return nil, fmt.Errorf("the head must not have a section %q", s.Name)
		case "after":
			after = append(after, s)
		default:
			archive.Files = append(archive.Files, s)
		}
	}
	f.nameDates()
	for i := range f.j {
		if err := f.check(&f.j[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", &f.j[i], err)
		}
		if i > 0 {
			if passed := f.j[i].Began.Sub(f.j[i-1].Began); passed >= time.Second {
				archive.Files = append(archive.Files, txtar.File{Name: "later", Data: []byte(passed.String() + "\n")})
			}
		}
		for _, s := range []txtar.File{{Name: "request", Data: f.request(i)}, {Name: "response", Data: f.response(i)}} {
			if inner := txtar.Parse(s.Data).Files; len(inner) > 0 {
				return nil, fmt.Errorf("%s: the %s has the line %q, which begins a section", &f.j[i], s.Name, "-- "+inner[0].Name+" --")
			}
			archive.Files = append(archive.Files, s)
		}
	}
	archive.Files = append(archive.Files, after...)
	return archive, nil
}

// check returns an error if the exchange cannot be replayed.
func (f *exchangeFile) check(e *Exchange) error {
	if e.Status == 0 || e.Broken != "" || e.pending {
		return errors.New("only a whole answer can be replayed")
	}
	texts := []string{e.Target, string(e.RequestBody), string(e.ResponseBody)}
	for _, header := range []http.Header{e.RequestHeader, e.ResponseHeader} {
		for _, values := range header {
			texts = append(texts, values...)
		}
	}
	for _, text := range texts {
		if found := reserved.FindString(text); found != "" {
			return fmt.Errorf("the text %q would be taken for a placeholder", found)
		}
	}
	return nil
}

// nameDates finds the dates in requests that an earlier answer had, and names them in the last of
// these, of the same resource if possible.
func (f *exchangeFile) nameDates() {
	for i := range f.j {
		for _, date := range datePattern.FindAllString(requestText(&f.j[i]), -1) {
			if at, ok := f.dateSeen(i, date); ok && f.dates[at] == "" {
				f.dates[at] = f.next("date")
			}
		}
	}
}

// dateSeen returns where the request with index i has a date from.
func (f *exchangeFile) dateSeen(i int, date string) (dated, bool) {
	at, found := dated{}, false
	for k := i - 1; k >= 0; k-- {
		if e := &f.j[k]; strings.Contains(e.ResponseHeader.Get("Last-Modified")+"\n"+xmlBody(e), date) {
			if e.Path == f.j[i].Path {
				return dated{k, date}, true
			}
			if !found {
				at, found = dated{k, date}, true
			}
		}
	}
	return at, found
}

// requestText returns what may hold a date that an answer had.
func requestText(e *Exchange) string {
	h := e.RequestHeader
	return strings.Join(slices.Concat(h["If-Modified-Since"], h["If-Unmodified-Since"], h["If-Range"], []string{string(e.RequestBody)}), "\n")
}

// xmlBody returns the body of an answer if it is XML, or "".
func xmlBody(e *Exchange) string {
	if kind := e.ResponseHeader.Get("Content-Type"); strings.HasPrefix(kind, "application/xml") || strings.HasPrefix(kind, "text/xml") {
		return string(e.ResponseBody)
	}
	return ""
}

// next returns a new placeholder.
func (f *exchangeFile) next(kind string) string {
	f.counts[kind]++
	return "{" + kind + strconv.Itoa(f.counts[kind]) + "}"
}

// name returns the placeholder of a value, which is new or known.
func (f *exchangeFile) name(kind, value string) string {
	if f.names[value] == "" {
		f.names[value] = f.next(kind)
	}
	return f.names[value]
}

// tokens replaces the lock tokens in s, those that are unknown only if learn is true: a request may
// have a token that never was one.
func (f *exchangeFile) tokens(s string, learn bool) string {
	return tokenPattern.ReplaceAllStringFunc(s, func(token string) string {
		if _, known := f.names[token]; known || learn {
			return f.name("token", token)
		}
		return token
	})
}

// request returns the request with index i.
func (f *exchangeFile) request(i int) []byte {
	e := &f.j[i]
	replace := func(s string) string { return f.tokens(withoutAddress(e, s), false) }
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", e.Method, replace(e.Target), httpVersion(e))
	if !ownAddress(e.Host) {
		fmt.Fprintf(&b, "Host: %s\n", e.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(e.RequestHeader)) {
		if slices.Contains(unsentFields, name) {
			continue
		}
		for _, value := range e.RequestHeader[name] {
			switch value = replace(value); name {
			case "If", "If-Match", "If-None-Match":
				value = f.knownTags(value)
			case "If-Range", "If-Modified-Since", "If-Unmodified-Since":
				value = f.knownDates(i, f.knownTags(value))
			}
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(e.RequestBody) > 0 {
		b.WriteString("\n" + f.knownDates(i, replace(string(e.RequestBody))) + "\n")
	}
	return []byte(b.String())
}

// knownTags replaces the entity tags that an answer had. Longer ones go first: W/"1" holds "1".
func (f *exchangeFile) knownTags(s string) string {
	values := slices.SortedFunc(maps.Keys(f.names), func(a, b string) int { return len(b) - len(a) })
	for _, value := range values {
		if strings.HasSuffix(value, `"`) {
			s = strings.ReplaceAll(s, value, f.names[value])
		}
	}
	return s
}

// knownDates replaces the dates that an answer before request i had.
func (f *exchangeFile) knownDates(i int, s string) string {
	return datePattern.ReplaceAllStringFunc(s, func(date string) string {
		if at, ok := f.dateSeen(i, date); ok {
			return f.dates[at]
		}
		return date
	})
}

// response returns the answer with index i.
func (f *exchangeFile) response(i int) []byte {
	e := &f.j[i]
	text := http.StatusText(e.Status)
	if text == "" {
		text = "status code " + strconv.Itoa(e.Status) // as net/http
	}
	body := xmlBody(e)
	// A page has times, and a listing in JSON has entity tags, too.
	contentType := e.ResponseHeader.Get("Content-Type")
	volatile := strings.HasPrefix(contentType, "text/html") || e.Status == http.StatusMultiStatus && contentType == multistatus.ContentTypeJSON
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s\n", httpVersion(e), e.Status, text)
	dates := map[string]bool{} // see anyDate
	for _, name := range responseFields {
		value := f.tokens(withoutAddress(e, strings.Join(e.ResponseHeader.Values(name), ", ")), true)
		switch {
		case value == "", name == "Content-Length" && (body != "" || volatile):
			continue
		case name == "ETag":
			value = f.name("etag", value)
		case name == "Last-Modified":
			value = f.anyDate(i, dates, value)
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	switch {
	case body != "":
		b.WriteString("\n" + f.xml(i, dates, body) + "\n")
	case len(e.ResponseBody) > 0 && utf8.Valid(e.ResponseBody) && !volatile:
		// Bytes that are no text are no pattern for the replayer.
		b.WriteString("\n" + strings.TrimSuffix(string(e.ResponseBody), "\n") + "\n")
	}
	return []byte(b.String())
}

// xml returns the body of an answer with placeholders, and each response on a line of its own.
func (f *exchangeFile) xml(i int, dates map[string]bool, body string) string {
	body = f.tokens(withoutAddress(&f.j[i], body), true)
	body = etagPattern.ReplaceAllStringFunc(body, func(s string) string {
		m := etagPattern.FindStringSubmatch(s)
		return m[1] + f.name("etag", html.UnescapeString(m[2])) + m[3]
	})
	body = quotaPattern.ReplaceAllString(body, "${1}{any}${2}")
	if f.j[i].Method != "LOCK" { // of which the timeout is whole
		body = restPattern.ReplaceAllString(body, "${1}{any}${2}")
	}
	body = f.anyDate(i, dates, body)
	return strings.NewReplacer("<D:response>", "\n<D:response>", "<D:propstat>", "\n<D:propstat>", "</D:multistatus>", "\n</D:multistatus>").
		Replace(strings.TrimRight(body, "\n"))
}

// anyDate replaces the dates in the answer with index i: the first of a date that has a name with
// the name, all others with {any}. named holds the dates that the answer has named already.
func (f *exchangeFile) anyDate(i int, named map[string]bool, s string) string {
	return datePattern.ReplaceAllStringFunc(s, func(date string) string {
		if name := f.dates[dated{i, date}]; name != "" && !named[date] {
			named[date] = true
			return name
		}
		return "{any}"
	})
}

// httpVersion returns the version for a request line and a status line: files have no HTTP/2.
func httpVersion(e *Exchange) string {
	if e.Proto == "HTTP/1.0" {
		return e.Proto
	}
	return "HTTP/1.1"
}

// ownAddress reports whether the host is one that a test server listens on, with a port of the run.
func ownAddress(host string) bool {
	name, port, err := net.SplitHostPort(host)
	ip := net.ParseIP(name)
	return err == nil && port != "" && (name == "localhost" || ip != nil && ip.IsLoopback())
}

// withoutAddress replaces the address of the server, if the request was for it.
func withoutAddress(e *Exchange, s string) string {
	if !ownAddress(e.Host) {
		return s
	}
	s = strings.ReplaceAll(s, "https://"+e.Host, "http://www.example.com")
	return strings.ReplaceAll(s, e.Host, "www.example.com")
}
