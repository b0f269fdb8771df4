package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/manual"
)

// help writes the help of the command args[0], or the list of commands if args is empty.
func help(w io.Writer, args []string) error {
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "help":
		fmt.Fprint(w, "dav207 is a WebDAV server that reports the outcome for every resource that a request touched.\n\n")
		for _, c := range commands() {
			fmt.Fprintf(w, "  %-38s %s\n", "dav207 "+c.Name+c.Args, c.About)
		}
		fmt.Fprintf(w, "  %-38s %s\n", "dav207 help [NAME]", "describe a command and its flags")
		return nil
	case len(args) == 1:
		c, ok := lookup(args[0])
		if !ok {
			return cli.Usagef("there is no command %q", args[0])
		}
		fmt.Fprintf(w, "dav207 %s%s: %s\n", c.Name, c.Args, c.About)
		if c.More != "" {
			fmt.Fprintf(w, "\n%s", c.More)
		}
		if flags, _ := c.Flags(); flags.HasFlags() {
			fmt.Fprintf(w, "\n%s", flags.FlagUsagesWrapped(110))
		}
		return nil
	}
	return cli.Usagef("help takes the name of one command")
}

// program returns the program as package manual describes it.
func program() *manual.Program {
	info, _ := debug.ReadBuildInfo()
	p := &manual.Program{Name: "dav207", About: "a WebDAV server that reports the outcome for every resource", Version: version(info), Date: built(info), Repeats: cli.Collects,
		Choices: func(f *pflag.Flag) []string {
			if c, ok := f.Value.(*cli.Choice); ok {
				return c.Words
			}
			return nil
		}}
	var names []string
	for _, c := range commands() {
		flags, _ := c.Flags()
		p.Commands = append(p.Commands, manual.Command{Name: c.Name, Args: c.Args, About: c.About, More: c.More, Flags: flags})
		names = append(names, c.Name)
	}
	p.Commands = append(p.Commands, manual.Command{Name: "help", Args: " [" + strings.Join(names, "|") + "]", About: "describe a command and its flags", Flags: cli.NewFlags("help")})
	return p
}

// built returns the time of the commit, or now if the build has not recorded it.
func built(info *debug.BuildInfo) time.Time {
	if info != nil {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at
			}
		}
	}
	return time.Now()
}

// completionCommand is a function, as manCommand is: a variable could not depend on all commands.
func completionCommand() cli.Command {
	return cli.Command{
		Name:  "completion",
		Args:  " bash|zsh|fish",
		About: "print what completes commands in a shell",
		More: `For bash, put it into /etc/bash_completion.d/dav207 or have ~/.bashrc say "source <(dav207 completion bash)"; for zsh, into _dav207 in a
directory of $fpath; for fish, into ~/.config/fish/completions/dav207.fish.
`,
		Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
			return cli.NewFlags("completion"), func(_ context.Context, args []string, stdout, _ io.Writer) error {
				switch strings.Join(args, " ") {
				case "bash":
					return program().Bash(stdout)
				case "zsh":
					return program().Zsh(stdout)
				case "fish":
					return program().Fish(stdout)
				}
				return cli.Usagef("completion takes the name of a shell: bash, zsh or fish")
			}
		},
	}
}

func manCommand() cli.Command {
	return cli.Command{
		Name:  "man",
		About: "print the manual page, which man -l shows",
		Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
			return cli.NewFlags("man"), func(_ context.Context, args []string, stdout, _ io.Writer) error {
				if len(args) > 0 {
					return cli.Usagef("man takes no argument, such as %q", args[0])
				}
				return program().Man(stdout)
			}
		},
	}
}

var versionCommand = cli.Command{
	Name:  "version",
	About: "print the version, and that of Go",
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		return cli.NewFlags("version"), func(_ context.Context, args []string, stdout, _ io.Writer) error {
			if len(args) > 0 {
				return cli.Usagef("version takes no argument, such as %q", args[0])
			}
			info, _ := debug.ReadBuildInfo()
			fmt.Fprintf(stdout, "dav207 %s %s %s/%s\n", version(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		}
	},
}

// version returns the version of the module, and the commit if the build has recorded it.
func version(info *debug.BuildInfo) string {
	if info == nil {
		return "(unknown)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		v += " " + revision[:min(12, len(revision))]
		if settings["vcs.modified"] == "true" {
			v += " (modified)"
		}
	}
	return v
}
