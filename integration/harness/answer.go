package harness

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dav207/server/multistatus"
)

// Answer is an answer with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// The elements of RFC 4918 §14, decoded with encoding/xml alone and no code of the server.
type (
	// Response is a DAV:response (§14.24).
	Response struct {
		Href      string     `xml:"DAV: href"`
		Status    string     `xml:"DAV: status"`
		Propstat  []Propstat `xml:"DAV: propstat"`
		Condition Condition  `xml:"DAV: error"`
	}
	// Propstat is a DAV:propstat (§14.22).
	Propstat struct {
		Prop      Prop      `xml:"DAV: prop"`
		Status    string    `xml:"DAV: status"`
		Condition Condition `xml:"DAV: error"`
	}
	// Prop is a DAV:prop (§14.18).
	Prop struct {
		List []Property `xml:",any"`
	}
	// Property is a property with its value as XML.
	Property struct {
		XMLName xml.Name
		Inner   string `xml:",innerxml"`
	}
	// Condition is a DAV:error (§14.5) with its precondition and postcondition codes.
	Condition struct {
		List []struct {
			XMLName xml.Name
			Href    []string `xml:"DAV: href"`
		} `xml:",any"`
	}
)

// DecodeMultistatus decodes a multistatus and checks it: each href occurs once, and each response
// has either a status or propstats, at most one for each status.
func DecodeMultistatus(t testing.TB, body string) []Response {
	t.Helper()
	var m struct {
		XMLName  xml.Name   `xml:"DAV: multistatus"`
		Response []Response `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("the body is not a multistatus: %v\n%s", err, body)
	}
	seen := map[string]bool{}
	for _, r := range m.Response {
		if seen[r.Href] {
			t.Errorf("%s has two responses", r.Href)
		}
		seen[r.Href] = true
		if (r.Status == "") == (len(r.Propstat) == 0) {
			t.Errorf("%s has a status %q and %d propstats, want one of the two (§14.24)", r.Href, r.Status, len(r.Propstat))
		}
		statuses := map[string]bool{}
		for _, p := range r.Propstat {
			if statuses[p.Status] {
				t.Errorf("%s has two propstats of status %q", r.Href, p.Status)
			}
			statuses[p.Status] = true
		}
	}
	return m.Response
}

// StatusCode returns the number in a status line, or 0 if it is malformed.
func StatusCode(line string) int {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return 0
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return n
}

// Failures decodes the 207 of a DELETE, COPY, MOVE or LOCK. It returns the status and conditions by
// href, such as "423 lock-token-submitted".
func Failures(t testing.TB, a Answer) map[string]string {
	t.Helper()
	if a.Status != http.StatusMultiStatus {
		t.Fatalf("the status is %d, want 207\n%s", a.Status, a.Body)
	}
	out := map[string]string{}
	for _, r := range DecodeMultistatus(t, a.Body) {
		s := strconv.Itoa(StatusCode(r.Status))
		for _, c := range r.Condition.List {
			s += " " + c.XMLName.Local
		}
		out[r.Href] = s
	}
	return out
}

// CheckFailures compares the failures of a 207 with those wanted, by decoded name.
func (s *Site) CheckFailures(a Answer, want map[string]string) {
	s.Helper()
	got := Failures(s, a)
	for name, status := range want {
		if got[s.Href(name)] != status {
			s.Errorf("%s is %q, want %q", name, got[s.Href(name)], status)
		}
		delete(got, s.Href(name))
	}
	for href, status := range got {
		s.Errorf("%s is %q, want no response for it", href, status)
	}
}

// OneLine returns an answer in one line, as davtest.Response.String does: "207 /c/f=403" or "423
// lock-token-submitted(/k/)".
func OneLine(t testing.TB, a Answer) string {
	t.Helper()
	if a.Status == 207 {
		members := Failures(t, a)
		out := "207"
		for _, href := range slices.Sorted(maps.Keys(members)) {
			out += " " + href + "=" + members[href]
		}
		return out
	}
	out := fmt.Sprint(a.Status)
	if a.Header.Get("Content-Type") == multistatus.ContentType && a.Status >= 400 {
		c, err := multistatus.DecodeError(strings.NewReader(a.Body))
		if err != nil {
			t.Fatalf("%v\n%s", err, a.Body)
		}
		out += fmt.Sprintf(" %s(%s)", c.Name.Local, strings.Join(c.Hrefs, " "))
	}
	return out
}

// ETag returns the entity tag of a file. It fails the test if GET, HEAD and PROPFIND disagree.
func (s *Site) ETag(name string) string {
	s.Helper()
	get := s.Want(200, "GET", name, "").Header.Get("ETag")
	head := s.Want(200, "HEAD", name, "").Header.Get("ETag")
	a := s.Want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "0")
	found := ""
	for _, r := range DecodeMultistatus(s, a.Body) {
		for _, p := range r.Propstat {
			if StatusCode(p.Status) == 200 && len(p.Prop.List) == 1 {
				found = strings.NewReplacer("&#34;", `"`, "&quot;", `"`).Replace(p.Prop.List[0].Inner)
			}
		}
	}
	if get != head || get != found || !strongTag.MatchString(get) {
		s.Errorf("the entity tag of %s is %s for GET, %s for HEAD, %s for PROPFIND, want one strong tag", name, get, head, found)
	}
	return get
}

var strongTag = regexp.MustCompile(`^"[!#-~]+"$`) // RFC 9110 §8.8.3, without what is not ASCII
