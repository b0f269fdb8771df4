//go:build unix

package crash

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/integration/harness"
)

// A server that is killed in the midst of its work leaves whole files under every name, each with
// one of the contents that it was given; a collection that was being replaced is there, or what
// replaces it is, once the tree was swept; and nothing of its temp files can be seen.
func TestKilled(t *testing.T) {
	path, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	replaced := false
	for i := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, path, "serve", "--addr", "127.0.0.1:0", dir)
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		line, err := bufio.NewReader(stdout).ReadString('\n')
		root, badURL := url.Parse(harness.ProgramURL.FindString(line))
		if err != nil || badURL != nil || root.Host == "" {
			cancel()
			t.Fatalf("dav207 says %q, %v", line, err)
		}
		s := &harness.Site{TB: t, URL: "http://" + root.Host, Client: &http.Client{}}
		var busy sync.WaitGroup
		for worker := range 3 {
			busy.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					letter := string(rune('a' + (worker+n)%26))
					switch worker {
					case 0: // one file, again and again, and copies and moves over others
						s.Try("PUT", "/f", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("COPY", "/f", nil, "Destination", "dest:/g")
						s.Try("MOVE", "/g", nil, "Destination", "dest:/h")
					case 1: // collections that replace each other
						s.Try("MKCOL", "/new", nil)
						s.Try("PUT", "/new/1", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("PUT", "/new/2", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("MOVE", "/new", nil, "Destination", "dest:/t")
					case 2: // and files
						s.Try("MKCOL", "/x", nil)
						s.Try("PUT", "/x/1", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("PUT", "/y", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("MOVE", "/y", nil, "Destination", "dest:/x")
						s.Try("DELETE", "/x", nil)
					}
				}
			})
		}
		time.Sleep(time.Duration(60+i*17) * time.Millisecond)
		cmd.Process.Kill()
		cancel()
		busy.Wait()
		cmd.Wait()
		s.Client.CloseIdleConnections()
		found := checkKilled(t, dir)
		// /t is replaced by /new and never removed: once it is there it stays.
		hasT := slices.Contains(found, "t/")
		if replaced && !hasT {
			t.Errorf("/t is lost: there is %q", found)
		}
		if replaced = replaced || hasT; t.Failed() {
			return
		}
	}
}

// killedSize is more than is written in one piece.
const killedSize = 300 << 10

// checkKilled looks at what a killed server left, and returns the names of what is there.
func checkKilled(t *testing.T, dir string) []string {
	t.Helper()
	disk := harness.DiskTree(t, dir)
	// Before it is swept nothing of it is seen.
	s := harness.Serve(t, disk, nil)
	for _, name := range s.Tree("/") {
		if strings.Contains(name, ".dav207") {
			t.Errorf("%s is seen", name)
		}
	}
	if err := disk.SweepAlone(t.Context(), nil); err != nil {
		t.Error(err)
	}
	harness.NoTemps(t, dir)
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if len(b) != killedSize || strings.Trim(string(b), string(b[:1])) != "" {
			t.Errorf("%s is none of the files that were put: it has %d bytes", p, len(b))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Fields(harness.ListDir(t, dir))
}
