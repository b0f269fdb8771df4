package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary be the command, so that signals can be sent to one.
func TestMain(m *testing.M) {
	if os.Getenv("DAV207_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// buffer is an output that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// instance is a running command that serves.
type instance struct {
	base           string // the URL of the root
	stdout, stderr buffer
	cancel         context.CancelFunc
	code           chan int
}

// startCommand runs a command that serves, and waits until it has printed its URL.
func startCommand(t *testing.T, args ...string) *instance {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &instance{cancel: cancel, code: make(chan int, 1)}
	r, w := io.Pipe()
	go func() {
		s.code <- run(ctx, args, io.MultiWriter(&s.stdout, w), &s.stderr)
		w.Close()
	}()
	s.base = awaitURL(r)
	go io.Copy(io.Discard, r)
	if s.base == "" {
		t.Fatalf("dav207 %q did not start: exit %d, stderr %q", args, <-s.code, s.stderr.String())
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

// awaitURL returns the first URL that is printed, "" if there is none.
func awaitURL(r io.Reader) string {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		for _, word := range strings.Fields(lines.Text()) {
			if strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://") {
				return strings.TrimRight(word, ",")
			}
		}
	}
	return ""
}

// stop ends the command as a signal does, and returns its exit status.
func (s *instance) stop(t *testing.T) int {
	t.Helper()
	s.cancel()
	select {
	case code := <-s.code:
		s.code <- code // for the next who asks
		return code
	case <-time.After(20 * time.Second):
		t.Error("the command does not end")
		return -1
	}
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ann:$2a$04$"+strings.Repeat("a", 53)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(old, []byte("#\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pems := t.TempDir()
	cert, key := writeCertificate(t, pems, "one")
	_, otherKey := writeCertificate(t, pems, "two")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		args   []string
		code   int
		stderr string // what its one line holds, "" for no line
		stdout string
	}{
		{nil, 2, "dav207 help", ""},
		{[]string{"help"}, 0, "", "dav207 serve [DIR]"},
		{[]string{"--help"}, 0, "", "dav207 demo"},
		{[]string{"help", "help"}, 0, "", "dav207 serve [DIR]"},
		{[]string{"help", "serve"}, 0, "", "--read-only"},
		{[]string{"serve", "--help"}, 0, "", "--read-only"},
		{[]string{"serve", "-h"}, 0, "", "--read-only"},
		{[]string{"help", "nothing"}, 2, `no command "nothing"`, ""},
		{[]string{"help", "serve", "demo"}, 2, "one command", ""},
		{[]string{"version"}, 0, "", "dav207 "},
		{[]string{"--version"}, 0, "", "dav207 "},
		{[]string{"version", "x"}, 2, "no argument", ""},
		{[]string{"srve"}, 2, `no command "srve"; see "dav207 help"`, ""},
		{[]string{"serve", "--no-such-flag"}, 2, "--no-such-flag", ""},
		{[]string{"serve", "--no\nsuch\x1b[2Jflag"}, 2, "?[2Jflag", ""},
		{[]string{"serve", dir, dir}, 2, "one directory", ""},
		{[]string{"serve", "--memory", dir}, 2, "not both", ""},
		{[]string{"serve", dir, "--depth-infinity=perhaps"}, 2, "must be allow or deny", ""},
		{[]string{"serve", dir, "--log", "xml"}, 2, "must be text or json", ""},
		{[]string{"serve", dir, "--log-level", "loud"}, 2, "must be info or debug or warn or error", ""},
		{[]string{"serve", dir, "--grace", "soon"}, 2, "--grace", ""},
		{[]string{"serve", dir, "--grace", "-1s"}, 2, "--grace", ""},
		{[]string{"serve", dir, "--prefix", "/../x"}, 2, "--prefix", ""},
		{[]string{"serve", dir, "--prefix", "http://x/dav"}, 2, "--prefix", ""},
		{[]string{"serve", dir, "--prefix", "/a\nb"}, 2, "--prefix", ""},
		{[]string{"serve", dir, "--prefix", "/a\x00b"}, 2, "--prefix", ""},
		{[]string{"serve", dir, "--public-url", "example.com/files"}, 2, "--public-url", ""},
		{[]string{"serve", dir, "--public-url", "dav://example.com/"}, 2, "such as https://example.com/files/", ""},
		{[]string{"serve", dir, "--public-url", "https:///files/"}, 2, "such as https://example.com/files/", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com:/files/"}, 2, "such as https://example.com/files/", ""},
		{[]string{"serve", dir, "--public-url", "https://ann@example.com/"}, 2, "name no user", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com/?a"}, 2, "end with the path", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com/#"}, 2, "end with the path", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com/a%2Fb"}, 2, "must have a path", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com/../b"}, 2, "must have a path", ""},
		{[]string{"serve", dir, "--public-url", "https://example.com/a", "--public-url", "https://example.org/b"}, 2, "the path of the other", ""},
		{[]string{"serve", dir, "--junk", "delete"}, 2, "must be keep or hide", ""},
		{[]string{"serve", dir, "--junk", "drop"}, 2, "removed: use hide", ""},
		{[]string{"serve", dir, "--quirk", "no-quota"}, 2, "removed: use --no-macos-quota", ""},
		{[]string{"serve", dir, "--silence", "-1s"}, 2, "--silence", ""},
		{[]string{"serve", dir, "--max-age", "-1s"}, 2, "--max-age", ""},
		{[]string{"serve", dir, "--max-age", "1.5s"}, 2, "--max-age", ""},
		{[]string{"serve", dir, "--max-age", "3600"}, 2, "--max-age", ""},
		{[]string{"serve", dir, "--trusted-proxy", "localhost"}, 2, "--trusted-proxy", ""},
		{[]string{"serve", dir, "--trusted-proxy", "192.0.2.1:80"}, 2, "such as 192.0.2.1 or 192.0.2.0/24", ""},
		{[]string{"serve", dir, "--trusted-proxy", "192.0.2.0/33"}, 2, "such as 192.0.2.1 or 192.0.2.0/24", ""},
		{[]string{"serve", dir, "--trusted-proxy", "fe80::1%lo"}, 2, "such as 192.0.2.1 or 192.0.2.0/24", ""},
		{[]string{"serve", dir, "--addr", "8080"}, 2, "such as 127.0.0.1:8080", ""},
		{[]string{"serve", dir, "--addr", "127.0.0.1:99999"}, 2, "such as 127.0.0.1:8080", ""},
		{[]string{"serve", dir, "--addr", taken.Addr().String()}, 1, "in use: choose another with --addr", ""},
		{[]string{"serve", dir, "--addr", "192.0.2.1:0"}, 1, "choose another with --addr", ""},
		{[]string{"serve", filepath.Join(dir, "missing")}, 1, "make it first", ""},
		{[]string{"serve", ""}, 1, "make it first", ""},
		{[]string{"serve", file}, 1, "is not a directory: give the directory that holds it", ""},
		{[]string{"serve", filepath.Join(file, "below")}, 1, "directory", ""},
		{[]string{"serve", dir, "--users", filepath.Join(old, "x")}, 1, "users", ""},
		{[]string{"serve", dir, "--users", old + "x"}, 1, `make it with "dav207 passwd FILE NAME"`, ""},
		{[]string{"serve", dir, "--users", old}, 1, `line 2: the password of "ann" is hashed with SHA-1, which is too fast to be safe: set it again, with bcrypt; "dav207 passwd FILE NAME"`, ""},
		{[]string{"serve", dir, "--users", dir}, 1, "not a regular file", ""},
		{[]string{"serve", dir, "--digest-users", users + "x"}, 1, `make it with "dav207 passwd --digest FILE NAME"`, ""},
		{[]string{"serve", dir, "--digest-users", users}, 1, `line 1: the line of "ann" has no HA1`, ""},
		{[]string{"serve", dir, "--digest-users", file}, 1, "--digest-users", ""},
		{[]string{"serve", dir, "--auth-header", "Remote-User"}, 2, "only from a --trusted-proxy", ""},
		{[]string{"serve", dir, "--auth-header", "Remote User", "--trusted-proxy", "192.0.2.1"}, 2, "not the name of a header field", ""},
		{[]string{"serve", dir, "--auth-header", "authorization", "--trusted-proxy", "192.0.2.1"}, 2, "not the name of a header field", ""},
		{[]string{"serve", dir, "--client-ca", cert}, 2, "--client-ca needs TLS", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", key, "--client-ca", cert + "x"}, 1, "there is no file", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", key, "--client-ca", file}, 1, "there is no certificate in", ""},
		{[]string{"serve", dir, "--users", file}, 1, "is in the directory that is served", ""},
		{[]string{"serve", dir, "--users", users, "--addr", ":0"}, 2, "or --insecure-basic", ""},
		{[]string{"serve", dir, "--users", users, "--addr", ":0", "--anonymous"}, 2, "or --insecure-basic", ""},
		{[]string{"serve", dir, "--users", users, "--addr", ":0", "--public-url", "http://example.com/"}, 2, "or --insecure-basic", ""},
		{[]string{"serve", dir, "--addr", ":0"}, 2, "give --users FILE, or --anonymous", ""},
		{[]string{"serve", dir, "--insecure-basic"}, 2, "the passwords of --users", ""},
		{[]string{"serve", dir, "--addr", ":0", "--tls-cert", cert, "--tls-key", key}, 2, "give --users FILE, or --anonymous", ""},
		{[]string{"serve", dir, "--tls-cert", cert}, 2, "go together", ""},
		{[]string{"serve", dir, "--tls-key", key}, 2, "go together", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", key, "--tls-self-signed"}, 2, "not both", ""},
		{[]string{"serve", dir, "--tls-cert", cert + "x", "--tls-key", key}, 1, "there is no file", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", key + "x"}, 1, "there is no file", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", otherKey}, 1, "private key does not match", ""},
		{[]string{"serve", dir, "--tls-cert", key, "--tls-key", cert}, 1, "cannot be used", ""},
		{[]string{"serve", dir, "--tls-cert", cert, "--tls-key", file}, 1, "is in the directory that is served", ""},
		{[]string{"serve", dir, "--tls-cert", dir, "--tls-key", key}, 1, "not a regular file", ""},
		{[]string{"passwd"}, 2, "takes a file and the name", ""},
		{[]string{"passwd", users}, 2, "takes a file and the name", ""},
		{[]string{"passwd", users, "a:b"}, 2, "a name cannot hold a colon", ""},
		{[]string{"locks"}, 2, "list or break", ""},
		{[]string{"locks", "show", dir}, 2, "list or break", ""},
		{[]string{"locks", "list"}, 2, "one directory", ""},
		{[]string{"locks", "list", dir, dir}, 2, "one directory", ""},
		{[]string{"locks", "break", dir}, 2, "the paths whose locks", ""},
		{[]string{"locks", "list", dir + "/x"}, 1, "the socket of --control", ""},
		{[]string{"locks", "list", dir}, 1, "no server answers", ""},
		{[]string{"completion"}, 2, "bash, zsh or fish", ""},
		{[]string{"completion", "tcsh"}, 2, "bash, zsh or fish", ""},
		{[]string{"completion", "fish"}, 0, "", "complete -c dav207"},
		{[]string{"man"}, 0, "", ".TH DAV207 1 "},
		{[]string{"man", "x"}, 2, "no argument", ""},
		{[]string{"demo", "x"}, 2, "no argument", ""},
		{[]string{"demo", "--addr", taken.Addr().String()}, 1, "in use", ""},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr buffer
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // what should fail might serve
			defer cancel()
			code := run(ctx, tt.args, &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit status = %d, want %d", code, tt.code)
			}
			got := stderr.String()
			if tt.stderr == "" && got != "" || !strings.Contains(got, tt.stderr) {
				t.Errorf("stderr = %q, want %q in it", got, tt.stderr)
			}
			if got != "" && (strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") || !strings.HasPrefix(got, "dav207: ")) {
				t.Errorf("stderr = %q, want one line of dav207", got)
			}
			if out := stdout.String(); !strings.Contains(out, tt.stdout) || tt.stdout == "" && out != "" {
				t.Errorf("stdout = %q, want %q in it", out, tt.stdout)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for _, tt := range []struct {
		rule string
		info *debug.BuildInfo
		want string
	}{
		{"no information", nil, "(unknown)"},
		{"go run", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "(devel)"},
		{"go test", &debug.BuildInfo{}, "(devel)"},
		{"go build in a clone", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}}, "v1.2.3 0123456789ab (modified)"},
	} {
		if got := version(tt.info); got != tt.want {
			t.Errorf("%s: version = %q, want %q", tt.rule, got, tt.want)
		}
	}
}
