package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/control"
	"dav207/cmd/dav207/serve"
)

var locksCommand = cli.Command{
	Name:  "locks",
	Args:  " list|break DIR [PATH]...",
	About: "list the locks of a running server, or break those on PATH",
	More: `DIR is the directory that the server serves, the file of its --state, or the socket of its --control. "list" prints the root of
each lock with who took it, its depth and scope, the time that is left, and what the client says about its owner. "break" removes the
locks whose root is PATH, a path in the tree as "list" prints it, whoever has taken them. The user of the server and root may do it.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := cli.NewFlags("locks")
		asJSON := flags.Bool("json", false, "print a line of JSON for each lock")
		return flags, func(ctx context.Context, args []string, stdout, _ io.Writer) error {
			switch {
			case len(args) == 0 || args[0] != "list" && args[0] != "break":
				return cli.Usagef("locks takes list or break, and the directory that is served")
			case len(args) == 1 || args[0] == "list" && len(args) > 2:
				return cli.Usagef("locks %s takes one directory that is served", args[0])
			case args[0] == "break" && len(args) == 2:
				return cli.Usagef("locks break takes the paths whose locks are to be broken")
			}
			out := newLockPrinter(stdout, *asJSON)
			if args[0] == "list" {
				return errors.Join(listLocks(ctx, args[1], out), out.table.Flush())
			}
			return errors.Join(breakLocks(ctx, args[1], args[2:], out), out.table.Flush())
		}
	},
}

func listLocks(ctx context.Context, place string, out *lockPrinter) error {
	socket, err := controlOf(place)
	if err != nil {
		return err
	}
	return controlError(socket, control.List(ctx, socket, out.print))
}

// breakLocks breaks the locks on each path. It goes on after a path without one.
func breakLocks(ctx context.Context, place string, paths []string, out *lockPrinter) error {
	socket, err := controlOf(place)
	if err != nil {
		return err
	}
	by := cmp.Or(os.Getenv("SUDO_USER"), fmt.Sprint("uid ", os.Getuid()))
	if u, err := user.Current(); err == nil && os.Getenv("SUDO_USER") == "" {
		by = u.Username
	}
	var missing []string
	for _, path := range paths {
		broken, err := control.Break(ctx, socket, path, by)
		for _, l := range broken {
			if err := out.print(l); err != nil {
				return err
			}
		}
		if errors.Is(err, control.ErrNoLock) {
			missing = append(missing, fmt.Sprintf("%q: %v", path, err))
		} else if err != nil {
			return controlError(socket, err)
		}
	}
	if missing != nil {
		return errors.New(strings.Join(missing, "; "))
	}
	return nil
}

// controlOf returns the socket of the server of a directory, of a state file, or the socket itself.
func controlOf(place string) (string, error) {
	info, err := os.Stat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no %q: give the directory that is served, the file of --state, or the socket of --control", place)
	case err != nil:
		return "", fmt.Errorf("cannot look at %q: %w", place, cli.Cause(err))
	case info.IsDir():
		return control.Path(serve.DefaultState(place)), nil
	case info.Mode().Type() == fs.ModeSocket:
		return cli.RealDir(place), nil
	}
	return cli.RealDir(control.Path(place)), nil
}

// controlError says what the user can do about an error of a request to the socket.
func controlError(socket string, err error) error {
	switch {
	case errors.Is(err, control.ErrNoServer):
		return fmt.Errorf("no server answers on %s: none has locks on this directory, or its --state or --control is elsewhere, which locks takes instead", cli.Show(socket))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to use %s: be root, or the user of the server", cli.Show(socket))
	}
	return err
}

// lockPrinter prints locks as a table, or as lines of JSON.
type lockPrinter struct {
	json  bool
	table *tabwriter.Writer
	w     io.Writer
	began bool
}

func newLockPrinter(w io.Writer, asJSON bool) *lockPrinter {
	return &lockPrinter{json: asJSON, table: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), w: w}
}

func (p *lockPrinter) print(l control.Lock) error {
	if p.json {
		line, err := json.Marshal(l)
		if err == nil {
			_, err = fmt.Fprintf(p.w, "%s\n", printableJSON(line))
		}
		return err
	}
	if !p.began {
		p.began = true
		fmt.Fprintln(p.table, "PATH\tUSER\tDEPTH\tSCOPE\tLEFT\tOWNER")
	}
	path, name := l.Path, cmp.Or(cli.OneLine(l.User), "-")
	if cli.OneLine(path) != path {
		path = fmt.Sprintf("%q", path)
	}
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	_, err := fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%v of %v\t%s\n", path, name, cli.OneLine(l.Depth), cli.OneLine(l.Scope), seconds(l.Left), seconds(l.Timeout), cli.OneLine(l.Owner))
	return err
}

// printableJSON escapes the characters of a JSON text that could control a terminal.
func printableJSON(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else if high, low := utf16.EncodeRune(r); r > 0xffff {
			fmt.Fprintf(&b, "\\u%04x\\u%04x", high, low)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
