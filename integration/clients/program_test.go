package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dav207/integration/harness"
)

// eachProgram runs a test against the command with a tree in memory and with a directory. It fails
// the test if a temp file is left. dir is the directory, or "" for the tree in memory.
func eachProgram(t *testing.T, test func(t *testing.T, s *harness.Site, dir string), args ...string) {
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			dir, what := "", "--memory"
			if kind == "disk" {
				dir = t.TempDir()
				what = dir
			}
			test(t, startProgram(t, append([]string{what}, args...)...), dir)
			harness.NoTemps(t, dir)
		})
	}
}

// startProgram starts "dav207 serve" on a free port and stops it at the end of the test. The test
// fails if the command returns an error or answered a request with 500.
func startProgram(t testing.TB, args ...string) *harness.Site {
	t.Helper()
	return harness.StartProgramUnder(t, nil, args...)
}

// client is a program that the test runs, with its environment and working directory.
type client struct {
	testing.TB
	path string
	dir  string
	env  []string
}

// clientLimit is the timeout of a client.
const clientLimit = 5 * time.Minute

// limited returns the path of a program that runs another with the timeout clientLimit, and kills
// it with all its child processes. Processes that scripts leave running would keep a mount busy.
func limited(t testing.TB) string {
	return harness.RealClient(t, "timeout", "apt-get install coreutils")
}

const limit = "240"

// run runs the client and returns its standard output. It fails the test if the client fails or
// times out.
func (c *client) run(args ...string) string {
	c.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func (c *client) try(args ...string) (string, error) {
	// Cleanup functions also run clients, after t.Context was cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir, cmd.Env = c.dir, append(cmd.Environ(), c.env...)
	// Files, because background processes of a client would keep a pipe open.
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
