package clients

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/studio-b12/gowebdav"

	"dav207/integration/harness"
)

// These tests run each client with the name and the password of a user, over TLS with the
// certificate that the command created.

// curl --anyauth negotiates the scheme and must keep its connection.
func TestAuthCurl(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		file, content := harness.Upload(t, 3<<20)
		lastStatus := regexp.MustCompile(`(?s).*\n< HTTP/\S+ (\d+)`) // http.ReadResponse cannot parse curl's dump of HTTP/2 headers
		for _, version := range []string{"--http1.1", "--http2"} {
			curl := func(name string, args ...string) (status string, trace string) {
				_, _, _, trace = g.Curl(name, args...)
				if m := lastStatus.FindStringSubmatch(trace); m != nil {
					status = m[1]
				}
				return status, trace
			}
			with := func(args ...string) []string {
				return append([]string{version, "--cacert", g.ca, "--write-out", "%{stderr}connections %{num_connects} uploaded %{size_upload}\n"}, args...)
			}
			// A request without a body is repeated with the password on the same connection.
			status, trace := curl("/", with("--anyauth", "--user", ann+":"+annPassword, "--request", "PROPFIND", "--header", "Depth: 0")...)
			if status != "207" || strings.Count(trace, "< HTTP/") != 2 || !strings.Contains(trace, "connections 1 ") {
				t.Errorf("curl %s --anyauth = %s, want 401 and 207 on one connection\n%s", version, status, trace)
			}
			// The same for an upload, whose body is sent only once.
			status, trace = curl("/f", with("--anyauth", "--user", ann+":"+annPassword, "--upload-file", file)...)
			if status != "201" && status != "204" || !strings.Contains(trace, " 401") || strings.Contains(trace, "connections 3") {
				t.Errorf("curl %s --anyauth --upload-file = %s\n%s", version, status, trace)
			}
			if got := g.as(bob, bobPassword).Want(200, "GET", "/f", "").Body; got != string(content) {
				t.Errorf("the file has %d bytes, want %d", len(got), len(content))
			}
			// With Expect the 401 comes before the body, and other refusals only with the
			// password.
			expect := []string{"--upload-file", file, "--header", "Expect: 100-continue", "--expect100-timeout", "20"}
			status, trace = curl("/f", with(expect...)...)
			if status != "401" || version == "--http1.1" && (!strings.Contains(trace, "uploaded 0\n") || strings.Contains(trace, "100 Continue")) {
				t.Errorf("curl %s without a password = %s\n%s", version, status, trace)
			}
			status, trace = curl("/f", with(append(expect, "--user", ann+":"+annPassword)...)...)
			if status != "204" || version == "--http1.1" && !strings.Contains(trace, "100 Continue") {
				t.Errorf("curl %s with a password = %s\n%s", version, status, trace)
			}
			if status, _ := curl("/", with("--user", ann+":"+bobPassword)...); status != "401" {
				t.Errorf("curl %s with a wrong password = %s, want 401", version, status)
			}
		}
		status, header, _, _ := g.Curl("/", "--http1.1", "--cacert", g.ca, "--request", "OPTIONS")
		if status != 401 || header.Get("DAV") != "1, 2, 3" || header.Get("MS-Author-Via") != "DAV" || header.Get("Content-Length") == "" {
			t.Errorf("OPTIONS without a password = %d %v", status, header)
		}
		// Without --cacert curl rejects the certificate and does not send the password.
		cmd := exec.CommandContext(t.Context(), harness.RealClient(t, "curl", "apt-get install curl"), "-q", "-sS", "--user", ann+":"+annPassword, g.At("/"))
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "self-signed certificate") {
			t.Errorf("curl without --cacert: %v\n%s", err, out)
		}
	})
}

