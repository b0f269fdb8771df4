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

	"dav207/fsbackend/disk"
	"dav207/integration/harness"
)

// After a kill every file is complete, with one of the contents that were put. A collection that
// was being replaced exists, or its replacement does, after temp files were cleaned. Temp files are
// never visible.
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
			t.Fatalf("dav207 prints %q, %v", line, err)
		}
		s := &harness.Site{TB: t, URL: "http://" + root.Host, Client: &http.Client{}}
		var busy sync.WaitGroup
		for worker := range 3 {
			busy.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					letter := string(rune('a' + (worker+n)%26))
					switch worker {
					case 0: // replace a file; copy and move it over others
						s.Try("PUT", "/f", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("COPY", "/f", nil, "Destination", "dest:/g")
						s.Try("MOVE", "/g", nil, "Destination", "dest:/h")
					case 1: // collections replace each other
						s.Try("MKCOL", "/new", nil)
						s.Try("PUT", "/new/1", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("PUT", "/new/2", strings.NewReader(strings.Repeat(letter, killedSize)))
						s.Try("MOVE", "/new", nil, "Destination", "dest:/t")
					case 2: // a collection replaces a file and the reverse
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
		// /t is replaced by /new and never removed, so it must exist once it was created.
		hasT := slices.Contains(found, "t/")
		if replaced && !hasT {
			t.Errorf("/t is lost; tree = %q", found)
		}
		if replaced = replaced || hasT; t.Failed() {
			return
		}
	}
}

// killedSize is more than the server writes in one call.
const killedSize = 300 << 10

// checkKilled checks the tree that a killed server left and returns its names.
func checkKilled(t *testing.T, dir string) []string {
	t.Helper()
	tree, err := disk.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	// Before temp files are cleaned they must not be visible.
	s := harness.Serve(t, tree.Backend(), nil)
	for _, name := range s.Tree("/") {
		if strings.Contains(name, ".dav207") {
			t.Errorf("the temp file %s is visible", name)
		}
	}
	if err := tree.CleanTemp(t.Context(), true, nil); err != nil {
		t.Error(err)
	}
	harness.NoTemps(t, dir)
	err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if len(b) != killedSize || strings.Trim(string(b), string(b[:1])) != "" {
			t.Errorf("%s (%d bytes) has none of the contents that were put", p, len(b))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Fields(harness.ListDir(t, dir))
}
