package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"dav207/integration/harness"
)

// litmusSuites are the suites of litmus 0.13 with the number of their tests. The test fails if
// litmus runs fewer.
var litmusSuites = []struct {
	name  string
	tests int
	// warnings maps the warnings that litmus may print to the reasons why we accept them.
	warnings map[string]string
}{
	{"basic", 16, nil},
	{"copymove", 13, nil},
	{"props", 30, nil},
	{"locks", 41, nil},
	{"http", 4, nil},
}

var (
	litmusSummary = regexp.MustCompile("<- summary for `(\\w+)': of (\\d+) tests run: (\\d+) passed, (\\d+) failed")
	litmusWarning = regexp.MustCompile(`WARNING: (.*)`)
	litmusTrouble = regexp.MustCompile(`(?m)^ *\d+\. .*(FAIL|SKIPPED|XFAIL).*$`)
)

// TestLitmus runs every suite of litmus. It tests single resources, and no multistatus with failed
// members.
func TestLitmus(t *testing.T) {
	litmus := harness.RealClient(t, "litmus", "apt-get install litmus")
	for _, prefix := range []string{"/", "/a b/dav"} {
		eachProgram(t, func(t *testing.T, s *harness.Site, _ string) {
			for _, suite := range litmusSuites {
				t.Run(suite.name, func(t *testing.T) { runLitmus(t, s, litmus, suite.name, suite.tests, suite.warnings) })
			}
		}, "--prefix", prefix)
	}
}

func runLitmus(t *testing.T, s *harness.Site, litmus, suite string, tests int, warnings map[string]string) {
	cmd := exec.CommandContext(t.Context(), litmus, "-k", s.At("/"))
	cmd.Dir = t.TempDir() // litmus writes logs into its working directory
	cmd.Env = append(cmd.Environ(), "TESTS="+suite)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("litmus: %v", err)
	}
	sum := litmusSummary.FindStringSubmatch(string(out))
	want := []string{suite, strconv.Itoa(tests), strconv.Itoa(tests), "0"}
	if sum == nil || !slices.Equal(sum[1:], want) {
		t.Errorf("summary = %q, want %q", sum, want)
	}
	for _, line := range litmusTrouble.FindAllString(string(out), -1) {
		t.Error(line)
	}
	met := map[string]bool{}
	for _, w := range litmusWarning.FindAllStringSubmatch(string(out), -1) {
		met[w[1]] = true
		if warnings[w[1]] == "" {
			t.Errorf("unexpected warning: %s", w[1])
		}
	}
	for w := range warnings {
		if !met[w] {
			t.Errorf("litmus no longer prints the warning %q", w)
		}
	}
	if t.Failed() {
		log, _ := os.ReadFile(filepath.Join(cmd.Dir, "debug.log"))
		t.Logf("output of litmus:\n%s\nlog:\n%s", out, log)
	}
}
