package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"os"

	"github.com/spf13/pflag"

	"dav207/integration/harness"
)

// printed returns what a command prints, in a file.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("dav207 %q = %d %s", args, code, stderr.String())
	}
	name := filepath.Join(t.TempDir(), args[len(args)-1])
	if err := os.WriteFile(name, []byte(stdout.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// completed is what a shell completes, in a directory with a file and a directory. The test is also
// that nothing else is offered.
var completed = []struct{ line, want string }{
	{"dav207 loc", "locks"},
	{"dav207 serve --read", "--read-only"},
	{"dav207 serve --no-macos-quota --depth-inf", "--depth-infinity"},
	{"dav207 serve --junk ", "hide keep"},
	{"dav207 serve --junk=h", "hide"},
	{"dav207 serve --junk=", "hide keep"},
	{"dav207 serve --addr 127.0.0.1:8080 --junk h", "hide"},
	{"dav207 serve --users a", "a dir a file's"},
	{"dav207 serve --users=a", "a dir a file's"},
	{"dav207 serve a", "a dir"},
	{"dav207 serve --junk keep --read-only a", "a dir"},
	{"dav207 inspect -X PUT --su", "--suite"},
	{"dav207 inspect -X ", ""},
	{"dav207 locks ", "break list"},
	{"dav207 locks b", "break"},
	{"dav207 locks list a", "a dir"},
	{"dav207 passwd a", "a dir a file's"},
	{"dav207 completion f", "fish"},
	{"dav207 help ins", "inspect"},
	{"dav207 version ", ""},
	{"dav207 nonesuch ", ""},
}

// completionDir returns a directory with a file and a directory whose names are awkward.
func completionDir(t *testing.T) string {
	dir := t.TempDir()
	err := os.Mkdir(filepath.Join(dir, "a dir"), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "a file's"), nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCompletionBash has a bash complete lines. It gives the function the variables that readline
// sets, with the words split at "=" and ":" as readline does.
func TestCompletionBash(t *testing.T) {
	bash := harness.RealClient(t, "bash", "install it (apt-get install bash)")
	const complete = `
source "$1" || exit
cd "$2" || exit
COMP_LINE=$3 COMP_POINT=${#3}
read -ra COMP_WORDS <<<"$(sed 's/[=:]/ & /g' <<<"$3")"
[[ $3 == *[[:space:]] ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; } # it works in a completion alone
complete -p dav207 >/dev/null || exit
_dav207
printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '`
	script, dir := printed(t, "completion", "bash"), completionDir(t)
	for _, tt := range completed {
		out, err := exec.Command(bash, "--norc", "-c", complete, "bash", script, dir, tt.line).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != tt.want {
			t.Errorf("%q completes to %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
	// Every flag of every command is offered, and nothing else.
	for _, c := range commands() {
		flags, _ := c.Flags()
		want := map[string]bool{"--help": true}
		flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				want["--"+f.Name] = true
			}
		})
		out, err := exec.Command(bash, "--norc", "-c", complete, "bash", script, dir, "dav207 "+c.Name+" --").CombinedOutput()
		got := strings.Fields(string(out))
		if err != nil || len(got) != len(want) {
			t.Errorf("dav207 %s has the flags %q, %v, want %v", c.Name, got, err, want)
		}
		for _, name := range got {
			if !want[name] {
				t.Errorf("dav207 %s has no flag %s", c.Name, name)
			}
		}
	}
}

// TestCompletionFish has a fish complete lines. It offers more than bash: values with their flags,
// and directories as such.
func TestCompletionFish(t *testing.T) {
	fish := harness.RealClient(t, "fish", "install it (apt-get install fish)")
	script, dir := printed(t, "completion", "fish"), completionDir(t)
	for _, tt := range completed {
		if strings.Contains(tt.want, "a ") || strings.HasSuffix(tt.line, "locks ") {
			continue // fish completes file names in its own way
		}
		cmd := exec.Command(fish, "--no-config", "-c", `source $argv[1]; and cd $argv[2]; and complete -C $argv[3] | string replace -r '\t.*' '' | string replace -r '^--[^=]*=' '' | sort`, script, dir, tt.line)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != tt.want {
			t.Errorf("%q completes to %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
}

// zsh takes the script, and registers it.
func TestCompletionZsh(t *testing.T) {
	zsh := harness.RealClient(t, "zsh", "install it (apt-get install zsh)")
	script := printed(t, "completion", "zsh")
	if out, err := exec.Command(zsh, "-f", "-n", script).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("zsh -n: %v %s", err, out)
	}
	out, err := exec.Command(zsh, "-f", "-c", `autoload -U compinit && compinit -D -u && source $1 && print $_comps[dav207]`, "zsh", script).CombinedOutput()
	if string(out) != "_dav207\n" || err != nil {
		t.Errorf("zsh has %q, %v for dav207", out, err)
	}
}

// The manual page is free of mistakes, and has every flag.
func TestMan(t *testing.T) {
	page := printed(t, "man")
	for _, tt := range []struct{ program, install, args string }{
		{"groff", "install it (apt-get install groff)", "-man -ww -z -Tutf8"},
		{"mandoc", "install it (apt-get install mandoc)", "-Tlint -W warning"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			program := harness.RealClient(t, tt.program, tt.install)
			out, err := exec.Command(program, append(strings.Fields(tt.args), page)...).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(text), `\-`, "-")
	for _, c := range commands() {
		if !strings.Contains(plain, "\n.SS dav207 "+c.Name+"\n") {
			t.Errorf("the page does not speak of %s", c.Name)
		}
		flags, _ := c.Flags()
		flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(plain, `\fB--`+f.Name+`\fR`) {
				t.Errorf("the page does not speak of %s --%s", c.Name, f.Name)
			}
		})
	}
}
