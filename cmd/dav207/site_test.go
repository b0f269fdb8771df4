package main

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// epoch is a time before this process.
func epoch() time.Time { return time.Unix(1_000_000_000, 0) }

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// process is the command as a process of its own, with an upload of which the server has begun to
// read the body.
type process struct {
	cmd    *exec.Cmd
	stderr buffer
	dir    string
	conn   net.Conn
	answer *bufio.Reader
}

func startProcess(t *testing.T, grace string, flags ...string) *process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent a signal here")
	}
	p := &process{dir: t.TempDir()}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", p.dir, "--addr", "127.0.0.1:0", "--grace", grace}, flags...)...)
	p.cmd.Env = append(os.Environ(), "DAV207_TEST_MAIN=1")
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	u, err := url.Parse(awaitURL(stdout))
	if err != nil {
		t.Fatal(err)
	}
	if p.conn, err = net.Dial("tcp", u.Host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	p.conn.SetDeadline(time.Now().Add(30 * time.Second))
	p.answer = bufio.NewReader(p.conn)
	io.WriteString(p.conn, "PUT /f HTTP/1.1\r\nHost: "+u.Host+"\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n")
	if line, err := p.answer.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("PUT = %q, %v, want 100 Continue", line, err)
	}
	p.answer.ReadString('\n')
	io.WriteString(p.conn, "half")
	return p
}

// stopping sends the first signal and waits until the process has logged it.
func (p *process) stopping(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process says that it stops", func() bool { return strings.Contains(p.stderr.String(), "stopping") })
}

func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// left lists what is in the directory.
func (p *process) left(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(p.dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, hidden...)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return strings.Join(names, " ")
}

func TestSignalLetsRequestsFinish(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := startProcess(t, "20s")
		p.stopping(t, sig)
		eventually(t, "nobody else can connect", func() bool {
			c, err := net.Dial("tcp", p.conn.RemoteAddr().String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		io.WriteString(p.conn, "full")
		if line, err := p.answer.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 201 ") {
			t.Errorf("%v: PUT = %q, %v, want 201", sig, line, err)
		}
		if code := p.exitCode(t); code != 0 {
			t.Errorf("%v: exit status = %d, want 0; stderr %s", sig, code, p.stderr.String())
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, "f")); string(b) != "halffull" {
			t.Errorf("%v: on the disk = %q, %v, want all that was sent", sig, b, err)
		}
	}
}

func TestSignalCutsAfterGrace(t *testing.T) {
	p := startProcess(t, "100ms")
	start := time.Now()
	p.stopping(t, syscall.SIGTERM)
	if _, err := p.answer.ReadString('\n'); err == nil {
		t.Error("there is an answer to an upload that was cut")
	}
	if code := p.exitCode(t); code != exitFailure {
		t.Errorf("exit status = %d, want %d", code, exitFailure)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v, want little more than the grace period", d)
	}
	if got := p.left(t); got != "" {
		t.Errorf("left on the disk: %s, want nothing of the upload", got)
	}
	if log := p.stderr.String(); !strings.Contains(log, "dav207: cut requests") || strings.Contains(log, "goroutine") {
		t.Errorf("stderr = %q, want one line that says so", log)
	}
}

// A duration in the log has its unit, in every format.
func TestLogOfStopping(t *testing.T) {
	for format, want := range map[string]string{"text": " grace=1.5s\n", "json": `,"grace":"1.5s"}` + "\n"} {
		p := startProcess(t, "1.5s", "--log", format)
		p.stopping(t, syscall.SIGTERM)
		io.WriteString(p.conn, "full")
		if code := p.exitCode(t); code != 0 {
			t.Errorf("%s: exit status = %d, want 0", format, code)
		}
		if log := p.stderr.String(); !strings.Contains(log, want) {
			t.Errorf("%s: the log is %q, want %q in it", format, log, want)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, "10m")
	p.stopping(t, os.Interrupt)
	start := time.Now()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.exitCode(t); code != exitFailure {
		t.Errorf("exit status = %d, want %d", code, exitFailure)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestSignalWithIdleConnections(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--grace", "20s")
	do(t, "GET", s.base, "") // its connection stays open
	start := time.Now()
	if code := s.stop(t); code != 0 {
		t.Errorf("exit status = %d, want 0", code)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v to end a connection that is idle", d)
	}
}
