package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/server/davtest"
	"dav207/server/davtest/lab"
)

var labCommand = cli.Command{
	Name:  "lab",
	About: "serve a tree in memory in which things go wrong as a test says, for tests in any language",
	More: `It serves over HTTP, and has a control API on another address that makes faults, reads and replaces the tree, moves the clock
and resets everything. Its URL is a page with exercises; schema.json there describes the API.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		var o labOptions
		flags := cli.NewFlags("lab")
		flags.StringVar(&o.addr, "addr", "127.0.0.1:0", "`HOST:PORT` to listen on; port 0 takes a free one")
		flags.StringVar(&o.control, "control", "127.0.0.1:0", "`HOST:PORT` of the control API: a loopback address")
		flags.StringVar(&o.tree, "tree", "", "`FILE|DIR` with the tree at the start: a file as text, or a directory, which is read once and never written")
		flags.StringVar(&o.faults, "faults", "", "`FILE` of faults")
		flags.StringVar(&o.persona, "persona", "", "`NAME` of the server in whose dialect it answers: "+strings.Join(davtest.Personas(), ", "))
		flags.StringArrayVar(&o.users, "users", nil, "`NAME:PASSWORD` of a user, without whom nobody is let in; may be given more than once")
		flags.BoolVar(&o.tls, "tls", false, "serve https, with a certificate for tests")
		flags.BoolVar(&o.exercises, "exercises", false, "begin with the tree and the faults of the exercises")
		flags.StringVar(&o.ready, "ready-file", "", "`FILE` that appears when the lab serves, with its URLs as JSON")
		flags.BoolVar(&o.withParent, "with-parent", false, "end when standard input is closed, as it is when the parent process ends")
		return flags, o.run
	},
}

// labOptions are the flags of the command.
type labOptions struct {
	addr, control, tree, faults, persona, ready string
	users                                       []string
	tls, exercises, withParent                  bool
}

// run runs the command.
func (o *labOptions) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		return cli.Usagef("lab takes no argument, such as %q", args[0])
	}
	if err := o.removeOldReady(); err != nil {
		return err
	}
	l, err := o.start()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "dav207 serves a tree for tests at %s\nIts control API is at %s\n", l.Base(), l.ControlURL)
	if o.ready != "" {
		written, err := writeReady(o.ready, l)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		defer func() {
			if b, err := os.ReadFile(o.ready); err == nil && bytes.Equal(b, written) { // not that of the next lab
				os.Remove(o.ready)
			}
		}()
	}
	if o.withParent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	<-ctx.Done()
	return l.Close()
}

// start starts the lab. A mistake in a file is a usageError.
func (o *labOptions) start() (*lab.Lab, error) {
	server := davtest.Options{TLS: o.tls, Persona: o.persona}
	if o.exercises {
		server.Tree, server.Faults = lab.Exercises()
	}
	if err := o.readTree(&server); err != nil {
		return nil, err
	}
	if o.faults != "" {
		b, err := os.ReadFile(o.faults)
		if err != nil {
			return nil, cli.Usage(err)
		}
		server.Faults = string(b)
	}
	for _, user := range o.users {
		name, password, ok := strings.Cut(user, ":")
		if !ok || name == "" {
			return nil, cli.Usagef("--users %q is not NAME:PASSWORD", user)
		}
		if server.Users == nil {
			server.Users = map[string]string{}
		}
		server.Users[name] = password
	}
	control, err := net.Listen("tcp", o.control)
	if err != nil {
		return nil, err
	}
	if server.Listener, err = net.Listen("tcp", o.addr); err != nil {
		control.Close()
		return nil, err
	}
	l, err := lab.Start(&lab.Options{Server: server, Control: control})
	if err != nil {
		server.Listener.Close()
		return nil, o.mistake(err)
	}
	return l, nil
}

// readTree reads --tree into the options.
func (o *labOptions) readTree(server *davtest.Options) error {
	if o.tree == "" {
		return nil
	}
	info, err := os.Stat(o.tree)
	if err != nil {
		return cli.Usage(err)
	}
	if info.IsDir() {
		root, err := os.OpenRoot(o.tree)
		if err != nil {
			return err
		}
		server.FS = root.FS()
		return nil
	}
	b, err := os.ReadFile(o.tree)
	server.Tree = string(b)
	return err
}

// mistake returns the error of starting a lab with the name of the file that it is about.
func (o *labOptions) mistake(err error) error {
	e := (*davtest.LineError)(nil)
	if !errors.As(err, &e) {
		return cli.Usage(err)
	}
	return cli.Usagef("%s: line %d: %v", map[string]string{"tree": o.tree, "faults": o.faults}[e.In], e.Line, e.Err)
}

// removeOldReady removes the ready file of a lab that was killed: a program that waits for the file
// must not read it. It reports a file that cannot be made before anything is served.
func (o *labOptions) removeOldReady() error {
	if o.ready == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(o.ready)); err != nil {
		return cli.Usage(err)
	} else if !info.IsDir() {
		return cli.Usagef("--ready-file %s: %s is no directory", o.ready, filepath.Dir(o.ready))
	}
	switch info, err := os.Lstat(o.ready); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return cli.Usagef("--ready-file %s is a directory", o.ready)
	}
	return os.Remove(o.ready)
}

// writeReady writes the URLs of the lab to a temp file and renames it, so that it is whole when it
// appears. It returns what the file holds.
func writeReady(file string, l *lab.Lab) ([]byte, error) {
	b, err := json.Marshal(map[string]string{"url": l.Base(), "control": l.ControlURL})
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return nil, err
	}
	_, err = temp.Write(b)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return b, err
}
