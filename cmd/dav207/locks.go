package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/control"
	"dav207/props/boltprops"
	"dav207/server/davpath"
	"dav207/server/locks"
)

var locksCommand = command{
	name:  "locks",
	args:  " list|break DIR [PATH]...",
	about: "list the locks of a running server, or break those on PATH",
	more: `DIR is the directory that the server serves, the file of its --state, or the socket of its --control. "list" prints the root of
each lock with who took it, its depth and scope, the time that is left, and what the client says about its owner. "break" removes the
locks whose root is PATH, a path in the tree as "list" prints it, whoever has taken them. The user of the server and root may do it.
`,
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := newFlags("locks")
		asJSON := flags.Bool("json", false, "print a line of JSON for each lock")
		return flags, func(ctx context.Context, args []string, stdout, _ io.Writer) error {
			switch {
			case len(args) == 0 || args[0] != "list" && args[0] != "break":
				return usagef("locks takes list or break, and the directory that is served")
			case len(args) == 1 || args[0] == "list" && len(args) > 2:
				return usagef("locks %s takes one directory that is served", args[0])
			case args[0] == "break" && len(args) == 2:
				return usagef("locks break takes the paths whose locks are to be broken")
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
		return "", fmt.Errorf("cannot look at %q: %w", place, cause(err))
	case info.IsDir():
		return control.Path(defaultState(place)), nil
	case info.Mode().Type() == fs.ModeSocket:
		return realDir(place), nil
	}
	return realDir(control.Path(place)), nil
}

// realDir returns name with the links in the path of its directory resolved: package control
// follows none.
func realDir(name string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		return filepath.Join(dir, filepath.Base(name))
	}
	return name
}

// controlError says what the user can do about an error of a request to the socket.
func controlError(socket string, err error) error {
	switch {
	case errors.Is(err, control.ErrNoServer):
		return fmt.Errorf("no server answers on %s: none has locks on this directory, or its --state or --control is elsewhere, which locks takes instead", show(socket))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to use %s: be root, or the user of the server", show(socket))
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
	path, name := l.Path, cmp.Or(oneLine(l.User), "-")
	if oneLine(path) != path {
		path = fmt.Sprintf("%q", path)
	}
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	_, err := fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%v of %v\t%s\n", path, name, oneLine(l.Depth), oneLine(l.Scope), seconds(l.Left), seconds(l.Timeout), oneLine(l.Owner))
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

// noControl is the value of --control for none.
const noControl = "off"

// controller answers "dav207 locks". It starts at once if it can, else with the first lock: the
// directory of the state is not made for it. The zero value never starts.
type controller struct {
	socket   string // "" for none
	explicit bool   // that of --control
	log      *slog.Logger
	table    *locks.Table
	once     sync.Once
	server   *control.Server
}

// controlSocket returns the socket of --control, "" without one.
func (o *serveOptions) controlSocket() string {
	if o.control == noControl {
		return ""
	}
	return o.control
}

// newController returns the controller of a server that serves dir. A read-only server has no
// locks, and a state in memory no directory; on Windows a socket has no mode.
func (o *serveOptions) newController(dir string, log *slog.Logger) *controller {
	c := &controller{log: log}
	switch {
	case o.control == noControl:
	case o.control != "":
		c.socket, c.explicit = realDir(o.control), true
	case o.memory || o.readOnly || o.state == inMemory || runtime.GOOS == "windows":
	case o.state != "":
		c.socket = realDir(control.Path(o.state))
	default:
		c.socket = control.Path(defaultState(dir))
	}
	return c
}

// begin starts the controller for a table, if the directory of its socket exists. An explicit
// socket that cannot be used is an error.
func (c *controller) begin(table *locks.Table) error {
	c.table = table
	if _, err := os.Lstat(filepath.Dir(c.socket)); err != nil && !c.explicit {
		return nil
	}
	if err := c.start(); err != nil && c.explicit {
		return fmt.Errorf("cannot use the socket %s: %w; choose another with --control, or %s for none", show(c.socket), cause(err), noControl)
	}
	return nil
}

// start starts the controller once. If it fails it logs a warning, which is enough but for an
// explicit socket: clients are served all the same.
func (c *controller) start() (err error) {
	if c.socket == "" {
		return nil
	}
	c.once.Do(func() {
		c.server, err = control.Start(c.socket, c.table, c.log)
		if err != nil && !c.explicit {
			c.log.Warn(`"dav207 locks" cannot ask this server: give --control another socket`, slog.String("socket", c.socket), slog.Any("err", err))
		}
	})
	return err
}

// close stops the controller.
func (c *controller) close() error {
	c.once.Do(func() {}) // one that has not started does not start any more
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// lockJournal keeps locks in the state file, and starts a controller with the first one.
type lockJournal struct {
	*boltprops.Store
	controller *controller
}

// Sync implements locks.Syncer.
func (j lockJournal) Sync(ctx context.Context, granted bool) error {
	err := j.Store.Sync(ctx, granted)
	if err == nil && granted {
		j.controller.start() // with the directory of the state, if it was not there before
	}
	return err
}

// defaultState returns the state file of a directory without --state.
func defaultState(dir string) string { return filepath.Join(dir, davpath.StateName, "state.db") }
