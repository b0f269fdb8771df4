package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// htdigestLine is what Apache's htdigest wrote for ann in the realm "My Files". cadaver
// does not understand quotes in a realm.
const htdigestLine = "ann:My Files:322103cd43f30fc3068cc66dbd7bc2e5\n"

// digestUsers writes files for --digest-users: one by the command, with SHA-256 and MD5, and one by
// Apache's htdigest, with MD5 alone.
func digestUsers(t *testing.T) map[string]string {
	t.Helper()
	program, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{"SHA-256": filepath.Join(dir, "both"), "MD5": filepath.Join(dir, "apache")}
	for name, password := range map[string]string{ann: annPassword, "jürgen": bobPassword} {
		cmd := exec.CommandContext(t.Context(), program, "passwd", "--digest", files["SHA-256"], name)
		cmd.Stdin = strings.NewReader(password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("passwd --digest: %v\n%s", err, out)
		}
	}
	if err := os.WriteFile(files["MD5"], []byte(htdigestLine), 0o600); err != nil {
		t.Fatal(err)
	}
	return files
}

// curl --digest logs in with each algorithm, without TLS, and sends the body of an upload once.
func TestDigestCurl(t *testing.T) {
	harness.RealClient(t, "curl", "apt-get install curl")
	for algorithm, file := range digestUsers(t) {
		t.Run(algorithm, func(t *testing.T) {
			s := startProgram(t, t.TempDir(), "--digest-users", file)
			upload, content := harness.Upload(t, 3<<20)
			last := regexp.MustCompile(`(?s).*\n< HTTP/1.1 (\d+)`)
			curl := func(name string, args ...string) (status, trace string) {
				_, _, _, trace = s.Curl(name, append([]string{"--write-out", "%{stderr}uploaded %{size_upload}\n"}, args...)...)
				if m := last.FindStringSubmatch(trace); m != nil {
					status = m[1]
				}
				return status, trace
			}
			for _, auth := range []string{"--digest", "--anyauth"} {
				if status, trace := curl("/a b", auth, "--user", ann+":"+annPassword, "--request", "MKCOL"); status != "201" && status != "405" {
					t.Errorf("curl %s MKCOL = %s\n%s", auth, status, trace)
				}
				status, trace := curl("/a b/f", auth, "--user", ann+":"+annPassword, "--upload-file", upload)
				if status != "201" && status != "204" || !strings.Contains(trace, "Authorization: Digest ") || !strings.Contains(trace, "algorithm="+algorithm) {
					t.Errorf("curl %s --upload-file = %s\n%s", auth, status, trace)
				}
				status, trace = curl("/a b/f", auth, "--user", ann+":wrong")
				if status != "401" {
					t.Errorf("curl %s with a wrong password = %s\n%s", auth, status, trace)
				}
			}
			_, _, body, _ := s.Curl("/a b/f", "--digest", "--user", ann+":"+annPassword)
			if body != string(content) {
				t.Errorf("the file has %d bytes, want %d", len(body), len(content))
			}
			if algorithm == "SHA-256" {
				if status, trace := curl("/", "--digest", "--user", "jürgen:"+bobPassword); status != "200" {
					t.Errorf("UTF-8, with a hash of the name: %s\n%s", status, trace)
				}
			}
			if status, trace := curl("/", "--basic", "--user", ann+":"+annPassword); status != "401" || strings.Contains(trace, "WWW-Authenticate: Basic") {
				t.Errorf("curl --basic = %s\n%s", status, trace)
			}
		})
	}
}

// cadaver (neon, as davfs2) logs in by Digest.
func TestDigestCadaver(t *testing.T) {
	cadaver := harness.RealClient(t, "cadaver", "apt-get install cadaver")
	script := harness.RealClient(t, "script", "apt-get install bsdutils")
	for algorithm, file := range digestUsers(t) {
		t.Run(algorithm, func(t *testing.T) {
			dir := t.TempDir()
			s := startProgram(t, dir, "--digest-users", file)
			home := t.TempDir()
			for name, content := range map[string]string{
				".netrc": "machine 127.0.0.1\nlogin ann\npassword \"" + annPassword + "\"\n",
				"local":  "from cadaver",
			} {
				if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), script, "--quiet", "--return", "--command", cadaver+" '"+s.At("/")+"'", "/dev/null")
			cmd.Dir, cmd.Stdin = home, strings.NewReader("put local f\nlock f\nput local f\nunlock f\nmkcol c\nmove f c/g\nls\nquit\n")
			cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8")
			cmd.WaitDelay = time.Second
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "failed") {
				t.Errorf("cadaver: %v\n%s", err, out)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "c", "g")); err != nil || string(got) != "from cadaver" {
				t.Errorf("the file is %q, %v\n%s", got, err, out)
			}
		})
	}
}
