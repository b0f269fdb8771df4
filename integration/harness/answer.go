package harness

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
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

// The elements of RFC 4918 §14, as encoding/xml reads them: a decoder that shares nothing with the
// server.
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
	// Property is a property with what stands in it, as XML.
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

// DecodeMultistatus reads a multistatus, and checks what must be true of every one: each href is
// there once, and each response has a status or propstats, at most one for a status.
func DecodeMultistatus(t testing.TB, body string) []Response {
	t.Helper()
	var m struct {
		XMLName  xml.Name   `xml:"DAV: multistatus"`
		Response []Response `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("the answer is no multistatus: %v\n%s", err, body)
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

// StatusCode returns the number in a status line, 0 if it is none.
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

// Failures reads the 207 of a DELETE, COPY, MOVE or LOCK: "423 lock-token-submitted" by href.
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

// OneLine returns an answer in one line, as davtest.Response.String does: "423
// lock-token-submitted(/k/)", "207 /c/f=403".
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
