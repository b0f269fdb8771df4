package rfc4918

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dav207/server/davxml"
	"dav207/server/davxml/xmltest"
)

var placeholder = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// anything is the placeholder that matches another value each time.
const anything = "any"

// fill replaces the placeholders that have values.
func (x *exchange) fill(s string, escape func(string) string) string {
	return placeholder.ReplaceAllStringFunc(s, func(p string) string {
		if value, ok := x.known[p[1:len(p)-1]]; ok {
			return escape(value)
		}
		return p
	})
}

// match compares a text with one that has placeholders, and records the values of new placeholders.
// If quoted is true the values in the text are quoted as by strconv.Quote.
func (x *exchange) match(want, got string, quoted bool) bool {
	value := `(.*)`
	if quoted {
		value = `((?:[^"\\]|\\.)*)`
	}
	var names []string
	var pattern strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[last:at[0]]) + value)
		names = append(names, want[at[0]+1:at[1]-1])
		last = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(want[last:]))
	found := regexp.MustCompile(`\A` + pattern.String() + `\z`).FindStringSubmatch(got)
	if found == nil {
		return false
	}
	for i, name := range names {
		if name == anything {
			continue
		}
		text := found[i+1]
		if quoted {
			text, _ = strconv.Unquote(`"` + text + `"`)
		}
		if before, ok := x.known[name]; ok && before != text {
			return false
		}
		x.known[name] = text
	}
	return true
}

// compare returns the differences between the response and the one in the file, or "".
func (x *exchange) compare(want []byte, res *http.Response, body []byte) string {
	head, wantBody, _ := strings.Cut(string(want), "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	var problems []string
	differ := func(what, got, want string) {
		problems = append(problems, fmt.Sprintf("%s\n got %s\nwant %s", what, got, want))
	}
	if got := res.Proto + " " + res.Status; got != lines[0] {
		differ("status", got, lines[0])
	}
	for _, line := range lines[1:] {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			problems = append(problems, fmt.Sprintf("%q is no header", line))
			continue
		}
		values := res.Header.Values(key)
		switch got := strings.Join(values, ", "); {
		case value == "-":
			if len(values) > 0 {
				differ("header "+key, got, "none")
			}
		case len(values) == 0:
			differ("header "+key, "none", value)
		case !x.match(x.fill(value, func(s string) string { return s }), got, false):
			differ("header "+key, got, value)
		}
	}
	if problem := x.compareBody(wantBody, res, body); problem != "" {
		problems = append(problems, problem)
	}
	return strings.Join(problems, "\n")
}

func (x *exchange) compareBody(want string, res *http.Response, body []byte) string {
	isXML := strings.HasPrefix(res.Header.Get("Content-Type"), "application/xml")
	if !isXML || !strings.Contains(want, "<") {
		if want == "" && !(isXML && len(body) > 0) {
			return ""
		}
		if want = x.fill(strings.TrimSuffix(want, "\n"), func(s string) string { return s }); x.match(want, strings.TrimSuffix(string(body), "\n"), false) {
			return ""
		}
		return fmt.Sprintf("body\n got %s\nwant %s", body, want)
	}
	wanted := x.fill(want, func(s string) string { return string(davxml.EscapeText(nil, s)) })
	w, err := xmltest.CanonicalMultistatus([]byte(wanted))
	if err != nil {
		return "the body in the file is malformed: " + err.Error()
	}
	g, err := xmltest.CanonicalMultistatus(body)
	if err != nil {
		return "the body is malformed: " + err.Error()
	}
	if !x.match(w, g, true) {
		return fmt.Sprintf("body\n--- got\n%s--- want\n%s", g, w)
	}
	return ""
}

// rewrite returns the response in the form of the file: with the headers that the file has, and
// with placeholders for known values.
func (x *exchange) rewrite(want []byte, res *http.Response, body []byte) []byte {
	head, _, _ := strings.Cut(string(want), "\n\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", res.Proto, res.Status)
	listed := map[string]bool{}
	for _, line := range strings.Split(strings.TrimRight(head, "\n"), "\n")[1:] {
		key, value, _ := strings.Cut(line, ": ")
		listed[http.CanonicalHeaderKey(key)] = true
		values := res.Header.Values(key)
		if !placeholder.MatchString(value) {
			if value = strings.Join(values, ", "); len(values) == 0 {
				value = "-"
			}
		}
		fmt.Fprintf(&b, "%s: %s\n", key, value)
	}
	kind := res.Header.Get("Content-Type")
	if isXML := strings.HasPrefix(kind, "application/xml"); isXML {
		if !listed["Content-Type"] {
			fmt.Fprintf(&b, "Content-Type: %s\n", kind)
		}
		text := strings.NewReplacer("<D:response>", "\n<D:response>", "<D:propstat>", "\n<D:propstat>", "</D:multistatus>",
			"\n</D:multistatus>").Replace(string(body))
		for _, name := range slices.Sorted(maps.Keys(x.known)) {
			if value := string(davxml.EscapeText(nil, x.known[name])); len(value) > 8 && name != "lock" {
				text = strings.ReplaceAll(text, value, "{"+name+"}")
			}
		}
		b.WriteString("\n" + text + "\n")
	} else if len(body) > 0 {
		b.WriteString("\n" + string(body))
	}
	return []byte(b.String())
}

// TestCompare tests that compare finds differences.
func TestCompare(t *testing.T) {
	const answer = `<multistatus xmlns="DAV:"><response><href>/a</href><status>HTTP/1.1 403 Forbidden</status></response></multistatus>`
	const want = "HTTP/1.1 207 Multi-Status\nETag: {tag}\nX: -\n\n" +
		`<D:multistatus xmlns:D="DAV:"> <D:response><D:href>{href}</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response></D:multistatus>`
	for _, tt := range []struct {
		what, want string
		known      map[string]string
		body       string
		same       bool
	}{
		{"the same", want, nil, answer, true},
		{"the same, with what is known", want, map[string]string{"tag": `"1"`, "href": "/a"}, answer, true},
		{"another value of a header", want, map[string]string{"tag": `"2"`}, answer, false},
		{"another value in the body", want, map[string]string{"href": "/b"}, answer, false},
		{"another status", strings.Replace(want, "207 Multi-Status", "200 OK", 1), nil, answer, false},
		{"another status inside", want, nil, strings.ReplaceAll(answer, "403", "404"), false},
		{"one response more", want, nil, strings.Replace(answer, "</multistatus>", "<response><href>/b</href><status>HTTP/1.1 403 Forbidden</status></response></multistatus>", 1), false},
		{"a header that must not be there", strings.Replace(want, "X: -", "ETag: -", 1), nil, answer, false},
		{"a header that is not there", strings.Replace(want, "X: -", "X: x", 1), nil, answer, false},
		{"a body that the file does not have", "HTTP/1.1 207 Multi-Status\n", nil, answer, false},
		{"no body", want, nil, "", false},
		{"no XML", want, nil, "<multistatus", false},
	} {
		x := &exchange{t: t, known: map[string]string{}}
		maps.Copy(x.known, tt.known)
		res := &http.Response{Proto: "HTTP/1.1", Status: "207 Multi-Status", Header: http.Header{
			"Content-Type": {"application/xml; charset=utf-8"}, "Etag": {`"1"`}}}
		if got := x.compare([]byte(tt.want), res, []byte(tt.body)); (got == "") != tt.same {
			t.Errorf("%s: compare = %q", tt.what, got)
		}
		if tt.same && (x.known["tag"] != `"1"` || x.known["href"] != "/a") {
			t.Errorf("%s: learned %v", tt.what, x.known)
		}
	}
}
