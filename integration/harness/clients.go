package harness

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// RealClient returns the path of a program that the test runs. If it is missing the test is
// skipped, or fails if DAV207_REQUIRE_CLIENTS is 1, as in CI.
func RealClient(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	msg := fmt.Sprintf("%s is missing: %s", name, install)
	if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
	return ""
}

// CannotRun skips a test whose client is installed but cannot run here. It fails the test if
// DAV207_REQUIRE_CLIENTS is 1.
func CannotRun(t testing.TB, msg string) {
	t.Helper()
	if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
}
