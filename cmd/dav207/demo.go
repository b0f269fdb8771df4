package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/pflag"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
)

var demoCommand = command{
	name:  "demo",
	about: "show each kind of multistatus on a tree in which things go wrong on purpose",
	more: `It serves a small tree in memory and prints commands for curl, to be pasted into another terminal. Each can be run as
often as you like.
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
	files, opts, err := newDemo(ctx)
	if err != nil {
		return err
	}
	opts.Logger = log
	s := &site{handler: server.New(files, opts), log: log, grace: time.Second}
	return s.start(ctx, addr, davpath.Mapping{}, func(base string, ln net.Listener) error {
		var b strings.Builder
		fmt.Fprintf(&b, "dav207 serves a tree at %s in which things go wrong on purpose.\n", base)
		fmt.Fprintf(&b, "Paste these into another terminal, once or more often:\n")
		for i, s := range demoSteps {
			fmt.Fprintf(&b, "\n# %d. %s\n%s\n", i+1, s.about, s.command(base))
		}
		io.WriteString(stdout, b.String())
		if !loopback(ln) {
			log.Warn("other machines can reach this address")
		}
		return nil
	})
}

// boxes is the namespace of the properties in the example of RFC 4918 §9.1.3.
const boxes = "http://ns.example.com/boxschema/"

// newDemo creates the tree and its failures. Each step uses a collection of its own, so that the
// steps do not depend on each other.
func newDemo(ctx context.Context) (*faultfs.FS, *server.Options, error) {
	tree := memory.New(nil)
	for _, name := range []string{
		"/propfind/file.html",
		"/listing/a.txt", "/listing/secret.txt", "/listing/z.txt",
		"/proppatch/file.html",
		"/copy/from/a.txt", "/copy/from/huge.iso", "/copy/from/z.txt",
		"/move/from/a.txt", "/move/from/stuck.txt", "/move/from/z.txt",
		"/delete/a.txt", "/delete/sub/undying.txt", "/delete/z.txt",
		"/locked/delete/a.txt", "/locked/delete/taken.txt", "/locked/delete/z.txt",
		"/locked/lock/a.txt", "/locked/lock/taken.txt",
		"/locked/file.txt",
	} {
		if err := tree.MkdirAll(path.Dir(name), 0o777); err != nil {
			return nil, nil, err
		}
		if err := afero.WriteFile(tree, name, []byte("This is "+path.Base(name)+"\n"), 0o666); err != nil {
			return nil, nil, err
		}
	}

	files := faultfs.New(tree.Backend())
	files.Fail(faultfs.Stat, "/listing/secret.txt", fs.ErrPermission)
	files.Fail(faultfs.Write, "/copy/to/huge.iso", syscall.ENOSPC)
	files.Fail(faultfs.Rename, "/move/from/stuck.txt", fs.ErrPermission)
	files.Fail(faultfs.Remove, "/delete/sub/undying.txt", fs.ErrPermission)

	store := &props.Memory{}
	var changes []props.Change
	for _, p := range []struct{ name, content string }{
		{"bigbox", "<R:BoxType>Box type A</R:BoxType>"},
		{"author", "<R:Name>J.J. Johnson</R:Name>"},
		{"DingALing", "secret"},
		{"Random", "secret"},
	} {
		changes = append(changes, props.Change{Property: props.Property{
			XMLName:  xml.Name{Space: boxes, Local: p.name},
			Attr:     []xml.Attr{{Name: xml.Name{Space: "xmlns", Local: "R"}, Value: boxes}},
			InnerXML: []byte(p.content),
		}})
	}
	if err := store.Patch(ctx, davpath.Must("/propfind/file.html"), changes); err != nil {
		return nil, nil, err
	}

	const always = math.MaxUint32 * time.Second // the longest timeout (RFC 4918 §10.7)
	table := locks.New(&locks.Options{MaxTimeout: always})
	for _, name := range []string{"/locked/delete/taken.txt", "/locked/lock/taken.txt", "/locked/file.txt"} {
		if _, err := table.Create(locks.Lock{Root: davpath.Must(name), Principal: "somebody else", Timeout: always}); err != nil {
			return nil, nil, err
		}
	}
	return files, &server.Options{Props: store, Locks: table, Policy: boxPolicy{}}, nil
}

// boxPolicy refuses access to two properties, as in the example of RFC 4918 §9.1.3.
type boxPolicy struct{}

// Check implements access.Policy.
func (boxPolicy) Check(context.Context, access.Privilege, davpath.Path) error { return nil }

// CheckProperty implements access.PropertyPolicy.
func (boxPolicy) CheckProperty(_ context.Context, _ access.Privilege, _ davpath.Path, property xml.Name) error {
	if property.Space == boxes && (property.Local == "DingALing" || property.Local == "Random") {
		return fs.ErrPermission
	}
	return nil
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
