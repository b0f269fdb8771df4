package harness

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Main runs the tests of a package and removes the command if they built it.
func Main(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// programDir is the directory of the command, or "" before it is built.
var programDir string

// HasRaceDetector reports whether the tests, and so the command, have the race detector.
func HasRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Program builds the command once and returns its path. The command has the race detector if the
// tests have it.
var Program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dav207-integration-")
	if err != nil {
		return "", err
	}
	programDir = dir
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if HasRaceDetector() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "dav207/cmd/dav207")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "dav207"), err
})

// StartProgramUnder starts "dav207 serve" through another program, such as strace, whose last
// arguments are the command and its arguments. It is stopped at the end of the test.
func StartProgramUnder(t testing.TB, other []string, args ...string) *Site {
	t.Helper()
	p := launchUnder(t, other, args...)
	t.Cleanup(p.Stop)
	return p.Site
}

// Process is the running command.
type Process struct {
	*Site
	Cmd *exec.Cmd
	log *os.File
}

// Launch starts "dav207 serve" and returns when it has printed its URL. The caller must call Stop
// or Kill.
func Launch(t testing.TB, args ...string) *Process {
	t.Helper()
	return launchUnder(t, nil, args...)
}

func launchUnder(t testing.TB, other []string, args ...string) *Process {
	t.Helper()
	p := PrepareUnder(t, other, args...)
	stdout, err := p.Cmd.StdoutPipe()
	if err == nil {
		err = p.Cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	base := ProgramURL.FindString(line)
	root, badURL := url.Parse(base)
	if err != nil || badURL != nil || root.Host == "" {
		p.Cmd.Process.Kill()
		said, _ := os.ReadFile(p.log.Name())
		t.Fatalf("dav207 %q prints %q, %v\n%s", args, line, err, said)
	}
	go io.Copy(io.Discard, stdout)
	p.Site = &Site{TB: t, URL: root.Scheme + "://" + root.Host, Prefix: strings.TrimSuffix(root.Path, "/"), Client: &http.Client{}}
	return p
}

// PrepareUnder returns the command through another program, as StartProgramUnder does, without
// starting it.
func PrepareUnder(t testing.TB, other []string, args ...string) *Process {
	t.Helper()
	path, err := Program()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	// Not exec.CommandContext: t.Context is cancelled before the cleanup functions run.
	whole := slices.Concat(other, []string{path, "serve", "--addr", "127.0.0.1:0"}, args)
	if !slices.Contains(args, "--log-level") {
		whole = append(whole, "--log-level", "debug")
	}
	cmd := exec.Command(whole[0], whole[1:]...)
	cmd.Stderr = log
	t.Cleanup(func() { // in case the test ended without Stop or Kill
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return &Process{Site: &Site{TB: t}, Cmd: cmd, log: log}
}

var (
	// ProgramURL matches the URL in the output of the command.
	ProgramURL     = regexp.MustCompile(`https?://127\.0\.0\.1:[^ ,\n]+`)
	programTrouble = regexp.MustCompile(`(?m)^.*(status=500|DATA RACE|panic|http: superfluous).*$`)
)

// Stop ends the process with SIGTERM and waits for it.
func (p *Process) Stop() {
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Errorf("dav207 is gone: %v", err)
	}
	late := time.AfterFunc(30*time.Second, func() { p.Cmd.Process.Kill() })
	if err := p.Cmd.Wait(); err != nil {
		p.Errorf("dav207 ended with %v", err)
	}
	late.Stop()
	p.checkLog()
}

// Kill ends the process with SIGKILL.
func (p *Process) Kill() {
	if err := p.Cmd.Process.Kill(); err != nil {
		p.Errorf("dav207 is gone: %v", err)
	}
	p.Cmd.Wait() // the error is that it was killed
	p.checkLog()
}

// Quit ends the process with SIGQUIT, as a crash would, and returns the stacks of its goroutines,
// which the runtime prints then.
func (p *Process) Quit() (stacks string) {
	if err := p.Cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		p.Errorf("dav207 is gone: %v", err)
	}
	p.Cmd.Wait() // the error is that it was ended
	said, _ := os.ReadFile(p.log.Name())
	log, stacks, _ := strings.Cut(string(said), "SIGQUIT: quit")
	if err := os.WriteFile(p.log.Name(), []byte(log), 0o600); err != nil {
		p.Error(err)
	}
	p.checkLog()
	return stacks
}

// checkLog fails the test if the process, which has ended, logged an internal error.
func (p *Process) checkLog() {
	p.log.Close()
	said, err := os.ReadFile(p.log.Name())
	if err != nil {
		p.Error(err)
	}
	for _, line := range programTrouble.FindAllString(string(said), -1) {
		p.Errorf("dav207 logged: %s", line)
	}
	if p.Failed() {
		lines := strings.SplitAfter(string(said), "\n")
		p.Logf("end of dav207's log:\n%s", strings.Join(lines[max(0, len(lines)-50):], ""))
	}
}

var residentLine = regexp.MustCompile(`(?m)^(VmHWM|RssAnon|VmRSS):\s+(\d+) kB$`)

// ResidentKiB returns the resident memory of a process, or 0 on a system without /proc.
func ResidentKiB(pid int) int { return residentKiB(pid, "VmRSS") }

// AnonymousKiB returns the resident memory of a process without that of mapped files.
func AnonymousKiB(pid int) int { return residentKiB(pid, "RssAnon") }

// MostResidentKiB returns the most that ResidentKiB was.
func MostResidentKiB(pid int) int { return residentKiB(pid, "VmHWM") }

func residentKiB(pid int, which string) (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, m := range residentLine.FindAllSubmatch(status, -1) {
		if string(m[1]) == which {
			kib, _ = strconv.Atoi(string(m[2]))
		}
	}
	return kib
}
