package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"dav207/server/middleware"
)

var passwdCommand = command{
	name:  "passwd",
	args:  " FILE NAME",
	about: `give a user a password, in a file for "serve --users"`,
	more: `It asks for the password, twice, or reads a line from standard input if that is not a terminal. FILE is made if it is not
there; a running server notices the change. To take a user away, remove the line that begins with the name.
`,
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		return newFlags("passwd"), func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			if len(args) != 2 {
				return usagef("passwd takes a file and the name of a user")
			}
			return passwd(ctx, args[0], args[1], os.Stdin, stdout, stderr)
		}
	},
}

func passwd(ctx context.Context, file, name string, stdin *os.File, stdout, stderr io.Writer) error {
	// Tried on nothing, so that nobody is asked for a password in vain.
	if _, err := middleware.SetUser(nil, name, ""); err != nil {
		return usagef("%q is not a name for a user: %w", name, err)
	}
	password, err := askPassword(ctx, name, stdin, stderr)
	if err != nil {
		return err
	}
	hash, err := middleware.HashPassword(password)
	if err != nil {
		return fmt.Errorf("%w: nothing was changed", err)
	}
	if err := changeFile(ctx, file, func(old []byte) ([]byte, error) { return middleware.SetUser(old, name, hash) }); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "dav207 has set the password of %s in %s\n", oneLine(name), show(file))
	return nil
}

// askPassword reads a password: from a terminal twice, without showing it; from anything else one
// line. A signal ends it and restores the terminal.
func askPassword(ctx context.Context, name string, stdin *os.File, stderr io.Writer) (string, error) {
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
		if err == io.EOF { // Ctrl-C and Ctrl-D: they are no signals in raw mode
			fmt.Fprint(stderr, "\r\n")
			err = errInterrupted
		}
		return text, err
	}
	password, err := ask("Password of " + oneLine(name) + ": ")
	if err != nil {
		return "", err
	}
	again, err := ask("Once more: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ: nothing was changed")
	}
	return password, err
}

var errInterrupted = errors.New("ended by a signal: nothing was changed")

// wait returns what read returns, or errInterrupted if ctx ends first: a read from a terminal cannot
// be ended.
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
		return "", errInterrupted
	}
}

// readLine reads a line without its end. Its bound is far above that of a password.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errors.New("the password is too long: nothing was changed")
	}
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("cannot read the password: %w", cause(err))
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// How long another process may take with a file.
const (
	changeTries = 100
	changePause = 50 * time.Millisecond
)

// changeFile replaces the content of a file, or makes one, that only its owner can read. Whoever reads it sees the old
// content or the new. Two that change it at once wait for each other.
func changeFile(ctx context.Context, file string, change func(old []byte) ([]byte, error)) (err error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a link stays one
	}
	aside := file + ".new"
	var f *os.File
	for try := 1; ; try++ {
		f, err = os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		if try == changeTries {
			return fmt.Errorf("%q is there, so another process changes %q: if there is none, remove it", aside, file)
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-time.After(changePause):
		}
	}
	if err != nil {
		return fileError("write", file, err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(aside)
		}
	}()
	old, info, err := readFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fileError("read", file, err)
	}
	text, err := change(old)
	if err != nil {
		return err
	}
	if info != nil {
		err = sameOwner(f, info)
	}
	if err == nil {
		_, err = io.Copy(f, bytes.NewReader(text))
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(aside, file)
	}
	if err != nil {
		return fileError("write", file, err)
	}
	return nil
}

// readFile reads a file of which the whole is needed. What is none is not opened: a pipe would wait for its other end.
func readFile(name string) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file")
	}
	text, err := os.ReadFile(name)
	return text, info, err
}

// fileError says what cannot be done with a file, and what helps.
func fileError(what, name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) && what == "write":
		return fmt.Errorf("there is no directory for %q: make it first", name)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %q", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed to %s %q: change the permissions", what, name)
	}
	return fmt.Errorf("cannot %s %q: %w", what, name, cause(err))
}
