package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// TestCadaver runs a session of cadaver. Every command must print its message of success.
func TestCadaver(t *testing.T) {
	cadaver := harness.RealClient(t, "cadaver", "apt-get install cadaver")
	eachProgram(t, func(t *testing.T, s *harness.Site, _ string) {
		home := t.TempDir() // cadaver reads and writes files there
		for name, content := range map[string]string{
			"local é.txt": "from cadaver",
			"m 1":         "one",
			"m 2":         "two",
			// cadaver detects an edit by the modification time in whole seconds.
			"editor": "#!/bin/sh\nsleep 1.1\nprintf ' and edited' >>\"$1\"\n",
		} {
			if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s.Want(201, "PUT", "/held", "by another user")
		token := s.Lock("/held", "0")
		steps := []struct{ command, says string }{
			{"mkcol c", "Creating `c': succeeded."},
			{"cd c", ""},
			{`put "local é.txt" "rem ote$%<>1 &é#?+;.txt"`, "succeeded."},
			{`put "local é.txt" 2`, "succeeded."},
			{"ls", "rem ote$%<>1 &é#?+;.txt"},
			{`mput "m 1" "m 2"`, "Uploading m 1 to `/a%20b/c/m%201': succeeded.\nUploading m 2 to `/a%20b/c/m%202': succeeded."},
			{"copy 2 3", "succeeded."},
			{"move 3 4", "succeeded."},
			{"propset 4 author Jane", "Setting property on `4': succeeded."},
			{"propset 4 mood sober", "Setting property on `4': succeeded."},
			{"propget 4 author", "Value of author is: Jane"},
			{"propnames 4", " http://webdav.org/cadaver/custom-properties/ author\n http://webdav.org/cadaver/custom-properties/ mood\n"},
			{"propdel 4 mood", "Deleting property on `4': succeeded."},
			{"lock 4", "Locking `4': succeeded."},
			{"discover 4", "Lock token <urn:uuid:"},
			{"showlocks", "Depth 0 on `" + s.At("/c/4") + "'"},
			{`put "local é.txt" 4`, "succeeded."},
			{"propset 4 author Joe", "Setting property on `4': succeeded."},
			// Unlocked before the move: otherwise cadaver keeps the token and gets a 412 when it
			// sends it later.
			{"unlock 4", "Unlocking `4': succeeded."},
			{"move 4 5", "succeeded."},
			{"move 5 4", "succeeded."},
			{"get 2 fetched", "succeeded."},
			{"cat 2", "from cadaver"},
			{"edit 4", "Unlocking `4': succeeded."},
			{"delete 2", "Deleting `2': succeeded."},
			{"cd ..", ""},
			{"lock c", "Locking collection `c': succeeded."},
			{`put "m 1" c/5`, "succeeded."},
			{"unlock c", "Unlocking `c': succeeded."},
			{"copy c d", "succeeded."},
			{"rmcol c", "Deleting collection `c': succeeded."},
			{"steal held", "<" + token + ">"},
			{`put "m 2" held`, "succeeded."},
			{"unlock held", "Unlocking `held': succeeded."},
		}
		var script strings.Builder
		for _, step := range steps {
			script.WriteString(step.command + "\n")
		}
		script.WriteString("quit\n")
		cmd := exec.CommandContext(t.Context(), cadaver, "-t", s.At("/"))
		cmd.Dir, cmd.Stdin = home, strings.NewReader(script.String())
		cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8", "EDITOR="+filepath.Join(home, "editor"))
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("cadaver: %v", err)
		}
		// The output of the commands in order, without progress bars.
		rest := strings.NewReplacer("[.. ", "", "[.", "", "[", "").Replace(string(out))
		for _, step := range steps {
			_, after, ok := strings.Cut(rest, step.says)
			if !ok {
				t.Errorf("cadaver does not print %q for %q", step.says, step.command)
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
		for name, want := range map[string]string{"/d/4": "from cadaver and edited", "/d/5": "one", "/d/m 2": "two", "/held": "two"} {
			if got := s.Want(200, "GET", name, "").Body; got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		want := []string{"/", "/d/", "/d/4", "/d/5", "/d/m 1", "/d/m 2", "/d/rem ote$%<>1 &é#?+;.txt", "/held"}
		if got := s.Tree("/"); !slices.Equal(got, want) {
			t.Errorf("tree = %q, want %q", got, want)
		}
		if t.Failed() {
			t.Logf("output of cadaver:\n%s", out)
		}
	}, "--prefix", "/a b")
}
