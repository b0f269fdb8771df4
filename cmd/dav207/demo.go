package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/pflag"

	"dav207/server/davtest"
	"dav207/server/davtest/lab"
)

var demoCommand = command{
	name:  "demo",
	about: "show each kind of multistatus on a tree in which things go wrong on purpose",
	more: `It serves a small tree in memory and prints commands for curl, to be pasted into another terminal, and the URL of a page where a
browser runs them. It is the lab with its exercises.
`,
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := newFlags("demo")
		addr := flags.String("addr", "127.0.0.1:8207", "`HOST:PORT` to listen on; port 0 takes a free one")
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			if len(args) > 0 {
				return usagef("demo takes no argument, such as %q", args[0])
			}
			return demo(ctx, *addr, stdout, stderr)
		}
	},
}

// demo runs the command.
func demo(ctx context.Context, addr string, stdout, stderr io.Writer) error {
	log := newLogger(stderr, "text", "info")
	defer ignoreHangup(log)()
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
	if !loopback(ln) {
		log.Warn("other machines can reach this address")
	}
	<-ctx.Done()
	return l.Close()
}

// demoStep is one command of the demonstration.
type demoStep struct {
	about   string
	method  string
	headers []string // URL stands for the root of the server
	body    string   // without a single quote
	path    string
}

// demoSteps are the commands in the order of printing. No property in them depends on the time, for
// the tests compare the responses.
var demoSteps = []demoStep{
	{
		about:   "PROPFIND of one file: properties that are there, that may not be read, that do not exist (RFC 4918 §9.1.3)",
		method:  "PROPFIND",
		headers: []string{"Depth: 0"},
		body: `<propfind xmlns="DAV:" xmlns:R="http://ns.example.com/boxschema/"><prop><R:bigbox/><R:author/><R:DingALing/><R:Random/>` +
			`<R:colour/></prop></propfind>`,
		path: "propfind/file.html",
	},
	{
		about:   "PROPFIND of a collection: a member that may not be read is listed, with its 403 (§9.1)",
		method:  "PROPFIND",
		headers: []string{"Depth: 1"},
		body:    `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>`,
		path:    "listing/",
	},
	{
		about:  "PROPPATCH of a property that is protected: it is 403, the other 424, and nothing is stored (§9.2.1)",
		method: "PROPPATCH",
		body: `<propertyupdate xmlns="DAV:" xmlns:R="http://ns.example.com/boxschema/"><set><prop><R:author>Me</R:author>` +
			`<getetag>"mine"</getetag></prop></set></propertyupdate>`,
		path: "proppatch/file.html",
	},
	{
		about:   "COPY of a collection: there is no room for one member, the others are copied (§9.8.3)",
		method:  "COPY",
		headers: []string{"Destination: /copy/to/"},
		path:    "copy/from/",
	},
	{
		about:   "MOVE of a collection: one member cannot be moved and stays, the others are moved (§9.9.2)",
		method:  "MOVE",
		headers: []string{"Destination: /move/to/"},
		path:    "move/from/",
	},
	{
		about:  "DELETE of a collection: one nested member cannot be removed, and keeps its ancestors (§9.6.1)",
		method: "DELETE",
		path:   "delete/",
	},
	{
		about:  "DELETE of a collection: somebody else has locked one member (§9.6.2)",
		method: "DELETE",
		path:   "locked/delete/",
	},
	{
		about:  "LOCK of a collection: somebody else has locked one member, so nothing is locked (§9.10.9)",
		method: "LOCK",
		body:   `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`,
		path:   "locked/lock/",
	},
	{
		about:  "DELETE of a file that somebody else has locked: nothing is partial here, so no 207 (§16)",
		method: "DELETE",
		path:   "locked/file.txt",
	},
}

// command returns a line for a POSIX shell.
func (s demoStep) command(base string) string {
	var b strings.Builder
	b.WriteString(`curl -si -w '\n' -X ` + s.method)
	for _, h := range s.headers {
		b.WriteString(" -H '" + h + "'")
	}
	if s.body != "" {
		b.WriteString(" -d '" + s.body + "'")
	}
	b.WriteString(" " + base + s.path)
	return b.String()
}
