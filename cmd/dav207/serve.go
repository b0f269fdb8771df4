package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dav207/fsbackend"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/resource"
)

var serveCommand = command{
	name:  "serve",
	args:  " [DIR]",
	about: "serve a directory, by default the current one",
	more: `It serves DIR for reading and writing until it gets SIGINT or SIGTERM; then running requests have the grace
period to finish, and a second signal ends at once. Nothing outside of DIR can be reached through it.
`,
	flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		o := serveOptions{
			infinity: newChoice("allow", "deny"),
			junk:     newChoice("keep", "hide", "drop"),
			quirks:   quirks{},
			format:   newChoice("text", "json"),
			level:    newChoice("info", "debug", "warn", "error"),
		}
		flags := newFlags("serve")
		flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`HOST:PORT` to listen on; port 0 takes a free one")
		flags.StringVar(&o.prefix, "prefix", "/", "`PATH` of the URL under which the tree is served")
		flags.Var(&o.public, "public-url", "`URL` under which clients reach the tree when a proxy is in front; may be given more than once")
		flags.Var(&o.proxies, "trusted-proxy", "`IP|CIDR` of a proxy whose Forwarded and X-Forwarded-* headers count; may be given more than once")
		flags.BoolVar(&o.readOnly, "read-only", false, "refuse every change")
		flags.BoolVar(&o.memory, "memory", false, "serve an empty tree in memory instead of DIR; it ends with the process")
		flags.BoolVar(&o.fsync, "fsync", false, "have every change on the disk before it is answered, for a loss of power to lose nothing")
		flags.StringVar(&o.state, "state", "", "`FILE` that keeps properties and locks, by default .dav207/state.db in DIR; \"memory\" keeps them until the end")
		flags.Var(o.infinity, "depth-infinity", "answer PROPFIND with Depth: infinity, or refuse it")
		flags.Var(o.junk, "junk", "what becomes of the files that desktops leave everywhere, such as ._* and Thumbs.db")
		flags.Var(o.quirks, "quirk", "leave out what some clients break on: `NAME`, no-lockroot or no-quota; may be given more than once")
		flags.DurationVar(&o.silence, "silence", 20*time.Second, "`TIME` after which who waits for a COPY, MOVE or DELETE hears that it goes on; 0 is never")
		flags.Var(o.format, "log", "format of the log on standard error")
		flags.Var(o.level, "log-level", "least level that is logged: each request is info, why one was refused is debug")
		flags.DurationVar(&o.grace, "grace", 10*time.Second, "`TIME` that running requests have to finish after a signal")
		return flags, o.run
	},
}

type serveOptions struct {
	addr, prefix            string
	public                  publicURLs
	proxies                 proxies
	readOnly, memory, fsync bool
	state                   string
	infinity, format, level *choice
	junk                    *choice
	quirks                  quirks
	grace, silence          time.Duration
}

func (o *serveOptions) run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	dir := "."
	switch {
	case len(args) > 1:
		return usagef("serve takes one directory, not %d", len(args))
	case len(args) == 1 && o.memory:
		return usagef("serve takes --memory or a directory, not both")
	case o.state != "" && o.state != inMemory && o.memory:
		return usagef("serve takes --memory or --state FILE, not both: properties belong to files that are kept")
	case o.fsync && o.memory:
		return usagef("serve takes --memory or --fsync, not both: a tree in memory ends with the process")
	case len(args) == 1:
		dir = args[0]
	}
	if o.grace < 0 {
		return usagef("--grace %v is before the signal", o.grace)
	}
	if o.silence < 0 {
		return usagef("--silence %v is no time to wait", o.silence)
	}
	mapping, err := resource.NewMapping(o.prefix)
	if err != nil || strings.Contains(o.prefix, "://") || oneLine(o.prefix) != o.prefix {
		return usagef("--prefix %q is not the path of a URL such as /dav", o.prefix)
	}
	log := newLogger(stderr, o.format.value, o.level.value)

	opts := &server.Options{Prefix: o.prefix, PublicURLs: o.public, TrustedProxies: o.proxies,
		DenyInfinity: o.infinity.value == "deny", Junk: junkPolicies[o.junk.value], Quirks: o.quirks, Silence: o.silence, Logger: log}
	mode, change := "", "read and change it"
	if o.readOnly {
		opts.Policy = access.ReadOnly
		mode, change = ", read-only", "read it"
	}

	var handler *server.Handler
	what := "an empty tree in memory"
	if o.memory {
		handler = server.New(fsbackend.New(fsbackend.Memory()), opts)
	} else {
		disk, err := openDisk(dir)
		if err != nil {
			return err
		}
		defer disk.Close()
		disk.Sync = o.fsync
		what = show(dir)
		kept, err := o.openState(ctx, dir, disk, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
		opts.Props, opts.Locks = kept.props, kept.locks
		handler = server.New(disk, opts)
		if !o.readOnly {
			if err := handler.Recover(ctx); err != nil {
				return err
			}
			defer tidy(ctx, disk, handler, kept.alone, log)()
		}
	}
	return start(ctx, o.addr, mapping, handler, log, o.grace, func(base string, open bool) {
		public := o.public.base(base)
		if public != base {
			mode += ", behind a proxy at " + public
		}
		fmt.Fprintf(stdout, "dav207 serves %s at %s%s\n%s", what, base, mode, mountHints(public))
		if open {
			log.Warn("no password is asked for: whoever reaches this address can "+change, slog.String("addr", o.addr))
		}
	})
}

// junkPolicies are the values of --junk.
var junkPolicies = map[string]server.Junk{"keep": server.KeepJunk, "hide": server.HideJunk, "drop": server.DropJunk}

// start listens, says so, and serves until ctx ends. open tells that other machines may reach the address.
func start(ctx context.Context, addr string, mapping resource.Mapping, handler http.Handler, log *slog.Logger, grace time.Duration,
	say func(base string, open bool)) error {
	ln, err := listen(ctx, addr)
	if err != nil && ctx.Err() != nil {
		return nil // a signal came first
	}
	if err != nil {
		return err
	}
	say(baseURL(addr, ln, mapping), !loopback(ln))
	s := site{handler: handler, log: log, grace: grace}
	return s.serve(ctx, ln)
}

// openDisk opens the directory that is to be served.
func openDisk(dir string) (*fsbackend.Disk, error) {
	// Looked at first: opening a pipe would wait for its other end.
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		return nil, fmt.Errorf("%q is not a directory: give the directory that holds it", dir)
	}
	var disk *fsbackend.Disk
	if err == nil {
		disk, err = fsbackend.Root(dir)
	}
	switch {
	case err == nil:
		return disk, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %q: make it first, or give another", dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed to read the directory %q: change its permissions, or give another", dir)
	}
	return nil, fmt.Errorf("cannot serve %q: %w; give another directory", dir, cause(err))
}

// show returns the whole name of a directory for people.
func show(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if oneLine(dir) != dir {
		return fmt.Sprintf("%q", dir)
	}
	return dir
}

// newLogger returns a log in one of the formats, from one of the levels on.
func newLogger(w io.Writer, format, level string) *slog.Logger {
	var opts slog.HandlerOptions
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err == nil {
		opts.Level = least
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &opts))
	}
	return slog.New(slog.NewTextHandler(w, &opts))
}
