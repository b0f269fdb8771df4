package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"
)

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
