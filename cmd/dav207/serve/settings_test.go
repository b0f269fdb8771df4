package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dav207/cmd/dav207/cli"
)

// TestSettle holds the precedence of flag, environment and file, and that a mistake says where it
// is.
func TestSettle(t *testing.T) {
	for _, tc := range []struct {
		name, args, env, file string
		want                  string // the flags after it, or the error
	}{
		{name: "nothing", want: "127.0.0.1:8080 false "},
		{name: "the file", file: "addr: a:1\nread-only: true\npublic-url: [http://a/, http://b/]\n", want: "a:1 true http://a/ http://b/"},
		{name: "one value for a flag that collects", file: "public-url: http://a/\n", want: "127.0.0.1:8080 false http://a/"},
		{name: "the environment is before the file", env: "DAV207_ADDR=b:2 DAV207_PUBLIC_URL=http://c/", file: "addr: a:1\npublic-url: [http://a/]\nread-only: true\n", want: "b:2 true http://c/"},
		{name: "the command line is before both", args: "--addr=c:3 --read-only=false", env: "DAV207_ADDR=b:2 DAV207_READ_ONLY=true", file: "addr: a:1\nread-only: true\n", want: "c:3 false "},
		{name: "a variable of somebody else", env: "DAV207_PORT=tcp://10.0.0.1:80", want: "127.0.0.1:8080 false "},
		{name: "a wrong variable", env: "DAV207_READ_ONLY=perhaps", want: "the environment variable DAV207_READ_ONLY: must be true or false"},
		{name: "a wrong value", file: "addr: a:1\nread-only: perhaps\n", want: "file:2: read-only: must be true or false"},
		{name: "a list for one value", file: "addr: [a:1, b:2]\n", want: "file:1: addr: it takes one value"},
		{name: "config in the file", file: "config: other\n", want: `file:1: there is no key "config" here: it is one of groups, mounts, rules, or an option of serve`},
		{name: "a flag that was removed", file: "quirk: no-quota\n", want: "file:1: quirk: was removed: use --no-macos-quota for no-quota; lockroot is never left out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags, _ := Command.Flags()
			args := strings.Fields(tc.args)
			file := filepath.Join(t.TempDir(), "file")
			if tc.file != "" {
				if err := os.WriteFile(file, []byte(tc.file), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config", file)
			}
			if err := cli.ParseOnce(flags, args); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{}
			for _, pair := range strings.Fields(tc.env) {
				k, v, _ := strings.Cut(pair, "=")
				env[k] = v
			}
			_, err := settle(flags, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
			got := ""
			if err != nil {
				got = strings.Replace(err.Error(), file, "file", 1)
			} else {
				got = flags.Lookup("addr").Value.String() + " " + flags.Lookup("read-only").Value.String() + " " + flags.Lookup("public-url").Value.String()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The configuration that README.md shows for a service is one.
func TestReadmeShowsConfig(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "\n```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("README.md shows none")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		file := filepath.Join(t.TempDir(), "dav207.yaml")
		if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		flags, _ := Command.Flags()
		err := cli.ParseOnce(flags, []string{"--config", file})
		if err == nil {
			_, err = settle(flags, func(string) (string, bool) { return "", false })
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
	}
}
