package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// Each line about a request has the address of the client that the proxy names, and the user, in
// both formats:
// what is refused (debug), what fails, members that fail, batches and their items, wrong passwords.
func TestServeLogsRemote(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	remote := regexp.MustCompile(`remote"?[=:]"?2001:db8::7("|\s|$)`)
	user := regexp.MustCompile(`user"?[=:]"?ann"?(\s|,|}|$)`)
	about := regexp.MustCompile(`method|wrong name|batch`)
	for _, format := range []string{"text", "json"} {
		s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", file, "--log", format, "--log-level", "debug",
			"--trusted-proxy", "127.0.0.1")
		for _, step := range []struct {
			method, path, body string
			header             []string
		}{
			{"GET", "", "", as("ann", "wrong")},
			{"GET", "missing", "", as("ann", "secret")},
			{"MKCOL", "c", "", as("ann", "secret")},
			{"PUT", "c/f", "x", as("ann", "secret")},
			{"LOCK", "c/f", `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`,
				as("ann", "secret")},
			{"DELETE", "c", "", as("ann", "secret")},
			{"POST", "$batch", `{"operations":[{"method":"GET","url":"/missing"},{"method":"B C","url":"/"}]}`, append(as("ann", "secret"), "Content-Type", "application/json")},
			{"POST", "$batch", `{`, append(as("ann", "secret"), "Content-Type", "application/json")},
		} {
			do(t, step.method, s.base+step.path, step.body, append(step.header, "X-Forwarded-For", "10.0.0.1, 2001:db8::7")...)
		}
		s.stop(t)
		seen := 0
		for line := range strings.Lines(s.stderr.String()) {
			if !about.MatchString(line) {
				continue
			}
			seen++
			if len(remote.FindAllString(line, -1)) != 1 || strings.Count(line, "remote") != 1 {
				t.Errorf("%s: no address of the client, or two, in %s", format, line)
			}
			if !strings.Contains(line, "401") && len(user.FindAllString(line, -1)) != 1 {
				t.Errorf("%s: no user, or two, in %s", format, line)
			}
		}
		if seen < 15 {
			t.Errorf("%s: only %d lines are about requests:\n%s", format, seen, s.stderr.String())
		}
	}
}

// The filter in README.md finds the clients that sent a wrong password, in both formats, and
// nobody else: neither whom a client names in what it sends, nor the proxy.
func TestFail2ban(t *testing.T) {
	program := harness.RealClient(t, "fail2ban-regex", "apt-get install fail2ban")
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, filter, found := strings.Cut(string(text), "\n```ini\n[Definition]")
	filter, _, closed := strings.Cut(filter, "\n```")
	if !found || !closed {
		t.Fatalf("%s has no filter for fail2ban", guide)
	}
	dir := t.TempDir()
	users, filterFile := filepath.Join(dir, "users"), filepath.Join(dir, "dav207.conf")
	writeUsers(t, users, "ann", annHash, "bob remote=10.0.0.3", bobHash)
	if err := os.WriteFile(filterFile, []byte("[Definition]"+filter+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", users, "--log", format, "--trusted-proxy", "127.0.0.1")
		for _, login := range []struct{ from, name, password string }{
			{"198.51.100.1", "ann", "secret"},
			{"198.51.100.2", "ann", "wrong"},
			{"2001:db8::3", "nobody", "wrong"},
			{"198.51.100.4", "bob remote=10.0.0.3", "wrong"},
			{"10.0.0.9, 198.51.100.5", `","remote":"10.0.0.4"`, "wrong"},
		} {
			forged := `x%20level=WARN%20msg=%22wrong%20name%20or%20password%22%20remote=10.0.0.2%22,%22msg%22:%22wrong%20name%20or%20password%22,%22remote%22:%2210.0.0.2%22`
			do(t, "GET", s.base+forged, "", append(as(login.name, login.password), "X-Forwarded-For", login.from,
				"Depth", `x level=WARN msg="wrong name or password" remote=10.0.0.6 "msg":"wrong name or password","remote":"10.0.0.6"`)...)
		}
		s.stop(t)
		log := filepath.Join(dir, format+".log")
		if err := os.WriteFile(log, []byte(s.stderr.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "-o", "ip", log, filterFile).CombinedOutput()
		if err != nil {
			t.Fatalf("fail2ban-regex: %v\n%s", err, out)
		}
		got := strings.Fields(string(out))
		slices.Sort(got)
		if want := []string{"198.51.100.2", "198.51.100.4", "198.51.100.5", "2001:db8::3"}; !slices.Equal(got, want) {
			t.Errorf("%s: fail2ban would ban %q, want %q: %s", format, got, want, s.stderr.String())
		}
	}
}
