package inspect_test

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"dav207/server/multistatus"
	"dav207/server/multistatus/inspect"
)

// readExchange reads a saved answer to the request in text, which may be "".
func readExchange(t *testing.T, request string, answer []byte) *inspect.Exchange {
	t.Helper()
	target := &inspect.Request{}
	if request != "" {
		head, body, _ := strings.Cut(request, "\n\n")
		lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
		words := strings.Fields(lines[0])
		u, err := url.Parse(words[1])
		if err != nil {
			t.Fatal(err)
		}
		target = &inspect.Request{Method: words[0], URL: u, Header: make(http.Header), Body: []byte(body)}
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			target.Header.Add(textproto.CanonicalMIMEHeaderKey(name), value)
		}
	}
	x, err := inspect.ReadSaved(bytes.NewReader(answer), target)
	if err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	return x
}

// names returns the names of the rules that were found to be broken, each once.
func names(r *inspect.Report) []string {
	var out []string
	for _, f := range r.Findings {
		if !slices.Contains(out, f.Name) {
			out = append(out, f.Name)
		}
	}
	return out
}

// TestRules holds each rule against the answers of testdata/rules: those that break it, and those
// that break none. The first line of a file has the section, "also" the rules that are broken with
// it.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	tested := map[string]bool{}
	for _, file := range files {
		base := strings.TrimSuffix(filepath.Base(file), ".txt")
		i := slices.IndexFunc(inspect.Rules(), func(r *multistatus.Rule) bool {
			return r.Name == base
		})
		for rest := base; i < 0 && strings.Contains(rest, "-"); { // NAME-CASE.txt
			rest = rest[:strings.LastIndex(rest, "-")]
			i = slices.IndexFunc(inspect.Rules(), func(r *multistatus.Rule) bool { return r.Name == rest })
		}
		if i < 0 {
			t.Errorf("%s is for no rule", file)
			continue
		}
		rule := inspect.Rules()[i]
		tested[rule.Name] = true
		t.Run(base, func(t *testing.T) { testRule(t, file, rule) })
	}
	for _, r := range inspect.Rules() {
		if !tested[r.Name] && r.Name != "too-large" { // see TestTooLarge
			t.Errorf("no file tests the rule %s", r.Name)
		}
	}
}

func testRule(t *testing.T, file string, rule *multistatus.Rule) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment := string(a.Comment)
	if !strings.HasPrefix(comment, rule.Section+": ") {
		t.Errorf("the file begins with %q, want the section %s", comment, rule.Section)
	}
	_, also, _ := strings.Cut(comment, "\nalso: ")
	request, wrong, right := "", 0, 0
	for i, s := range a.Files {
		switch s.Name {
		case "request":
			request = string(s.Data)
		case "wrong":
			wrong++
			r := inspect.Judge(readExchange(t, request, s.Data), 0)
			got := names(r)
			if !slices.Contains(got, rule.Name) {
				t.Errorf("section %d: found %q, want %s\n%s", i+1, got, rule.Name, s.Data)
			}
			for _, name := range got {
				if name != rule.Name && !slices.Contains(strings.Fields(also), name) {
					t.Errorf("section %d: found %v, too", i+1, r.Findings)
				}
			}
			if !rule.Advice && r.Outcome < inspect.Broken {
				t.Errorf("section %d: outcome %d, want 4", i+1, r.Outcome)
			}
		case "right":
			right++
			if r := inspect.Judge(readExchange(t, request, s.Data), 0); len(r.Findings) > 0 {
				t.Errorf("section %d: found %v\n%s", i+1, r.Findings, s.Data)
			}
		default:
			t.Errorf("a section is called %q", s.Name)
		}
	}
	if wrong == 0 || right == 0 {
		t.Errorf("%d answers are wrong and %d right, want some of both", wrong, right)
	}
}
