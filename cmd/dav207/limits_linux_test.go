package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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

// serveProcess starts the command in a process of its own, and returns its URL.
func serveProcess(t *testing.T, args ...string) (base string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "DAV207_TEST_MAIN=1")
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
			body := fmt.Sprintf(`{"operations":[{"method":"PUT","url":"/f%d","body":%q,"base64":true},{"method":"GET","url":"/f%d"}]}`, i, content, i)
			res, err := http.Post(base+"$batch", "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			var got struct {
				Results []struct {
					Status int
					Data   string
				}
			}
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Results) != 2 {
				t.Errorf("batch %d: %s, %v", i, res.Status, err)
				return
			}
			for n, r := range got.Results {
				if r.Status >= 300 || n > 0 && r.Data != content {
					t.Errorf("item %d of batch %d = %d with %d bytes", n, i, r.Status, len(r.Data))
				}
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
