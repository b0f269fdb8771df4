package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"dav207/server/davtest/lab"
)

// demoAnswers are what each step of the demonstration shows: the status, and the statuses in the
// body in their order.
var demoAnswers = []string{
	"207: 200 403 404",
	"207: 200 404 200 403 200",
	"207: 424 403 cannot-modify-protected-property",
	"207: 507 sufficient-disk-space",
	"207: 403",
	"207: 403",
	"207: 423 lock-token-submitted",
	"207: 423 no-conflicting-lock 424",
	"423: lock-token-submitted",
	"302: ",
	"207: 200",
	"207: 200 200",
}

// TestDemo runs the steps without curl, three times: each answers the same every time.
func TestDemo(t *testing.T) {
	s := startCommand(t, "demo", "--addr", "127.0.0.1:0")
	if len(demoAnswers) != len(lab.List) {
		t.Fatalf("%d answers for %d steps", len(demoAnswers), len(lab.List))
	}
	first := make([]string, len(lab.List))
	for round := range 3 {
		for i, step := range lab.List {
			if round > 0 && i == len(lab.List)-1 {
				continue // it takes two seconds
			}
			r, err := http.NewRequest(step.Method, s.base+step.Path, strings.NewReader(step.Body))
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range step.Headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(resp.StatusCode, string(body)); got != demoAnswers[i] {
				t.Errorf("step %d, round %d: %s, want %s\n%s", i+1, round, got, demoAnswers[i], body)
			}
			if round == 0 {
				first[i] = string(body)
			} else if string(body) != first[i] {
				t.Errorf("step %d answers in round %d\n%s\nand at first\n%s", i+1, round, body, first[i])
			}
		}
	}
	// What README.md says is left afterwards.
	for name, want := range map[string]string{
		"copy/to/":       "/copy/to/ /copy/to/a.txt /copy/to/z.txt",
		"move/from/":     "/move/from/ /move/from/stuck.txt",
		"delete/":        "/delete/ /delete/sub/ /delete/sub/undying.txt",
		"locked/delete/": "/locked/delete/ /locked/delete/taken.txt",
		"locked/lock/":   "/locked/lock/ /locked/lock/a.txt /locked/lock/taken.txt",
	} {
		_, body := do(t, "PROPFIND", s.base+name, "", "Depth", "infinity")
		var hrefs []string
		for _, part := range strings.Split(body, "<D:response><D:href>")[1:] {
			href, _, _ := strings.Cut(part, "<")
			hrefs = append(hrefs, href)
		}
		if got := strings.Join(hrefs, " "); got != want {
			t.Errorf("left: %s, want %s", got, want)
		}
	}
	if log := s.stderr.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("log = %s", log)
	}
}

// summary returns the statuses and the conditions that stand in an answer.
func summary(status int, body string) string {
	var words []string
	for _, part := range strings.Split(body, "<D:")[1:] {
		if s, ok := strings.CutPrefix(part, "status>HTTP/1.1 "); ok {
			words = append(words, s[:3])
		}
		for _, c := range []string{"cannot-modify-protected-property", "sufficient-disk-space", "lock-token-submitted", "no-conflicting-lock"} {
			if strings.HasPrefix(part, c) {
				words = append(words, c)
			}
		}
	}
	return strconv.Itoa(status) + ": " + strings.Join(words, " ")
}

// Each command that is printed fits on a line, and is one that a shell reads as it is meant.
func TestDemoCommands(t *testing.T) {
	s := startCommand(t, "demo", "--addr", "127.0.0.1:0")
	var commands []string
	for line := range strings.Lines(s.stdout.String()) {
		if strings.HasPrefix(line, "curl ") {
			commands = append(commands, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(commands) != len(lab.List) {
		t.Fatalf("%d commands are printed, want %d", len(commands), len(lab.List))
	}
	for i, c := range commands {
		if want := lab.List[i].Command(s.base); c != want {
			t.Errorf("command %d = %s, want %s", i+1, c, want)
		}
		if strings.Count(c, "'")%2 != 0 || strings.Contains(lab.List[i].Body, "'") {
			t.Errorf("command %d has a quote that does not close: %s", i+1, c)
		}
	}
}
