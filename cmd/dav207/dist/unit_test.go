// Package dist tests what packages of dav207 are made of: units of systemd, and a Containerfile.
package dist

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// maxExposure is the upper bound of the exposure that systemd-analyze calculates, in tenths: 0 is
// best, 100 is a service without any restriction.
const maxExposure = "16"

// installed returns a directory with the units, whose command is there.
func installed(t *testing.T) string {
	t.Helper()
	program, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"dav207.service", "dav207.socket"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/dav207"), []byte(program))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// systemd finds no mistake in the units, and little that an attacker could do.
func TestUnits(t *testing.T) {
	analyze := harness.RealClient(t, "systemd-analyze", "install it (apt-get install systemd)")
	dir := installed(t)
	for _, args := range []string{
		"verify --man=no dav207.service dav207.socket",
		"security --offline=true --threshold=" + maxExposure + " dav207.service",
	} {
		cmd := exec.Command(analyze, strings.Fields(args)...)
		cmd.Dir = dir
		// verify looks for units relative to the directory by their paths alone.
		for i, arg := range cmd.Args {
			if strings.HasPrefix(arg, "dav207.") {
				cmd.Args[i] = filepath.Join(dir, arg)
			}
		}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.HasPrefix(args, "verify") && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args, err, out)
		}
	}
}

// allowedCalls returns the system calls that the unit lets through.
func allowedCalls(t *testing.T, analyze string) map[string]bool {
	t.Helper()
	unit, err := os.ReadFile("dav207.service")
	if err != nil {
		t.Fatal(err)
	}
	var members func(name string) []string
	members = func(name string) (all []string) {
		if !strings.HasPrefix(name, "@") {
			return []string{name}
		}
		out, err := exec.Command(analyze, "--no-pager", "syscall-filter", name).Output()
		if err != nil {
			t.Fatalf("systemd-analyze syscall-filter %s: %v", name, err)
		}
		for _, line := range strings.Split(string(out), "\n")[1:] {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				all = append(all, members(line)...)
			}
		}
		return all
	}
	calls := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(unit), -1) {
		for _, name := range strings.Fields(m[2]) {
			for _, call := range members(name) {
				calls[call] = m[1] == ""
			}
		}
	}
	if len(calls) < 100 {
		t.Fatalf("the unit has a filter of %d system calls", len(calls))
	}
	return calls
}

// The filter of the unit lets every system call through that the server makes.
func TestUnitSystemCalls(t *testing.T) {
	analyze := harness.RealClient(t, "systemd-analyze", "install it (apt-get install systemd)")
	strace := harness.RealClient(t, "strace", "install it (apt-get install strace)")
	if out, err := exec.Command(strace, "-qq", "true").CombinedOutput(); err != nil {
		harness.CannotRun(t, "strace cannot run here: "+string(out))
	}
	calls := allowedCalls(t, analyze)
	trace, expected := filepath.Join(t.TempDir(), "trace"), []string{"openat2", "renameat", "fsync", "flock"}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Run("serve", func(t *testing.T) {
		dir := t.TempDir()
		s := harness.StartProgramUnder(t, []string{strace, "-D", "-f", "-o", trace}, "--fsync", "--tls-self-signed", "--state", filepath.Join(t.TempDir(), "state.db"), dir)
		useServer(t, s)
		others := filepath.Join(dir, "others") // whose owner a new version keeps
		if err := os.WriteFile(others, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if os.Chown(others, 12345, 12345) == nil {
			s.Want(204, "PUT", "/others", "new")
			expected = append(expected, "fchown")
		}
	})
	var text []byte
	for end := time.Now().Add(20 * time.Second); !bytes.Contains(text, []byte("+++ exited with 0 +++")); time.Sleep(10 * time.Millisecond) {
		var err error
		if text, err = os.ReadFile(trace); err != nil || time.Now().After(end) {
			t.Fatalf("the trace has no end: %v", err)
		}
	}
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z_0-9]+)\(`).FindAllSubmatch(text, -1) {
		made[string(m[1])] = true
	}
	for _, call := range expected {
		if !made[call] && !made[call+"2"] {
			t.Errorf("the server did not call %s, so it did not do enough", call)
		}
	}
	for call := range made {
		if !calls[call] && call != "execve" { // strace makes that one
			t.Errorf("the unit refuses the system call %s", call)
		}
	}
}
