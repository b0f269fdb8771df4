package main

import (
	"bufio"
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
	about: `give a user a password, in a file for "serve --users" or "serve --digest-users"`,
	more: `It asks for the password, twice, or reads a line from standard input if that is not a terminal. FILE is made if it is not
there; a running server notices the change. To take a user away, remove the line that begins with the name.
`,
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := newFlags("passwd")
		digest := flags.Bool("digest", false, `write a file for "serve --digest-users"; who can read it can log in`)
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			if len(args) != 2 {
				return usagef("passwd takes a file and the name of a user")
			}
			return passwd(ctx, args[0], args[1], *digest, os.Stdin, stdout, stderr)
		}
	},
}

// passwd runs the command.
func passwd(ctx context.Context, file, name string, digest bool, stdin *os.File, stdout, stderr io.Writer) error {
	// Checks the name before it asks for the password.
	if _, err := middleware.SetUser(nil, name, ""); err != nil {
		return usagef("%q is not a name for a user: %w", name, err)
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
	err = changeFile(ctx, file, func(old []byte) ([]byte, error) {
		text, err := change(old)
		if err != nil {
			err = fmt.Errorf("%w: nothing was changed", err)
		}
		return text, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "dav207 has set the password of %s in %s\n", oneLine(name), show(file))
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
			err = errInterrupted
		}
		return text, err
	}
	password, err := ask("Password of " + oneLine(name) + ": ")
	if err != nil || !isNew {
		return password, err
	}
	again, err := ask("Once more: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ: nothing was changed")
	}
	return password, err
}

var errInterrupted = errors.New("ended by a signal: nothing was changed")

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
		return "", errInterrupted
	}
}

// readLine reads a line, without its end, of at most the size of r's buffer.
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

// changeFile waits this long for another process.
const (
	changeTries = 100
	changePause = 50 * time.Millisecond
)

// changeFile replaces the content of a file, or creates the file, readable by its owner alone. It
// writes a temp file and renames it, so that readers see the old content or the new. The temp file
// is a lock, too: another process that changes the file waits for it.
func changeFile(ctx context.Context, file string, change func(old []byte) ([]byte, error)) (err error) {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // replaces the target of a link, not the link
	}
	temp := file + ".new"
	f, err := createTemp(ctx, temp, file)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(temp)
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
		err = writeSynced(f, text)
	}
	if err == nil {
		err = os.Rename(temp, file)
	}
	if err != nil {
		return fileError("write", file, err)
	}
	return nil
}

// createTemp creates the temp file of file. It waits while another process has it.
func createTemp(ctx context.Context, temp, file string) (*os.File, error) {
	for try := 1; ; try++ {
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, fileError("write", file, err)
		case try == changeTries:
			return nil, fmt.Errorf("%q is there, so another process changes %q: if there is none, remove it", temp, file)
		}
		select {
		case <-ctx.Done():
			return nil, errInterrupted
		case <-time.After(changePause):
		}
	}
}

// writeSynced writes text to f, syncs and closes it. After an error f may be open.
func writeSynced(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	return err
}

// readFile reads a regular file. It does not open others: opening a pipe would block.
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

// fileError returns an error that says what cannot be done with a file, and what to do about it.
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
