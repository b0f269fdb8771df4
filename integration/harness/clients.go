package harness

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// RealClient returns the path of a program that the test drives. Where it is missing the test is
// skipped, or fails if DAV207_REQUIRE_CLIENTS is 1, as on machines that are supposed to have them
// all.
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

// CannotRun skips a test whose client is there but has not what it needs, or fails where clients
// are required.
func CannotRun(t testing.TB, msg string) {
	t.Helper()
	if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
}
