package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"dav207/integration/harness"
)

// hostile is text that each of the languages would take for something else.
const hostile = ".TH 'x' \"y\" `touch made` $(touch made) $HOME [a:b] \\fB \\'; touch made"

// odd returns a program whose texts are all hostile.
func odd() *Program {
	flags := pflag.NewFlagSet("do", pflag.ContinueOnError)
	flags.StringP("it", "i", hostile, "`FILE` "+hostile)
	flags.Bool("no", false, hostile)
	flags.String("old", "", "")
	flags.MarkHidden("old")
	return &Program{Name: "odd", About: hostile, Version: hostile, Date: time.Unix(0, 0),
		Choices:  func(f *pflag.Flag) []string { return nil },
		Repeats:  func(f *pflag.Flag) bool { return false },
		Commands: []Command{{Name: "do", Args: " DIR|FILE [on|off]...", About: hostile, More: hostile + "\n" + hostile, Flags: flags}}}
}

// TestHostile has each program read what is made for it: nothing is executed, and nothing is wrong.
func TestHostile(t *testing.T) {
	for _, tt := range []struct {
		program, packages string
		write             func(*Program, *os.File) error
		args              []string // before the file
		shown             string   // what the program makes of it
	}{
		{"bash", "bash", func(p *Program, f *os.File) error { return p.Bash(f) }, nil, ""},
		{"zsh", "zsh", func(p *Program, f *os.File) error { return p.Zsh(f) }, []string{"-f", "-c", "compdef() { :; }; source $0; _odd() { :; }"}, ""},
		{"fish", "fish", func(p *Program, f *os.File) error { return p.Fish(f) }, []string{"--no-config"}, ""},
		{"groff", "groff", func(p *Program, f *os.File) error { return p.Man(f) }, []string{"-man", "-ww", "-Tascii", "-P-cbou", "-rLL=500n"}, hostile},
		{"mandoc", "mandoc", func(p *Program, f *os.File) error { return p.Man(f) }, []string{"-Tlint", "-W", "warning"}, ""},
	} {
		t.Run(tt.program, func(t *testing.T) {
			program := harness.RealClient(t, tt.program, "install it (apt-get install "+tt.packages+")")
			dir := t.TempDir()
			f, err := os.Create(filepath.Join(dir, "made-for-it"))
			if err == nil {
				err = tt.write(odd(), f)
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			cmd := exec.Command(program, append(tt.args, f.Name())...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil || tt.shown == "" && len(out) > 0 || strings.Count(string(out), tt.shown) < 3 && tt.shown != "" {
				t.Errorf("%v %s", err, out)
			}
			if _, err := os.Lstat(filepath.Join(dir, "made")); err == nil {
				t.Error("a text was executed")
			}
			text, _ := os.ReadFile(f.Name())
			if strings.Contains(string(text), "--old") || !strings.Contains(strings.ReplaceAll(string(text), `\-`, "-"), "no") {
				t.Errorf("the flags are wrong in\n%s", text)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	var got []string
	for _, v := range (Command{Args: " list|break DIR [PATH]... [FILE|URL] [-]"}).arguments() {
		got = append(got, strings.Join(append([]string{v.name, map[kind]string{nothing: "nothing", words: "words", files: "files", dirs: "dirs"}[v.kind]}, v.words...), ","))
	}
	if want := "list|break,words,list,break DIR,dirs PATH,nothing FILE|URL,files -,nothing"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
