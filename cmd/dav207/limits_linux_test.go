package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// peakMemory returns the most memory that a process has had, in MiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatal("no VmHWM")
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n >> 10
}

// serveProcess starts the command in a process of its own, and returns its URL. It is built without
// the race detector, which takes memory for itself.
func serveProcess(t *testing.T, args ...string) (base string, pid int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(buildCommand(t), "dav207"), append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	base = awaitURL(stdout)
	go io.Copy(io.Discard, stdout)
	return base, cmd.Process.Pid
}

// All batches together take little more memory than two large ones, and all are answered: large
// items and large results wait for each other, in temp files.
func TestMemoryOfBatches(t *testing.T) {
	base, pid := serveProcess(t, t.TempDir())
	content := base64.StdEncoding.EncodeToString(make([]byte, 11<<20))
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			name := strconv.Itoa(i)
			body := `{"operations":[{"method":"PUT","url":"/f` + name + `","body":"` + content + `","base64":true},{"method":"GET","url":"/f` + name + `"}]}`
			post := func() (*http.Response, error) {
				return http.Post(base+"$batch", "application/json", strings.NewReader(body))
			}
			res, err := post()
			for tries := 0; err == nil && res.StatusCode == 503 && tries < 3; tries++ { // it has waited for 10 s, on a slow machine
				res.Body.Close()
				res, err = post()
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode >= 300 || !bytes.Contains(got, []byte(content)) {
				t.Errorf("batch %d: %s, %d bytes, %v", i, res.Status, len(got), err)
			}
		})
	}
	wait.Wait()
	if peak := peakMemory(t, pid); peak > 350 {
		t.Errorf("the server has taken %d MiB", peak)
	} else {
		t.Logf("%d MiB", peak)
	}
}
