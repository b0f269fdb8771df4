package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readmeConfigs returns the configurations of a page, with the directories that they name below
// dir, and a free port.
func readmeConfigs(t *testing.T, page, dir string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photos", "music", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeUsers(t, filepath.Join(dir, "users"), "ann", annHash, "bob", bobHash)
	at := filepath.ToSlash(dir) + "/"
	for _, block := range strings.Split(string(text), "\n```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, "mounts:") {
			continue
		}
		block = strings.NewReplacer("/etc/dav207/", at, "/var/lib/dav207/", at, "/srv/", at, "users: users", "users: "+at+"users", "state: state", "state: "+at+"state",
			"/photos: photos", "/photos: "+at+"photos", "dir: music", "dir: "+at+"music", `dir: "home`, `dir: "`+at+"home",
			"tls-self-signed: true", "insecure-basic: true", "addr: :8443", "addr: 127.0.0.1:0").Replace(block)
		all = append(all, block)
	}
	return all
}

// The configurations in the documents are right, and do what is said of them.
func TestReadmeConfigurations(t *testing.T) {
	for _, page := range []string{"../../README.md", guide} {
		dir := t.TempDir()
		all := readmeConfigs(t, page, dir)
		if len(all) != 1 {
			t.Errorf("%s has %d configurations, want 1", page, len(all))
		}
		for _, text := range all {
			file := filepath.Join(dir, "family.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := startCommand(t, "serve", "--config", file)
			s.ask(t, []request{
				{"ann", "PUT", "/photos/a", "1", nil, 201},
				{"ann", "PUT", "/music/a", "1", nil, 403},
				{"ann", "PUT", "/home/ann/a", "1", nil, 201},
				{"ann", "GET", "/home/bob/", "", nil, 403},
				{"", "GET", "/photos/a", "", nil, 200},
				{"", "PROPFIND", "/", "", nil, 401}, // clients ask for a password
				{"", "GET", "/home/ann/a", "", nil, 401},
				{"", "GET", "/home/nobody/", "", nil, 401},
				{"bob", "PROPFIND", "/", "", nil, 207},
				{"", "PUT", "/photos/a", "2", nil, 401},
			})
			s.stop(t)
		}
	}
}

// The guide shows what check answers for its configuration.
func TestReadmeShowsCheck(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "family.yaml")
	if err := os.WriteFile(file, []byte(readmeConfigs(t, guide, dir)[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr buffer
	if code := run(context.Background(), []string{"check", file, "--as", "ann", "/photos/x"}, &stdout, &stderr); code != exitOK {
		t.Errorf("exit status %d: %s", code, stderr.String())
	}
	if want := "--as ann /photos/x\n" + stdout.String() + "```"; !strings.Contains(string(text), want) {
		t.Errorf("README.md does not hold\n%s", want)
	}
}
