// Command dav207 serves a directory with WebDAV (RFC 4918), and reports the outcome for every
// resource that a request touched.
//
//	dav207 serve [DIR]        serves a directory, by default the current one
//	dav207 check FILE         checks a configuration of serve
//	dav207 passwd FILE NAME   gives a user a password
//	dav207 demo               shows each kind of multistatus on a tree where members fail
//	dav207 lab                serves a tree for the tests of clients, with a control API
//	dav207 inspect [-] [URL]  judges the answer of any server to a request
//	dav207 locks list DIR     lists the locks of a running server, or breaks them
//	dav207 completion SHELL   prints what completes commands, for bash, zsh or fish
//	dav207 man                prints the manual page
//	dav207 version            prints the version, and that of Go
//	dav207 help [NAME]        describes a command and its flags
//
// It prints to standard output and logs to standard error. The exit status is 0 for success, 2 for
// a wrong command line, and 1 for every other failure; inspect has 3, 4 and 5 for its verdicts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/pflag"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2) // room for both signals, so that a quick second one is not lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exit(os.Stderr, "help", errors.New("ended at once by a second signal: running requests were cut")))
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses of the process.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// command is a subcommand of dav207.
type command struct {
	name  string
	args  string // as help prints them
	about string // one line
	more  string // printed by the help of this command
	// flags returns the command's flags, and a function that runs the command after they were
	// parsed, until ctx ends.
	flags func() (*pflag.FlagSet, func(ctx context.Context, args []string, stdout, stderr io.Writer) error)
}

// commands returns every command except help.
func commands() []command {
	return []command{serveCommand, checkCommand, passwdCommand, demoCommand, labCommand, inspectCommand, locksCommand, completionCommand(), manCommand(), versionCommand}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run runs the program and returns its exit status. A signal ends ctx.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(stderr, `dav207: no command given: use one such as "dav207 serve DIR"; "dav207 help" lists the commands`)
		return exitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "--help":
		return exit(stderr, "help", help(stdout, args))
	case "--version":
		name = "version"
	}
	c, ok := lookup(name)
	if !ok {
		return exit(stderr, "help", usagef("there is no command %q", name))
	}
	flags, do := c.flags()
	err := parseOnce(flags, args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		err = help(stdout, []string{name})
	case err != nil:
		err = usageError{err}
	default:
		err = do(ctx, flags.Args(), stdout, stderr)
	}
	return exit(stderr, "help "+name, err)
}

// statusError ends the process with a status. Its message may be empty.
type statusError struct {
	status  int
	message string
}

// Error implements error.
func (e statusError) Error() string { return e.message }

// parseOnce parses a command line. A flag that is given twice is an error, unless it collects
// values.
func parseOnce(flags *pflag.FlagSet, args []string) error {
	seen := map[string]bool{}
	return flags.ParseAll(args, func(f *pflag.Flag, value string) error {
		if seen[f.Name] && !collects(f) {
			return fmt.Errorf("--%s is given twice", f.Name)
		}
		seen[f.Name] = true
		return flags.Set(f.Name, value)
	})
}

// lookup returns the command with that name.
func lookup(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// exit prints err, if not nil, in one line, and returns the exit status.
func exit(stderr io.Writer, help string, err error) int {
	if err == nil {
		return exitOK
	}
	if e := (statusError{}); errors.As(err, &e) {
		if e.message != "" {
			fmt.Fprintf(stderr, "dav207: %s\n", oneLine(e.message))
		}
		return e.status
	}
	if usage := (usageError{}); errors.As(err, &usage) {
		fmt.Fprintf(stderr, "dav207: %s; see \"dav207 %s\"\n", oneLine(err.Error()), help)
		return exitUsage
	}
	fmt.Fprintf(stderr, "dav207: %s\n", oneLine(err.Error()))
	return exitFailure
}

// oneLine replaces characters that are not printable, so that arguments and file names cannot add
// lines or control the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// newFlags returns an empty set of flags, which prints nothing itself.
func newFlags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.SortFlags = false
	return flags
}

// choice is a flag that accepts one of several words. The first is the default.
type choice struct {
	words   []string
	value   string
	removed map[string]string // words that were removed, with what to use instead
}

func newChoice(words ...string) *choice { return &choice{words: words, value: words[0]} }

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Type implements pflag.Value. Help prints it.
func (c *choice) Type() string { return strings.Join(c.words, "|") }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	for _, w := range c.words {
		if s == w {
			c.value = s
			return nil
		}
	}
	if instead, ok := c.removed[s]; ok {
		return removedFlag(instead).Set(s)
	}
	return fmt.Errorf("must be %s", strings.Join(c.words, " or "))
}

// removed adds a flag that was removed: it is an error that says what to use instead.
func removed(flags *pflag.FlagSet, name, instead string) {
	flags.Var(removedFlag(instead), name, "")
	flags.MarkHidden(name)
}

// removedFlag is a flag that was removed. Its text says what to use instead.
type removedFlag string

// String implements pflag.Value.
func (removedFlag) String() string { return "" }

// Type implements pflag.Value.
func (removedFlag) Type() string { return "" }

// Set implements pflag.Value.
func (f removedFlag) Set(string) error { return errors.New("was removed: " + string(f)) }
