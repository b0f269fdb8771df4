package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/serve"
	"dav207/server/davtest"
	"dav207/server/davtest/lab"
)

var demoCommand = cli.Command{
	Name:  "demo",
	About: "show each kind of multistatus on a tree in which things go wrong on purpose",
	More: `It serves a small tree in memory and prints commands for curl, to be pasted into another terminal, and the URL of a page where a
browser runs them. It is the lab with its exercises.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := cli.NewFlags("demo")
		addr := flags.String("addr", "127.0.0.1:8207", "`HOST:PORT` to listen on; port 0 takes a free one")
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			if len(args) > 0 {
				return cli.Usagef("demo takes no argument, such as %q", args[0])
			}
			return demo(ctx, *addr, stdout, stderr)
		}
	},
}

// demo runs the command.
func demo(ctx context.Context, addr string, stdout, stderr io.Writer) error {
	log := cli.NewLogger(stderr, "text", "info")
	defer cli.CatchHangups(log).Stop()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	tree, faults := lab.Exercises()
	l, err := lab.Start(&lab.Options{Server: davtest.Options{Tree: tree, Faults: faults, Listener: ln}})
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dav207 serves a tree at %s in which things go wrong on purpose.\n", l.Base())
	fmt.Fprintf(&b, "Open %s in a browser, or paste these into another terminal:\n", l.ControlURL)
	for i, x := range lab.List {
		fmt.Fprintf(&b, "\n# %d. %s\n%s\n", i+1, x.About, x.Command(l.Base()))
	}
	io.WriteString(stdout, b.String())
	if !serve.Loopback(ln) {
		log.Warn("other machines can reach this address")
	}
	<-ctx.Done()
	return l.Close()
}