// cadaver asks the user to confirm the certificate and reads the password from .netrc.
func TestAuthCadaver(t *testing.T) {
	cadaver := harness.RealClient(t, "cadaver", "apt-get install cadaver")
	script := harness.RealClient(t, "script", "apt-get install bsdutils")
	guardedEach(t, func(t *testing.T, g *guarded) {
		home := t.TempDir()
		for name, content := range map[string]string{
			// A password with spaces is quoted in netrc.
			".netrc": "machine 127.0.0.1\nlogin ann\npassword \"" + annPassword + "\"\n",
			"local":  "from cadaver",
		} {
			if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), script, "--quiet", "--return", "--command", cadaver+" '"+g.At("/")+"'", "/dev/null")
		cmd.Dir, cmd.Stdin = home, strings.NewReader("y\nput local f\nlock f\nput local f\nunlock f\nmkcol c\nls\nquit\n")
		cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "failed") {
			t.Errorf("cadaver: %v\n%s", err, out)
		}
		b := g.as(bob, bobPassword)
		if got := b.Tree("/"); !slices.Equal(got, []string{"/", "/c/", "/f"}) {
			t.Errorf("tree = %q\n%s", got, out)
		}
	})
}

// rclone has the password in its configuration, obscured.
func TestAuthRclone(t *testing.T) {
	harness.RealClient(t, "rclone", "apt-get install rclone")
	guardedEach(t, func(t *testing.T, g *guarded) {
		c := rcloneClient(g.Site, "other")
		c.env = append(c.env, "RCLONE_CA_CERT="+g.ca, "RCLONE_CONFIG_DAV_USER="+ann)
		if _, err := c.try("lsjson", "dav:"); err == nil {
			t.Error("rclone lists without a password")
		}
		c.env = append(c.env, "RCLONE_CONFIG_DAV_PASS="+strings.TrimSpace(c.run("obscure", annPassword)))
		local := oddTree(t)
		c.run("copy", "--create-empty-src-dirs", local, "dav:to")
		c.run("check", "--download", local, "dav:to")
		back := t.TempDir()
		c.run("copy", "--create-empty-src-dirs", "dav:to", back)
		sameTree(t, back, local, false)
		g.as(bob, bobPassword).Want(204, "DELETE", "/to", "")
	})
}

// davfs2 has the password in its secrets file and the certificate in its configuration.
func TestAuthDavfs2(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		d := newDavfs(g.Site)
		// davfs2 reads the certificate after it has dropped root.
		ca := filepath.Join(filepath.Dir(d.config), "ca.pem")
		text, err := os.ReadFile(g.ca)
		if err == nil {
			err = os.WriteFile(ca, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(ca) })
		secrets := filepath.Join(t.TempDir(), "secrets")
		if err := os.WriteFile(secrets, []byte(d.at+" "+ann+" \""+annPassword+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := os.OpenFile(d.config, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = config.WriteString("secrets " + secrets + "\ntrust_server_cert " + ca + "\n")
		config.Close()
		if err != nil {
			t.Fatal(err)
		}
		d.mount()
		d.shell(`mkdir dir && echo one >dir/file && echo two >dir/file && mv dir/file moved && [ "$(cat moved)" = two ]`)
		d.remount()
		d.shell(`[ "$(cat moved)" = two ] && rmdir dir && echo three >>moved`)
		if err := d.unmount(); err != nil {
			t.Fatal(err)
		}
		if got := g.as(bob, bobPassword).Want(200, "GET", "/moved", "").Body; got != "two\nthree\n" {
			t.Errorf("moved = %q", got)
		}
	})
}

// gowebdav sends its first request without the password, a large body included.
func TestAuthGowebdav(t *testing.T) {
	guardedEach(t, func(t *testing.T, g *guarded) {
		large := bytes.Repeat([]byte("large "), 1<<20)
		for name, size := range map[string]int{"/small": 100, "/not/there/yet": 100, "/large": len(large)} {
			c := gowebdav.NewClient(g.URL+g.Prefix, ann, annPassword)
			c.SetTransport(g.trusting(nil).Transport)
			if err := c.Write(name, large[:size], 0); err != nil {
				t.Errorf("Write(%s): %v", name, err)
			}
			if got, err := c.Read(name); err != nil || !bytes.Equal(got, large[:size]) {
				t.Errorf("Read(%s) = %d bytes, %v, want %d", name, len(got), err, size)
			}
		}
		wrong := gowebdav.NewClient(g.URL+g.Prefix, ann, bobPassword)
		wrong.SetTransport(g.trusting(nil).Transport)
		if _, err := wrong.ReadDir("/"); !gowebdav.IsErrCode(err, http.StatusUnauthorized) {
			t.Errorf("with a wrong password: %v, want 401", err)
		}
	})
}
