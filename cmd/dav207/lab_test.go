package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// control returns the URL of the control API of a lab.
func (s *instance) control() string {
	_, rest, _ := strings.Cut(s.stdout.String(), "control API is at ")
	return strings.TrimSuffix(rest, "\n")
}

// TestLabMistakes are mistakes in files: one line with the file and the line, and exit status 2.
func TestLabMistakes(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--faults", file("f.json", "{\"faults\": [\n{\"path\": \"/a\", \"stat\": 1}]}")}, `f.json: line 2: a fault has no "stat": it has method, path`},
		{[]string{"--faults", filepath.Join(dir, "none")}, "none: "},
		{[]string{"--tree", file("t.txt", "-- /a --\n-- b --\n")}, `t.txt: line 2: no section is called "b"`},
		{[]string{"--tree", filepath.Join(dir, "none")}, "none: "},
		{[]string{"--users", "jane"}, `"jane" is not NAME:PASSWORD`},
		{[]string{"--control", "0.0.0.0:0"}, "is not a loopback address"},
		{[]string{"--persona", "lighttpd"}, `there is no persona "lighttpd": they are apache, iis, nextcloud, nginx, sabre, xnet`},
		{[]string{"x"}, "no argument"},
		{[]string{"--ready-file", filepath.Join(dir, "none", "r")}, "none: "},
		{[]string{"--ready-file", dir}, "is a directory"},
		{[]string{"--ready-file", filepath.Join(file("plain", ""), "r")}, "plain"},
	} {
		var stdout, stderr strings.Builder
		code := run(t.Context(), append([]string{"lab"}, tt.args...), &stdout, &stderr)
		if got := stderr.String(); code != 2 || !strings.Contains(got, tt.want) || strings.Count(got, "\n") != 1 || stdout.String() != "" {
			t.Errorf("lab %q = %d, %q, want 2 and %q", tt.args, code, got, tt.want)
		}
	}
}

// TestLab serves a directory, which it never writes, and ends with its parent.
func TestLab(t *testing.T) {
	dir, ready := t.TempDir(), filepath.Join(t.TempDir(), "ready.json")
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("a\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "dav207")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "lab", "--tree", dir, "--users", "jane:secret", "--persona", "nginx", "--ready-file", ready, "--with-parent")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var urls struct{ URL, Control string }
	for b := []byte(nil); len(b) == 0 && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if b, err = os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(b, &urls); err != nil {
				t.Fatalf("ready file %q: %v", b, err)
			}
		}
	}
	send := func(method, url string) (int, string) {
		req, err := http.NewRequest(method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(url, urls.URL) {
			req.SetBasicAuth("jane", "secret")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if status, body := send("GET", urls.URL+"a.txt"); status != 200 || body != "a\n" {
		t.Errorf("GET = %d %q", status, body)
	}
	if status, body := send("PROPPATCH", urls.URL+"a.txt"); status != 405 || !strings.HasSuffix(body, "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n") {
		t.Errorf("PROPPATCH = %d %s, want that of nginx", status, body)
	}
	if status, _ := send("DELETE", urls.URL+"a.txt"); status != 204 {
		t.Errorf("DELETE = %d", status)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.txt")); err != nil {
		t.Errorf("the directory was written: %v", err)
	}
	if status, _ := send("POST", urls.Control+"reset"); status != 204 {
		t.Errorf("reset = %d", status)
	}
	if status, _ := send("GET", urls.URL+"a.txt"); status != 200 {
		t.Errorf("GET after the reset = %d", status)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the lab ended with %v", err)
	}
	if _, err := os.Stat(ready); err == nil {
		t.Error("the ready file is still there")
	}
}

// TestReadyFile: a file that a killed lab left is gone before the next one serves, and a lab that
// ends leaves the file of another one.
func TestReadyFile(t *testing.T) {
	ready, faults := filepath.Join(t.TempDir(), "ready.json"), filepath.Join(t.TempDir(), "faults.json")
	left := func(content string) {
		t.Helper()
		if err := os.WriteFile(ready, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	left("{}")
	if err := os.WriteFile(faults, []byte("no JSON"), 0o666); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"lab", "--ready-file", ready, "--faults", faults}, io.Discard, io.Discard); code != 2 {
		t.Errorf("exit status %d, want 2", code)
	}
	if b, err := os.ReadFile(ready); err == nil {
		t.Errorf("the lab did not start, and %s is still there: %s", ready, b)
	}
	for _, next := range []string{"", "of another lab"} {
		left("{}")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan int)
		go func() { ended <- run(ctx, []string{"lab", "--ready-file", ready}, io.Discard, io.Discard) }()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if b, _ := os.ReadFile(ready); strings.Contains(string(b), "control") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the lab does not serve")
			}
		}
		if next != "" {
			left(next)
		}
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit status %d", code)
		}
		if b, err := os.ReadFile(ready); string(b) != next || (err == nil) != (next != "") {
			t.Errorf("the ready file at the end: %q, %v, want %q", b, err, next)
		}
	}
}
