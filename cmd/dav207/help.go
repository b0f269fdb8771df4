package main

import (
	"fmt"
	"io"
)

// help writes the help of the command args[0], or the list of commands if args is empty.
func help(w io.Writer, args []string) error {
	switch len(args) {
	case 0:
		fmt.Fprint(w, "dav207 is a WebDAV server that reports the outcome for every resource that a request touched.\n\n")
		for _, c := range commands() {
			fmt.Fprintf(w, "  %-26s %s\n", "dav207 "+c.name+c.args, c.about)
		}
		fmt.Fprintf(w, "  %-26s %s\n", "dav207 help [NAME]", "describe a command and its flags")
		return nil
	case 1:
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
