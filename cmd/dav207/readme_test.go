package main

import (
	"context"
	"crypto/x509"
	"flag"
	"go/format"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/cmd/dav207/certificate"
	"dav207/cmd/dav207/serve"
	"dav207/server/davtest/lab"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write what the commands in README.md answer into it")

// documents are the pages for people that are tested: what they show is what happens.
var documents = []string{"../../README.md", "README.md", "../../server/README.md", "../../server/davtest/README.md", "../../integration/README.md"}

// guide is the page on the command.
const guide = "README.md"

// volatile is what differs from run to run in the answers that README.md shows, and nothing else
// may: times, entity tags, lock tokens, durations. Each match is replaced before answers are
// compared.
var volatile = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`(?m)^(Date|Last-Modified): \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$`), "$1: TIME"},
	{regexp.MustCompile(`(?m)^(ETag): "[^"]+"$`), `$1: "TAG"`},
	{regexp.MustCompile(`"Last-Modified":"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT"`), `"Last-Modified":"TIME"`},
	{regexp.MustCompile(`"ETag":"\\"[^"\\]+\\""`), `"ETag":"\"TAG\""`},
	{regexp.MustCompile(`(?m)   [0-9.]+ ms to the first byte, [0-9.]+ ms to the end$`), "   TIMES"},
	{regexp.MustCompile(`(?m)^  (Date|Last-Modified): .* GMT$`), "  $1: TIME"},
	{regexp.MustCompile(`urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "urn:uuid:UUID"},
}

func withoutVolatile(s string) string {
	for _, v := range volatile {
		s = v.pattern.ReplaceAllString(s, v.replacement)
	}
	return s
}

// exchange is a command in README.md with what it answers there.
type exchange struct {
	command, answer string
	from, to        int // the lines of the answer
}

// exchanges returns the commands of a text in Markdown that are run: lines that begin with "$ curl "
// or "$ dav207 inspect " in a fenced block of kind console, each with the lines up to the next
// command or the end of the block.
func exchanges(lines []string) []exchange {
	var out []exchange
	console, open := false, -1
	end := func(i int) {
		if open >= 0 {
			e := &out[open]
			e.to, e.answer = i, strings.Join(lines[e.from:i], "\n")
		}
		open = -1
	}
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "```"):
			end(i)
			console = line == "```console"
		case console && strings.HasPrefix(line, "$ "):
			end(i)
			if command := strings.TrimPrefix(line, "$ "); strings.HasPrefix(command, "curl ") || strings.HasPrefix(command, "dav207 inspect ") {
				out, open = append(out, exchange{command: command, from: i + 1}), len(out)
			}
		}
	}
	return out
}

// TestReadme runs every command of the documents with curl or dav207 inspect as it stands, in its
// order, against "dav207 serve --memory" (port 8080 there), "dav207 demo" (port 8207 there) and
// "dav207 lab" (ports 8209 and 8210 there), and compares the answers.
func TestReadme(t *testing.T) {
	for _, program := range []string{"sh", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
				t.Fatalf("%s is missing: install it (apt-get install curl jq)", program)
			}
			if program == "jq" {
				continue // only some commands need it
			}
			t.Skipf("%s is missing: install it (apt-get install curl)", program)
		}
	}
	for _, name := range documents {
		t.Run(name, func(t *testing.T) { testDocument(t, name) })
	}
}

