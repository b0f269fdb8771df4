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
	"syscall"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/serve"

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

// commands returns every command except help.
func commands() []cli.Command {
	return []cli.Command{serve.Command, serve.CheckCommand, passwdCommand, demoCommand, labCommand, inspectCommand, locksCommand, completionCommand(), manCommand(), versionCommand}
}

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
		return exit(stderr, "help", cli.Usagef("there is no command %q", name))
	}
	flags, do := c.Flags()
	err := cli.ParseOnce(flags, args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		err = help(stdout, []string{name})
	case err != nil:
		err = cli.Usage(err)
	default:
		err = do(ctx, flags.Args(), stdout, stderr)
	}
	return exit(stderr, "help "+name, err)
}

// lookup returns the command with that name.
func lookup(name string) (cli.Command, bool) {
	for _, c := range commands() {
		if c.Name == name {
			return c, true
		}
	}
	return cli.Command{}, false
}

// exit prints err, if not nil, in one line, and returns the exit status.
func exit(stderr io.Writer, help string, err error) int {
	if err == nil {
		return exitOK
	}
	if e := (cli.StatusError{}); errors.As(err, &e) {
		if e.Message != "" {
			fmt.Fprintf(stderr, "dav207: %s\n", cli.OneLine(e.Message))
		}
		return e.Status
	}
	if usage := (cli.UsageError{}); errors.As(err, &usage) {
		fmt.Fprintf(stderr, "dav207: %s; see \"dav207 %s\"\n", cli.OneLine(err.Error()), help)
		return exitUsage
	}
	fmt.Fprintf(stderr, "dav207: %s\n", cli.OneLine(err.Error()))
	return exitFailure
}
