package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
)

// help writes the help of the command args[0], or the list of commands if args is empty.
func help(w io.Writer, args []string) error {
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "help":
		fmt.Fprint(w, "dav207 is a WebDAV server that reports the outcome for every resource that a request touched.\n\n")
		for _, c := range commands() {
			fmt.Fprintf(w, "  %-26s %s\n", "dav207 "+c.name+c.args, c.about)
		}
		fmt.Fprintf(w, "  %-26s %s\n", "dav207 help [NAME]", "describe a command and its flags")
		return nil
	case len(args) == 1:
		c, ok := lookup(args[0])
		if !ok {
			return usagef("there is no command %q", args[0])
		}
		fmt.Fprintf(w, "dav207 %s%s: %s\n", c.name, c.args, c.about)
		if c.more != "" {
			fmt.Fprintf(w, "\n%s", c.more)
		}
		if flags, _ := c.flags(); flags.HasFlags() {
			fmt.Fprintf(w, "\n%s", flags.FlagUsagesWrapped(110))
		}
		return nil
	}
	return usagef("help takes the name of one command")
}

var versionCommand = command{
	name:  "version",
	about: "print the version, and that of Go",
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		return newFlags("version"), func(_ context.Context, args []string, stdout, _ io.Writer) error {
			if len(args) > 0 {
				return usagef("version takes no argument, such as %q", args[0])
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
