package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig writes a configuration with mounts, and the files that it names, into a directory.
func writeConfig(t *testing.T, text string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"photos", "music", "home"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeUsers(t, filepath.Join(dir, "users"), "ann", annHash, "bob", bobHash)
	file = filepath.Join(dir, "conf.yaml")
	replaceConfig(t, file, text)
	return dir, file
}

// replaceConfig writes a configuration in which DIR is the directory of the file.
func replaceConfig(t *testing.T, file, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "DIR", filepath.ToSlash(filepath.Dir(file)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const severalPeople = `addr: 127.0.0.1:0
users: DIR/users
state: DIR/state.db
mounts:
  /photos: DIR/photos
  /music: {dir: DIR/music, read-only: true}
  /home/{user}: {dir: "DIR/home/{user}", quota: 1MB}
groups:
  family: [ann]
rules:
  - {who: everybody, allow: read}
  - {who: "@family", allow: write, path: /photos/**}
`

// request is one of a user, and what comes of it.
type request struct {
	user, method, path, body string
	header                   []string
	want                     int
}

// ask sends requests of ann, bob and guests.
func (s *instance) ask(t *testing.T, requests []request) {
	t.Helper()
	for _, q := range requests {
		header := q.header
		switch q.user {
		case "ann":
			header = append(as("ann", "secret"), header...)
		case "bob":
			header = append(as("bob", "pässword"), header...)
		}
		for i := 1; i < len(header); i += 2 {
			header[i] = strings.ReplaceAll(header[i], "BASE/", s.base)
		}
		if got, body := do(t, q.method, s.base+strings.TrimPrefix(q.path, "/"), q.body, header...); got != q.want {
			t.Errorf("%s of %s by %s = %d, want %d\n%s", q.method, q.path, q.user, got, q.want, body)
		}
	}
}

// to returns the header of a COPY or MOVE.
func to(path string) []string { return []string{"Destination", "BASE" + path} }

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		args       []string
		code       int
		want       []string // in the output
	}{
		{"the whole", severalPeople, nil, exitOK, []string{"addr: 127.0.0.1:0\n", "grace: 10s\n", "read-only: true", "family: [ann]\n", `who: '@family', allow: write, path: /photos/**`}},
		{"nothing", "", nil, exitOK, []string{"addr: 127.0.0.1:8080\n"}},
		{"unknown key", "adr: x\n", nil, exitUsage, []string{`conf.yaml:1: there is no key "adr" here: it is one of groups, mounts, rules`}},
		{"wrong value", "read-only: perhaps\n", nil, exitUsage, []string{"conf.yaml:1: read-only: must be true or false"}},
		{"no directory", "state: memory\nmounts:\n  /a: DIR/none\n", nil, exitFailure, []string{`conf.yaml:3: mount /a: there is no directory "`}},
		{"a relative directory", "state: memory\nmounts:\n  /a: none\n", nil, exitFailure, []string{`conf.yaml:3: mount /a: there is no directory "/`}},
		{"no file of users", "addr: 127.0.0.1:0\nusers: DIR/none\n", nil, exitFailure, []string{"conf.yaml:2: there is no file "}},
		{"users of another kind", "users: DIR/users\ndigest-users: DIR/users\n", nil, exitFailure, []string{"conf.yaml:2: --digest-users "}},
		{"no certificate", "addr: 127.0.0.1:0\ntls-key: DIR/none\ntls-cert: DIR/none.pem\n", nil, exitFailure, []string{"conf.yaml:3: there is no file "}},
		{"no directory of the state", "mounts:\n  /a: DIR/photos\nstate: DIR/none/state.db\n", nil, exitFailure, []string{"conf.yaml:3: there is no directory "}},
		{"no address", "read-only: true\naddr: 8080\n", nil, exitUsage, []string{`conf.yaml:2: --addr "8080" is not an address`}},
		{"no address of monitor", "monitor: 9207\n", nil, exitUsage, []string{`conf.yaml:1: --monitor "9207" is not an address`}},
		{"passwords without TLS", "users: DIR/users\naddr: :0\n", nil, exitUsage, []string{"conf.yaml:2: passwords would cross the network"}},
		{"a user without a file", "state: memory\nmounts: {/a: DIR/photos}\nrules:\n  - {who: ann, allow: read}\n", nil, exitOK, []string{`a mistake? `, `conf.yaml:4: the rule is for "ann", which is the name of no user`}},
		{"a misspelt user", strings.Replace(severalPeople, "who: everybody", "who: everyone", 1), nil, exitOK, []string{`conf.yaml:11: the rule is for "everyone", which is the name of no user`}},
		{"a misspelt member", strings.Replace(severalPeople, "[ann]", "[anne]", 1), nil, exitOK, []string{`conf.yaml: the group family has "anne", which is the name of no user`}},
		{"a misspelt mount", strings.Replace(severalPeople, "path: /photos", "path: /fotos", 1), nil, exitOK, []string{"conf.yaml:12: the rule is about /fotos/**, where there is no mount"}},
		{"a user who is none", severalPeople, []string{"--as", "eve", "/photos/x"}, exitOK, []string{"eve, who is no user, and /photos/x\n"}},
		{"no place for the state", "mounts:\n  /a: DIR/photos\n", nil, exitUsage, []string{"conf.yaml:2: with mounts give --state FILE"}},
		{"a mount in another", "state: memory\nmounts:\n  /a: DIR/home\n  /b: \"DIR/home/../home/\"\n", nil, exitUsage, []string{"conf.yaml:4: the directories of the mounts /a and /b overlap"}},
		{"users in a mount", "state: memory\nusers: DIR/users\nmounts:\n  /a: DIR\n", nil, exitFailure, []string{"is in the directory that is served"}},
		{"guests without users", "guests: read\n", nil, exitUsage, []string{"--guests is for those who have no name"}},
		{"guests by rules without rules", "guests: rules\nusers: DIR/users\n", nil, exitUsage, []string{"--guests rules needs rules"}},
		{"ann", severalPeople, []string{"--as", "ann", "/photos/x"}, exitOK, []string{"read              allowed   line 11: allow read to everybody on /**\n", "bind              allowed   line 12: allow write to @family on /photos/**\n"}},
		{"bob", severalPeople, []string{"--as", "bob", "/photos/x"}, exitOK, []string{"bind              denied    no rule allows it\n"}},
		{"her own folder", severalPeople, []string{"--as", "ann", "/home/ann/x"}, exitOK, []string{"bind              allowed   implied: allow read, write to everybody on /home/{user}/**\n"}},
		{"read-only", severalPeople, []string{"--as", "ann", "/music/x"}, exitOK, []string{"bind              denied    no rule allows it\n"}},
		{"read-only whatever a rule allows", severalPeople + "  - {who: ann, allow: all}\n", []string{"--as", "ann", "/music/x"}, exitOK,
			[]string{"read              allowed   line 13", "bind              denied    the mount /music is read-only\n", "unlock            allowed"}},
		{"the folder of somebody else", severalPeople, []string{"--as", "ann", "/home/bob"}, exitOK, []string{"read              denied    /home/{user} is each user's own\n"}},
		{"a guest in the folder of a user", severalPeople + "guests: read\n", []string{"--as", "guests", "/home/bob/x"}, exitOK, []string{"read              denied    /home/{user} is each user's own\n"}},
		{"guests", severalPeople, []string{"--as", "guests", "/music/x"}, exitOK, []string{"guests are not let in"}},
		{"guests who may read", severalPeople + "guests: read\n", []string{"--as", "guests", "/music/x"}, exitOK, []string{"read              allowed   line 11"}},
		{"no path", severalPeople, []string{"--as", "ann"}, exitUsage, []string{"check --as takes a file and the path"}},
		{"not a path", severalPeople, []string{"--as", "ann", "photos"}, exitUsage, []string{`"photos" is not a path`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, file := writeConfig(t, tt.text)
			var stdout, stderr buffer
			code := run(context.Background(), append([]string{"check", file}, tt.args...), &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit status %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if got := stdout.String() + stderr.String(); !strings.Contains(got, want) {
					t.Errorf("got %s\nwant %q in it", got, want)
				}
			}
		})
	}
}

