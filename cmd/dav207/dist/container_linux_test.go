package dist

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"dav207/integration/harness"
)

// container is what a container of the image has: the files of its root, and what is run there.
type container struct {
	root     string // of the file system
	uid, gid int
	env      []string
	command  []string
}

// build does what the Containerfile says, without a container engine. It fails the test for an
// instruction that it does not know.
func build(t *testing.T) *container {
	t.Helper()
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir() // /out of the first stage
	c := &container{root: t.TempDir(), uid: -1}
	if err := os.Chmod(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	last := false
	for _, line := range strings.Split(string(text), "\n") {
		name, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || name == "#" || name == "EXPOSE" || name == "VOLUME":
		case name == "FROM":
			last = rest == "scratch"
		case !last && (name == "WORKDIR" || name == "COPY" || rest == "go mod download"):
			// the repository is here, and so are its modules
		case !last && name == "RUN":
			cmd := exec.Command("sh", "-c", strings.ReplaceAll(rest, "/out/", out+"/"))
			cmd.Dir = filepath.Join("..", "..", "..")
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", rest, err, said)
			}
		case name == "COPY":
			c.copy(t, out, rest)
		case name == "ENV":
			c.env = append(c.env, strings.Fields(rest)...)
		case name == "USER":
			u, g, _ := strings.Cut(rest, ":")
			c.uid, err = strconv.Atoi(u)
			if err == nil {
				c.gid, err = strconv.Atoi(g)
			}
		case name == "ENTRYPOINT" || name == "CMD":
			var words []string
			err = json.Unmarshal([]byte(rest), &words)
			c.command = append(c.command, words...)
		default:
			t.Fatalf("unknown: %s", line)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if !last || c.uid <= 0 || len(c.command) == 0 {
		t.Fatalf("the image has the user %d and the command %q", c.uid, c.command)
	}
	return c
}

// copy does what COPY of the last stage says: a file, or an empty directory.
func (c *container) copy(t *testing.T, out, rest string) {
	t.Helper()
	m := regexp.MustCompile(`^--from=build (?:--chown=(\d+):(\d+) )?/out/(\S+) (/\S+)$`).FindStringSubmatch(rest)
	if m == nil {
		t.Fatalf("unknown: COPY %s", rest)
	}
	from, to := filepath.Join(out, m[3]), filepath.Join(c.root, m[4])
	info, err := os.Stat(from)
	switch {
	case err != nil:
	case info.IsDir():
		err = os.Mkdir(to, 0o755)
	default:
		err = os.Rename(from, to)
	}
	uid, _ := strconv.Atoi(m[1]) // root without --chown
	gid, _ := strconv.Atoi(m[2])
	if err == nil {
		err = os.Chown(to, uid, gid)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run returns a command in the container.
func (c *container) run(env []string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: append(append([]string{}, c.env...), env...),
		SysProcAttr: &syscall.SysProcAttr{Chroot: c.root, Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.gid)}}}
}

// documented returns the arguments and the variables of the commands in README.md.
func documented(t *testing.T) (passwd, env []string) {
	t.Helper()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^podman run .*? dav207(?: (passwd .*))?$`).FindAllStringSubmatch(string(page), -1) {
		passwd = append(passwd, strings.Fields(m[1])...)
		for _, e := range regexp.MustCompile(` -e (\S+)`).FindAllStringSubmatch(m[0], -1) {
			env = append(env, e[1])
		}
	}
	if len(passwd) != 3 || len(env) != 2 {
		t.Fatalf("README.md has %q and %q", passwd, env)
	}
	return passwd, env
}

// TestContainer runs the static binary in a root that has nothing but the files of the image: no
// /etc/passwd, /etc/ssl, /tmp, /proc, /dev, zoneinfo.
func TestContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change the root")
	}
	c := build(t)
	out, err := c.run(nil, c.command...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "give --users FILE, or --anonymous") {
		t.Errorf("without users: %v %s", err, out)
	}
	passwd, served := documented(t)
	set := c.run(nil, append([]string{c.command[0]}, passwd...)...)
	set.Stdin = strings.NewReader("secret\n")
	if out, err := set.CombinedOutput(); err != nil {
		t.Errorf("%q: %v %s", passwd, err, out)
	}
	for _, env := range [][]string{
		{"DAV207_ADDR=127.0.0.1:0"},
		append(served, "DAV207_ADDR=:0"),
	} {
		cmd := c.run(env, c.command...)
		var log strings.Builder
		cmd.Stderr = &log
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		u, err := url.Parse(regexp.MustCompile(`https?://[^ ,\n]+`).FindString(line))
		if err != nil || u.Host == "" {
			cmd.Wait()
			t.Fatalf("%q prints %q\n%s", env, line, log.String())
		}
		useServer(t, &harness.Site{URL: u.Scheme + "://127.0.0.1:" + u.Port()})
		if out, err := c.run(nil, c.command[0], "locks", "list", "/state/state.db").CombinedOutput(); err != nil || !strings.Contains(string(out), "\n/c/f.html ") {
			t.Errorf("locks list: %v %s", err, out)
		}
		if out, err := c.run(nil, c.command[0], "locks", "break", "/state/state.db", "/c/f.html").CombinedOutput(); err != nil {
			t.Errorf("locks break: %v %s", err, out)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "cannot") {
			t.Errorf("%q ends with %v\n%s", env, err, log.String())
		}
		for _, name := range []string{"data/c/f.html", "state/state.db"} {
			if _, err := os.Stat(filepath.Join(c.root, name)); err != nil {
				t.Error(err)
			}
		}
		os.RemoveAll(filepath.Join(c.root, "data", "c"))
	}
}
