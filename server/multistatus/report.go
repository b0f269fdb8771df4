package multistatus

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"dav207/server/davxml"
)

// Kind is what a body is.
type Kind string

// The kinds of bodies.
const (
	KindMultistatus Kind = "multistatus"
	KindError       Kind = "error" // a DAV:error, or an error in JSON
	KindBatch       Kind = "batch" // {"responses": [{"id": …}]} or {"results": [{"index": …}]}
	KindOther       Kind = "other" // none of these, or not readable
	KindEmpty       Kind = "empty" // nothing, or white space
)

// Report is what Inspect reads from a body.
type Report struct {
	Kind        Kind
	JSON        bool // rather than XML
	Members     []Member
	Condition   *Condition // of a KindError; nil for none
	Description string     // human-readable; "" for none
	Findings    []Finding  // of each rule the first ones: Count has all

	counts map[*Rule]int
}

// Member is the outcome for one resource, or of one item of a batch.
type Member struct {
	ID string // of the item of a batch, or its index; "" for a resource of a plain multistatus
	// Response may lack an Href, a Status and Propstats where the body does, and may have both.
	Response
}

// Name returns what identifies the member: its id, its href, or both.
func (m *Member) Name() string { return strings.Trim(m.ID+" "+m.Href, " ") }

// Failed reports whether the resource, or one of its properties, has another status than one of
// success. absent is whether a property that does not exist (404 in a propstat) is one that failed.
// For an item of a batch 304 is a success, as it is for a request.
func (m *Member) Failed(absent bool) bool {
	unmodified := m.ID != "" && m.Status == http.StatusNotModified
	if m.Status >= 300 && !unmodified || m.Status == 0 && len(m.Propstat) == 0 {
		return true
	}
	for _, ps := range m.Propstat {
		if (ps.Status >= 300 || ps.Status == 0) && (absent || ps.Status != http.StatusNotFound) {
			return true
		}
	}
	return false
}

// maxMarkup bounds the tags of XML and the values of JSON, and so the memory for a body of which
// most is markup.
const maxMarkup = 2_000_000

// Inspect reads the body of an answer of any server: a multistatus or a DAV:error as XML with any
// prefixes or as JSON, or the answer to a batch in the shape of Microsoft Graph and OData or with
// results. It is Decode that goes on after what is wrong, and reports it. Of a body that is cut or
// malformed it reads what comes before the fault. The caller limits the size.
func Inspect(body []byte) *Report {
	r := &Report{Kind: KindOther}
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), whiteSpace)
	switch {
	case len(trimmed) == 0:
		r.Kind = KindEmpty
	case trimmed[0] == '{' || trimmed[0] == '[':
		r.JSON = true
		if r.small(trimmed, ",", "[", "{") {
			r.readJSON(trimmed)
		}
	case r.small(trimmed, "<"):
		r.readXML(body)
	}
	if r.Kind == KindMultistatus {
		r.checkResponses()
	}
	return r
}

// small reports whether a body is not larger than is read. If not it adds a finding.
func (r *Report) small(body []byte, markup ...string) bool {
	n := 0
	for _, m := range markup {
		n += bytes.Count(body, []byte(m))
	}
	if n > maxMarkup {
		r.Add(ruleTooLarge, "", "it has %d", n)
	}
	return n <= maxMarkup
}

// readXML reads a body that is not JSON.
func (r *Report) readXML(body []byte) {
	root, err := parseLenient(body)
	d := decoder{&Report{}}
	switch {
	case root == nil && !looksDAV(body):
		return // HTML or text
	case root == nil: // the error says why
	case root.Name.Local == "multistatus":
		if root.Name.Space != Namespace {
			d.Add(ruleDocument, "", "it is multistatus in the namespace %.60q", root.Name.Space)
			toDAV(root)
		}
		r.Kind = KindMultistatus
		responses := d.responses(root)
		r.Members = make([]Member, len(responses))
		for i := range responses {
			r.Members[i].Response = responses[i]
		}
		for _, c := range root.Children {
			if c.Name == dav("responsedescription") {
				r.Description = c.Text()
			}
		}
	case root.Name == dav("error"):
		r.Kind = KindError
		r.Condition = d.condition(root, "")
	case root.Name == dav("response"):
		d.Add(ruleDocument, "", "it is response")
	case root.Name.Space != Namespace:
		return // an XML file
	}
	switch {
	case errors.Is(err, davxml.ErrMalformed):
		d.Add(ruleWellFormed, "", "%v", err)
	case err != nil:
		d.Add(ruleXMLCharset, "", "%v", err)
	}
	r.Findings, r.counts = d.Findings, d.counts
}

// parseLenient parses a body, or what comes before the fault in it. It mends what servers often do
// wrong. The error is that of the body as it is.
func parseLenient(body []byte) (*davxml.Element, error) {
	root, err := davxml.ParseStart(body, unbounded)
	if !errors.Is(err, davxml.ErrMalformed) {
		return root, err
	}
	mended := mend(body)
	for range 10 {
		again, problem := davxml.ParseStart(mended, unbounded)
		if again != nil && (root == nil || len(again.Children) > len(root.Children)) {
			root = again
		}
		if problem == nil {
			break
		}
		prefix := undeclared.FindStringSubmatch(problem.Error())
		tag := rootTag.FindIndex(mended)
		if prefix == nil || tag == nil {
			break
		}
		declaration := fmt.Sprintf(` xmlns:%s="undeclared:%[1]s"`, prefix[1])
		if strings.EqualFold(prefix[1], "D") || strings.EqualFold(prefix[1], "DAV") {
			declaration = fmt.Sprintf(` xmlns:%s="DAV:"`, prefix[1])
		}
		mended = slices.Insert(mended, tag[1], []byte(declaration)...)
	}
	return root, err
}

var (
	// undeclared matches the error of davxml for a prefix without a declaration.
	undeclared = regexp.MustCompile(`the prefix "([A-Za-z0-9._-]+)" is not declared`)
	// rootTag matches the beginning of the first start tag.
	rootTag = regexp.MustCompile(`<[A-Za-z_][A-Za-z0-9._:-]*`)
)

// toDAV moves elements from the namespace of the root to that of WebDAV.
func toDAV(root *davxml.Element) {
	wrong := root.Name.Space
	for todo := []*davxml.Element{root}; len(todo) > 0; {
		e := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], e.Children...)
		if e.Name.Space == wrong {
			e.Name.Space = Namespace
		}
	}
}

// looksDAV reports whether a body that cannot be read is meant as XML of WebDAV.
func looksDAV(body []byte) bool {
	body = bytes.TrimLeft(body[:min(len(body), 2000)], whiteSpace+"\xef\xbb\xbf")
	return bytes.HasPrefix(body, []byte("<")) && bytes.Contains(body, []byte("DAV:"))
}

// ampersand is a "&", with the reference that it begins if it begins one.
var ampersand = regexp.MustCompile(`&(?:#[0-9]+;|#x[0-9A-Fa-f]+;|(?:amp|lt|gt|quot|apos);)?`)

// mend escapes each "&" that begins no reference, and replaces characters that XML does not have.
func mend(body []byte) []byte {
	body = ampersand.ReplaceAllFunc(body, func(m []byte) []byte {
		if len(m) == 1 {
			return []byte("&amp;")
		}
		return m
	})
	return bytes.Map(func(c rune) rune {
		if c < ' ' && !strings.ContainsRune(whiteSpace, c) || c == 0xFFFE || c == 0xFFFF {
			return utf8.RuneError
		}
		return c // RuneError for invalid UTF-8
	}, body)
}