// Mistakes are doubts only where they are likely, and the server logs them.
func TestDoubts(t *testing.T) {
	_, file := writeConfig(t, severalPeople+"  - {who: [bob, guests], deny: read, path: '/*/x'}\n  - {who: bob, deny: read, path: '/home/{user}/**'}\n  - {who: bob, deny: lock, path: /home/bob/x}\n")
	var stdout, stderr buffer
	if code := run(context.Background(), []string{"check", file}, &stdout, &stderr); code != exitOK || stderr.String() != "" {
		t.Errorf("check = %d, %s", code, stderr.String())
	}
	t.Setenv("DAV207_PORT_80_TCP", "tcp://10.0.0.1:80")
	t.Setenv("DAV207_READONLY", "true")
	replaceConfig(t, file, strings.Replace(severalPeople, "[ann]", "[anne]", 1))
	s := startCommand(t, "serve", "--config", file)
	s.stop(t)
	log := s.stderr.String()
	for _, want := range []string{"which is the name of no user", "variable=DAV207_READONLY"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q: %s", want, log)
		}
	}
	if strings.Contains(log, "DAV207_PORT") {
		t.Errorf("the log has a variable of Kubernetes: %s", log)
	}
}

// Without mounts serve gets the directory as its argument, so it need not be where check runs.
func TestCheckWithoutMounts(t *testing.T) {
	dir, file := writeConfig(t, "addr: 127.0.0.1:0\nusers: DIR/users\n")
	t.Chdir(dir)
	var stdout, stderr buffer
	if code := run(context.Background(), []string{"check", file}, &stdout, &stderr); code != exitOK {
		t.Errorf("check = %d, %s", code, stderr.String())
	}
}

// What check prints is a configuration that says the same.
func TestCheckPrintsAConfiguration(t *testing.T) {
	_, file := writeConfig(t, severalPeople)
	var first, second, stderr buffer
	run(context.Background(), []string{"check", file}, &first, &stderr)
	if err := os.WriteFile(file, []byte(first.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(context.Background(), []string{"check", file}, &second, &stderr); code != exitOK || first.String() != second.String() {
		t.Errorf("exit status %d, %s\nfirst\n%s\nthen\n%s", code, stderr.String(), first.String(), second.String())
	}
}
