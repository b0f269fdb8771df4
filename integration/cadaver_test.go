package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/server"
)

// TestCadaver runs a session of cadaver: every command must say what it says when it worked.
func TestCadaver(t *testing.T) {
	cadaver := realClient(t, "cadaver", "apt-get install cadaver")
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			files, dir := b.open(t)
			s := serve(t, files, &server.Options{Prefix: "/a b"})
			home := t.TempDir() // cadaver reads and writes files there
			if err := os.WriteFile(filepath.Join(home, "local é.txt"), []byte("from cadaver"), 0o600); err != nil {
				t.Fatal(err)
			}
			steps := []struct{ command, says string }{
				{"mkcol c", "Creating `c': succeeded."},
				{"cd c", ""},
				{`put "local é.txt" "rem ote$%<>1 &é#?+;.txt"`, "succeeded."},
				{`put "local é.txt" 2`, "succeeded."},
				{"ls", "rem ote$%<>1 &é#?+;.txt"},
				{"copy 2 3", "succeeded."},
				{"move 3 4", "succeeded."},
				{"propset 4 author Jane", "Setting property on `4': succeeded."},
				{"propget 4 author", "Value of author is: Jane"},
				{"lock 4", "Locking `4': succeeded."},
				{"discover 4", "Lock token <urn:uuid:"},
				{`put "local é.txt" 4`, "succeeded."},
				{"propset 4 author Joe", "Setting property on `4': succeeded."},
				// Not moved while it is locked: cadaver would remember the token, which is 412 wherever it sends it later.
				{"unlock 4", "Unlocking `4': succeeded."},
				{"move 4 5", "succeeded."},
				{"move 5 4", "succeeded."},
				{"get 2 fetched", "succeeded."},
				{"delete 2", "Deleting `2': succeeded."},
				{"cd ..", ""},
				{"copy c d", "succeeded."},
				{"rmcol c", "Deleting collection `c': succeeded."},
			}
			var script strings.Builder
			for _, step := range steps {
				script.WriteString(step.command + "\n")
			}
			script.WriteString("quit\n")
			cmd := exec.CommandContext(t.Context(), cadaver, "-t", s.at("/"))
			cmd.Dir, cmd.Stdin = home, strings.NewReader(script.String())
			cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
			cmd.WaitDelay = time.Second
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("cadaver: %v", err)
			}
			// What the commands say, in their order.
			rest := string(out)
			for _, step := range steps {
				_, after, ok := strings.Cut(rest, step.says)
				if !ok {
					t.Errorf("cadaver does not say %q for %q", step.says, step.command)
					continue
				}
				rest = after
			}
			if strings.Contains(string(out), "failed") {
				t.Error("a command failed")
			}
			if got, err := os.ReadFile(filepath.Join(home, "fetched")); string(got) != "from cadaver" {
				t.Errorf("get = %q, %v", got, err)
			}
			if got, want := s.tree("/"), []string{"/", "/d/", "/d/4", "/d/rem ote$%<>1 &é#?+;.txt"}; !slices.Equal(got, want) {
				t.Errorf("tree = %q, want %q", got, want)
			}
			if t.Failed() {
				t.Logf("cadaver said:\n%s", out)
			}
			noAsides(t, dir)
		})
	}
}
