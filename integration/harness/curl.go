package harness

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Curl runs curl on the URL of a name and returns the answer. If there are several, as with a 401
// or 100, header and status are those of the last.
func (s *Site) Curl(name string, args ...string) (status int, header http.Header, body, trace string) {
	s.Helper()
	program := RealClient(s, "curl", "apt-get install curl")
	dir := s.TempDir()
	head, out := filepath.Join(dir, "head"), filepath.Join(dir, "out")
	args = append([]string{"-q", "--silent", "--show-error", "--verbose", "--max-time", "30", "--dump-header", head, "--output", out}, args...)
	cmd := exec.CommandContext(s.Context(), program, append(args, s.At(name))...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		s.Fatalf("curl %q: %v\n%s", args, err, errs.String())
	}
	b, err := os.ReadFile(head)
	if err != nil {
		s.Fatal(err)
	}
	for r := bufio.NewReader(bytes.NewReader(b)); ; {
		resp, err := http.ReadResponse(r, &http.Request{Method: "HEAD"})
		if err != nil {
			break
		}
		status, header = resp.StatusCode, resp.Header
	}
	b, _ = os.ReadFile(out) // curl creates no file for an empty body
	return status, header, string(b), errs.String()
}

// Upload creates a file for curl to send.
func Upload(t *testing.T, size int) (name string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(content)
	name = filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}
