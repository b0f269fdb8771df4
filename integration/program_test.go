package integration

import (
	"bufio"
	"context"
	"errors"
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
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// programDir holds the command, "" before it is built.
var programDir string

// program builds the command once, as it is shipped, and returns its path. With the race detector in the tests it is in the
// command, too.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dav207-integration-")
	if err != nil {
		return "", err
	}
	programDir = dir
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	out, err := exec.Command("go", append(args, "dav207/cmd/dav207")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "dav207"), err
})

// eachProgram runs a test against the command, which serves a tree in memory and then a directory, and looks afterwards
// that no upload left anything behind. dir is the directory, "" for the tree in memory.
func eachProgram(t *testing.T, test func(t *testing.T, s *site, dir string), args ...string) {
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			dir, what := "", "--memory"
			if kind == "disk" {
				dir = t.TempDir()
				what = dir
			}
			test(t, startProgram(t, append([]string{what}, args...)...), dir)
			noAsides(t, dir)
		})
	}
}

// startProgram starts "dav207 serve" on a free port. It ends with the test, which fails if the command does not end well,
// or has answered 500 to anything: what a client does is no reason for that.
func startProgram(t testing.TB, args ...string) *site {
	t.Helper()
	return startProgramUnder(t, nil, args...)
}

// startProgramUnder is startProgram by way of another program, which takes the command and its arguments as its last ones.
func startProgramUnder(t testing.TB, other []string, args ...string) *site {
	t.Helper()
	p := launchUnder(t, other, args...)
	t.Cleanup(p.stop)
	return p.site
}

// process is the running command.
type process struct {
	*site
	cmd *exec.Cmd
	log *os.File
}

// launch starts "dav207 serve" and returns when it says where it is. Who calls it ends it, with stop or with kill.
func launch(t testing.TB, args ...string) *process {
	t.Helper()
	return launchUnder(t, nil, args...)
}

func launchUnder(t testing.TB, other []string, args ...string) *process {
	t.Helper()
	p := prepareUnder(t, other, args...)
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	base := programURL.FindString(line)
	root, badURL := url.Parse(base)
	if err != nil || badURL != nil || root.Host == "" {
		p.cmd.Process.Kill()
		said, _ := os.ReadFile(p.log.Name())
		t.Fatalf("dav207 %q says %q, %v\n%s", args, line, err, said)
	}
	go io.Copy(io.Discard, stdout)
	p.site = &site{TB: t, url: root.Scheme + "://" + root.Host, prefix: strings.TrimSuffix(root.Path, "/"), client: &http.Client{}}
	return p
}

// prepare is launch without starting anything.
func prepare(t testing.TB, args ...string) *process {
	t.Helper()
	return prepareUnder(t, nil, args...)
}

func prepareUnder(t testing.TB, other []string, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	// Not bound to t.Context, which ends before what the test leaves to Cleanup is done.
	whole := slices.Concat(other, []string{path, "serve", "--addr", "127.0.0.1:0", "--log-level", "debug"}, args)
	cmd := exec.Command(whole[0], whole[1:]...)
	cmd.Stderr = log
	t.Cleanup(func() { // where the test gave up
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return &process{site: &site{TB: t}, cmd: cmd, log: log}
}

var (
	programURL     = regexp.MustCompile(`https?://127\.0\.0\.1:[^ ,\n]+`)
	programTrouble = regexp.MustCompile(`(?m)^.*(status=500|DATA RACE|panic|http: superfluous).*$`)
)

// stop ends the process as a user does.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Errorf("dav207 is gone: %v", err)
	}
	late := time.AfterFunc(30*time.Second, func() { p.cmd.Process.Kill() })
	if err := p.cmd.Wait(); err != nil {
		p.Errorf("dav207 ended with %v", err)
	}
	late.Stop()
	p.troubles()
}

// kill ends the process without a word to it.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil {
		p.Errorf("dav207 is gone: %v", err)
	}
	p.cmd.Wait() // says that it was killed
	p.troubles()
}

// troubles reports what a process that has ended should not have logged.
func (p *process) troubles() {
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
		p.Logf("the last that dav207 logged:\n%s", strings.Join(lines[max(0, len(lines)-50):], ""))
	}
}

// client is a program that the test drives, with the environment and the directory that it runs in.
type client struct {
	testing.TB
	path string
	dir  string
	env  []string
}

// clientLimit is the time that a client has.
const clientLimit = 5 * time.Minute

// limited returns the path of a program that runs another, which stands behind the argument limit, and ends it with all
// that it started when it takes too long: scripts leave processes behind that would keep a mount busy.
func limited(t testing.TB) string { return realClient(t, "timeout", "apt-get install coreutils") }

const limit = "240"

// run runs the client and returns what it wrote to standard output. It fails the test if that does not end well in time.
func (c *client) run(args ...string) string {
	c.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func (c *client) try(args ...string) (string, error) {
	// Cleanup uses clients, too, when t.Context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir, cmd.Env = c.dir, append(cmd.Environ(), c.env...)
	// Files, since what a client leaves running in the background would keep a pipe open.
	stdout, stderr := outputFile(c), outputFile(c)
	defer os.Remove(stdout.Name())
	defer os.Remove(stderr.Name())
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	stdout.Close()
	stderr.Close()
	said, _ := os.ReadFile(stdout.Name())
	if ctx.Err() != nil {
		err = errors.Join(err, fmt.Errorf("not done after %v", clientLimit))
	}
	if err != nil {
		complained, _ := os.ReadFile(stderr.Name())
		err = fmt.Errorf("%s %q: %w\n%s%s", filepath.Base(c.path), args, err, said, complained)
	}
	return string(said), err
}

func outputFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp("", "dav207-output-")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