// testDocument runs the commands of one page against servers of its own.
func testDocument(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	all := exchanges(lines)
	tests := startCommand(t, "lab")
	servers := []struct{ there, here string }{
		{"http://127.0.0.1:8080/", startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0").base},
		{"http://127.0.0.1:8207/", startCommand(t, "demo", "--addr", "127.0.0.1:0").base},
		{"http://127.0.0.1:8209/", tests.base},
		{"http://127.0.0.1:8210/", tests.control()},
	}
	answers, path := make([]string, len(all)), os.Getenv("PATH")
	if strings.Contains(string(text), "dav207 inspect ") {
		path = buildCommand(t) + string(os.PathListSeparator) + path
	}
	for i, e := range all {
		command := e.command
		for _, s := range servers {
			command = strings.ReplaceAll(command, s.there, s.here)
		}
		if command == e.command {
			t.Errorf("line %d: %s is for none of the servers", e.from, e.command)
			continue
		}
		if _, err := exec.LookPath("jq"); err != nil && strings.Contains(command, "| jq") {
			t.Logf("line %d is not run: jq is missing: install it (apt-get install jq)", e.from)
			answers[i] = e.answer
			continue
		}
		got := shell(t, command, path)
		for _, s := range servers {
			got = strings.ReplaceAll(got, s.here, s.there)
		}
		answers[i] = got
		if withoutVolatile(got) == withoutVolatile(e.answer) {
			answers[i] = e.answer
		} else if !*update {
			t.Errorf("line %d: %s\nanswers\n%s\n%s says\n%s", e.from, e.command, got, name, e.answer)
		}
	}
	if *update {
		for i, e := range slices.Backward(all) {
			lines = slices.Replace(lines, e.from, e.to, strings.Split(answers[i], "\n")...)
		}
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// buildCommand builds dav207 and returns its directory.
func buildCommand(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "dav207"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// shell returns what a command prints, with the line ends of text and none at the end.
func shell(t *testing.T, command, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = t.TempDir()
	// Neither a proxy nor the settings of the user who runs the test.
	cmd.Env = []string{"PATH=" + path, "HOME=" + cmd.Dir, "SystemRoot=" + os.Getenv("SystemRoot")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	return strings.TrimRight(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n")
}

// README.md shows the commands of the demonstration, all of them and no others.
func TestReadmeShowsDemo(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	const base = "http://127.0.0.1:8207/"
	var got, want []string
	for _, e := range exchanges(strings.Split(string(text), "\n")) {
		if strings.Contains(e.command, base) && !strings.Contains(e.command, "dav207 inspect ") {
			got = append(got, e.command)
		}
	}
	for _, s := range lab.List {
		want = append(want, s.Command(base))
	}
	if !slices.Equal(got, want) {
		t.Errorf("README.md has\n%s\nthe demonstration has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// README.md shows what "dav207 serve" prints.
func TestReadmeShowsServe(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	const base = "http://127.0.0.1:8080/"
	if want := " at " + base + "\n" + serve.MountHints(base); !strings.Contains(string(text), want) {
		t.Errorf("README.md does not hold\n%s", want)
	}
}

// README.md shows what is printed with TLS, and how clients are told to trust the certificate.
func TestReadmeShowsTLS(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	hints := strings.SplitAfter(certificate.TrustHints("/self-signed.crt", &x509.Certificate{}), "\n")
	for _, want := range []string{serve.MountHints("https://127.0.0.1:8443/"), strings.Join(hints[2:], "")} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README.md does not hold\n%s", want)
		}
	}
}

// README.md names every flag.
func TestReadmeNamesFlags(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		flags, _ := c.Flags()
		flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(string(text), "`--"+f.Name) {
				t.Errorf("README.md does not speak of dav207 %s --%s", c.Name, f.Name)
			}
		})
	}
}

// README.md has each metric of the server's own.
func TestReadmeNamesMetrics(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	s, monitor := startMonitored(t, t.TempDir())
	do(t, "PUT", s.base+"f", "x")
	do(t, "PROPFIND", s.base, "")
	_, metrics := do(t, "GET", monitor+"/metrics", "")
	names := regexp.MustCompile(`(?m)^# TYPE (dav207_\S+)`).FindAllStringSubmatch(metrics, -1)
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name[1]+"`") {
			t.Errorf("README.md does not speak of %s", name[1])
		}
	}
	if len(names) != 11 {
		t.Errorf("%d metrics, want 11", len(names))
	}
}

// The programs in the documents are formatted as gofmt does it, and so they are Go.
func TestReadmeGo(t *testing.T) {
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "\n```go\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			if got, err := format.Source([]byte(block)); err != nil || string(got) != block {
				t.Errorf("%s, block %d: %v, formatted\n%s", name, i+1, err, got)
			}
		}
	}
}

// The batch endpoint in server/README.md is the one that is run as an example.
func TestReadmeShowsExample(t *testing.T) {
	page, err := os.ReadFile("../../server/README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../server/multistatus/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	const start = "func closeTickets("
	_, shown, _ := strings.Cut(string(page), "```go\n"+start)
	shown, _, _ = strings.Cut(shown, "```")
	if shown == "" || !strings.Contains(string(example), start+shown) || strings.Count(shown, "\n") > 20 {
		t.Errorf("server/README.md shows in more than 20 lines, or not as in the example\n%s%s", start, shown)
	}
}

// Links within the repository lead somewhere, and README.md is short.
func TestReadmeLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages := append(slices.Clone(documents), "../../.github/ARCHITECTURE.md", "../../.github/CONTRIBUTING.md", "../../.github/CHANGELOG.md")
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		if n := strings.Count(string(text), "\n"); name == documents[0] && n > 150 {
			t.Errorf("%s has %d lines, want at most 150", name, n)
		}
	}
}

func TestExchanges(t *testing.T) {
	text := "# x\n```console\n$ curl a\nA\n\nB\n$ other\nO\n$ curl b\n```\n$ curl no\n```sh\n$ curl no\n```\n```console\n$ curl c\nC\n```\n"
	var got []string
	for _, e := range exchanges(strings.Split(text, "\n")) {
		got = append(got, e.command+"="+e.answer)
	}
	if want := []string{"curl a=A\n\nB", "curl b=", "curl c=C"}; !slices.Equal(got, want) {
		t.Errorf("exchanges = %q, want %q", got, want)
	}
}

// What is volatile is replaced, and what only looks like it is not.
func TestWithoutVolatile(t *testing.T) {
	now := time.Now().UTC().Format(http.TimeFormat)
	for in, want := range map[string]string{
		"Date: " + now:                     "Date: TIME",
		"a\nLast-Modified: " + now + "\nb": "a\nLast-Modified: TIME\nb",
		`ETag: "1-2"`:                      `ETag: "TAG"`,
		`ETag: W/"1-2"`:                    `ETag: W/"1-2"`,
		`{"ETag":"\"1-2\"","Last-Modified":"` + now + `"}`: `{"ETag":"\"TAG\"","Last-Modified":"TIME"}`,
		`"ETag":"W/\"1-2\""`:                                     `"ETag":"W/\"1-2\""`,
		"<urn:uuid:01234567-89ab-cdef-0123-456789abcdef>":        "<urn:uuid:UUID>",
		"<D:status>HTTP/1.1 507 Insufficient Storage</D:status>": "<D:status>HTTP/1.1 507 Insufficient Storage</D:status>",
		"<D:href>/Date: " + now + "</D:href>":                    "<D:href>/Date: " + now + "</D:href>",
		"Content-Length: 12":                                     "Content-Length: 12",
	} {
		if got := withoutVolatile(in); got != want {
			t.Errorf("withoutVolatile(%q) = %q, want %q", in, got, want)
		}
	}
}
