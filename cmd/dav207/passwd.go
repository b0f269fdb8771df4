package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"dav207/cmd/dav207/cli"
	"dav207/server/middleware"
)

var passwdCommand = cli.Command{
	Name:  "passwd",
	Args:  " FILE NAME",
	About: `give a user a password, in a file for "serve --users" or "serve --digest-users"`,
	More: `It asks for the password, twice, or reads a line from standard input if that is not a terminal. FILE is made if it is not
there; a running server notices the change. To take a user away, remove the line that begins with the name.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := cli.NewFlags("passwd")
		digest := flags.Bool("digest", false, `write a file for "serve --digest-users"; who can read it can log in`)
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			if len(args) != 2 {
				return cli.Usagef("passwd takes a file and the name of a user")
			}
			return passwd(ctx, args[0], args[1], *digest, os.Stdin, stdout, stderr)
		}
	},
}

// passwd runs the command.
func passwd(ctx context.Context, file, name string, digest bool, stdin *os.File, stdout, stderr io.Writer) error {
	// Checks the name before it asks for the password.
	if _, err := middleware.SetUser(nil, name, ""); err != nil {
		return cli.Usagef("%q is not a name for a user: %w", name, err)
	}
	password, err := askPassword(ctx, name, true, stdin, stderr)
	if err != nil {
		return err
	}
	change := func(old []byte) ([]byte, error) { return middleware.SetDigestUser(old, name, password) }
	if !digest {
		hash, err := middleware.HashPassword(password)
		if err != nil {
			return fmt.Errorf("%w: nothing was changed", err)
		}
		change = func(old []byte) ([]byte, error) { return middleware.SetUser(old, name, hash) }
	}
	err = cli.ChangeFile(ctx, file, func(old []byte) ([]byte, error) {
		text, err := change(old)
		if err != nil {
			err = fmt.Errorf("%w: nothing was changed", err)
		}
		return text, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "dav207 has set the password of %s in %s\n", cli.OneLine(name), cli.Show(file))
	return nil
}

// askPassword reads a password: from a terminal without showing it, twice for a new one, otherwise
// one line. When ctx ends it restores the terminal and returns errInterrupted.
func askPassword(ctx context.Context, name string, isNew bool, stdin *os.File, stderr io.Writer) (string, error) {
	fd := int(stdin.Fd())
	if !term.IsTerminal(fd) {
		lines := bufio.NewReader(stdin)
		return wait(ctx, func() (string, error) { return readLine(lines) })
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("the terminal would show the password: %w; give it on standard input", err)
	}
	defer term.Restore(fd, old)
	terminal := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{stdin, stderr}, "")
	ask := func(prompt string) (string, error) {
		text, err := wait(ctx, func() (string, error) { return terminal.ReadPassword(prompt) })
		if err == io.EOF { // Ctrl-C or Ctrl-D: no signals in raw mode
			fmt.Fprint(stderr, "\r\n")
			err = cli.ErrInterrupted
		}
		return text, err
	}
	password, err := ask("Password of " + cli.OneLine(name) + ": ")
	if err != nil || !isNew {
		return password, err
	}
	again, err := ask("Once more: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ: nothing was changed")
	}
	return password, err
}

// wait returns the results of read, or errInterrupted if ctx ends first. read goes on then, for a
// read from a terminal cannot be cancelled.
func wait(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", cli.ErrInterrupted
	}
}

// readLine reads a line, without its end, of at most the size of r's buffer.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errors.New("the password is too long: nothing was changed")
	}
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("cannot read the password: %w", cli.Cause(err))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
