package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckAgreesWithServer compares what "dav207 check --as" says of random rules with what the
// server does, for each user, path and privilege.
func TestCheckAgreesWithServer(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		text := randomConfig(random)
		dir, file := writeConfig(t, text)
		for run(context.Background(), []string{"check", file}, new(buffer), new(buffer)) != exitOK { // a rule that never decides
			text = randomConfig(random)
			replaceConfig(t, file, text)
		}
		s := startCommand(t, "serve", "--config", file)
		for _, user := range []string{"ann", "bob", "guests"} {
			for _, path := range []string{"/", "/photos", "/photos/x", "/photos/c/x", "/music/x", "/home", "/home/ann", "/home/ann/x", "/home/bob/x", "/home/eve/x", "/x"} {
				compare(t, s, dir, file, user, path)
			}
		}
		s.stop(t)
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, text)
		}
	}
}

// randomConfig returns severalPeople with other rules.
func randomConfig(random *rand.Rand) string {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	text, _, _ := strings.Cut(severalPeople, "rules:")
	text += "guests: " + one("read", "rules") + "\n"
	if random.IntN(6) == 0 {
		text += "read-only: true\n"
	}
	text += "rules:\n"
	for i := range 1 + random.IntN(5) {
		effect := one("allow", "allow", "deny") + ": " + one("read", "write", "all", "[read, write]", "[read, lock, write-content]", "write-properties", "bind", "unbind", "unlock")
		if random.IntN(5) == 0 {
			effect = "hide: true"
		}
		// No two rules have the same path, and the widest come first: each can decide.
		path := [][]string{{"/**"}, {"/*", "/photos/**", "/music/**"}, {"/home/**", "/*/x"}, {"/home/{user}/**", "/photos/c/**"}, {"/photos/x", "/home/bob/**", "/"}}[i]
		text += fmt.Sprintf("  - {who: %s, %s, path: %q}\n", one("ann", "bob", `"@family"`, "guests", "everybody"), effect, one(path...))
	}
	return text
}

// compare compares the two for a user and a path.
func compare(t *testing.T, s *instance, dir, file, user, path string) {
	t.Helper()
	var stdout, stderr buffer
	if code := run(context.Background(), []string{"check", file, "--as", user, path}, &stdout, &stderr); code != exitOK {
		t.Fatalf("check = %d, %s", code, stderr.String())
	}
	said, why := map[string]string{}, map[string]string{}
	for line := range strings.Lines(stdout.String()) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(line, "  ") {
			said[f[0]], why[f[0]] = f[1], strings.TrimSpace(line)
		}
	}
	for _, what := range []string{"read", "write-content", "write-properties", "bind", "unbind", "lock", "unlock"} {
		want := said[what]
		switch {
		case what != "read" && want == "hidden",
			what == "lock" && said["write-content"] != "allowed", // a write lock needs both
			what == "write-properties" && said["read"] != "allowed":
			want = "denied"
		}
		if got := s.does(t, dir, user, path, what); got != "" && got != want {
			t.Errorf("%s by %s at %s: %s, but check says %q", what, user, path, got, why[what])
		}
	}
}

// does returns what comes of a request that needs a privilege, "" if no request needs just that.
func (s *instance) does(t *testing.T, dir, user, path, what string) string {
	t.Helper()
	isFile := strings.HasSuffix(path, "/x") && path != "/x"
	onDisk := filepath.Join(dir, path)
	if isFile {
		os.MkdirAll(filepath.Dir(onDisk), 0o755)
		os.WriteFile(onDisk, []byte("1"), 0o644)
	}
	request := map[string][]string{
		"read":             {"PROPFIND", "", "Depth", "0"},
		"write-content":    {"PUT", "2"},
		"write-properties": {"PROPPATCH", `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="x"/></prop></set></propertyupdate>`},
		"bind":             {"MKCOL", ""},
		"unbind":           {"DELETE", ""},
		"lock":             {"LOCK", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`, "Depth", "0"},
	}[what]
	switch {
	case what == "unlock", !isFile && what == "write-content", !isFile && what == "lock":
		return ""
	case what == "bind" && isFile:
		os.Remove(onDisk)
	case what == "bind" && path != "/x":
		return ""
	case path == "/x" && what != "bind": // there is nothing
		return ""
	}
	header := request[2:]
	switch user {
	case "ann":
		header = append(as("ann", "secret"), header...)
	case "bob":
		header = append(as("bob", "pässword"), header...)
	}
	r, err := http.NewRequest(request[0], s.base+strings.TrimPrefix(path, "/"), strings.NewReader(request[1]))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if token := resp.Header.Get("Lock-Token"); token != "" {
		do(t, "UNLOCK", r.URL.String(), "", append([]string{"Lock-Token", token}, header[:len(header)-2]...)...)
	}
	if what == "bind" && isFile {
		os.Remove(onDisk)
	}
	switch resp.StatusCode {
	case 401, 403, 404, 405, 409: // any of them for what is hidden, or has a hidden parent
		if what == "read" && resp.StatusCode == 404 {
			return "hidden"
		}
		return "denied"
	case 200, 201, 204, 207:
		return "allowed"
	}
	return resp.Status
}
