package serve

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/certificate"
	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
	"dav207/server/batch"
	"dav207/server/davpath"
)

var Command = cli.Command{
	Name:  "serve",
	Args:  " [DIR]",
	About: "serve a directory, by default the current one",
	More: `It serves DIR for reading and writing until it gets SIGINT or SIGTERM; then running requests have the grace
period to finish, and a second signal ends at once. Nothing outside of DIR can be reached through it.
`,
	Flags: func() (*pflag.FlagSet, func(context.Context, []string, io.Writer, io.Writer) error) {
		flags := serveFlags(new(serveOptions))
		return flags, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			commandLine := given(flags)
			s := &service{args: args, read: func() (*settings, error) { return readSettings(commandLine, os.LookupEnv) }}
			return s.run(ctx, stdout, stderr)
		}
	},
}

// noGuests is the value of --guests for none.
const noGuests = "none"

// serveFlags returns the flags of the command, which set o.
func serveFlags(o *serveOptions) *pflag.FlagSet {
	o.infinity, o.junk = cli.NewChoice("allow", "deny"), cli.NewChoice("keep", "hide")
	o.format, o.level = cli.NewChoice("text", "json"), cli.NewChoice("info", "debug", "warn", "error")
	o.guests = cli.NewChoice(noGuests, config.GuestsRead, config.GuestsRules)
	o.junk.Removed = map[string]string{"drop": "use hide, which keeps them and leaves them out of listings"}
	flags := cli.NewFlags("serve")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`HOST:PORT` to listen on (port 0 takes a free one), unix:PATH for a socket, or systemd for the one that it passes")
	flags.StringVar(&o.prefix, "prefix", "/", "`PATH` of the URL under which the tree is served")
	flags.Var(&o.public, "public-url", "`URL` under which clients reach the tree by another name or through a proxy; may be given more than once")
	flags.Var(&o.proxies, "trusted-proxy", "`IP|CIDR` of a proxy whose Forwarded and X-Forwarded-* headers count; may be given more than once")
	flags.Var(&o.cors, "cors-origin", "`URL` such as https://app.example, whose pages may use the server from browsers; may be given more than once")
	flags.StringVar(&o.users, "users", "", "`FILE` of users with their passwords: only they are let in; \"dav207 passwd\" writes it")
	flags.StringVar(&o.digestUsers, "digest-users", "", "`FILE` of users who log in by Digest, which needs no TLS; \"dav207 passwd --digest\" writes it")
	flags.StringVar(&o.authHeader, "auth-header", "", "`NAME` of the header field in which a --trusted-proxy that asks for passwords itself puts the user")
	flags.StringVar(&o.clientCA, "client-ca", "", "`FILE` with the certificates, in PEM, of those who sign the certificates of users; needs TLS")
	flags.Var(o.guests, "guests", "let in others without a password: they read what no rule takes away, or do what the rules of --config allow")
	flags.StringVar(&o.tls.cert, "tls-cert", "", "`FILE` with the certificate for https, and the intermediate ones, in PEM")
	flags.StringVar(&o.tls.key, "tls-key", "", "`FILE` with the key of the certificate, in PEM")
	flags.BoolVar(&o.tls.selfSigned, "tls-self-signed", false, "https with a certificate made here, which clients must be told to trust")
	flags.BoolVar(&o.insecureBasic, "insecure-basic", false, "let passwords cross the network without TLS")
	flags.BoolVar(&o.anonymous, "anonymous", false, "let in other machines without a password")
	flags.BoolVar(&o.readOnly, "read-only", false, "refuse every change")
	flags.BoolVar(&o.memory, "memory", false, "serve an empty tree in memory instead of DIR; it ends with the process")
	flags.BoolVar(&o.fsync, "fsync", false, "have every change on the disk before it is answered, for a loss of power to lose nothing")
	flags.StringVar(&o.state, "state", "", "`FILE` that keeps properties and locks, by default .dav207/state.db in DIR; \"memory\" keeps them until the end")
	flags.Var(o.infinity, "depth-infinity", "answer PROPFIND with Depth: infinity, or refuse it")
	flags.Var(o.junk, "junk", "show files of desktops, such as ._* and Thumbs.db, in listings, or hide them")
	flags.BoolVar(&o.noMacQuota, "no-macos-quota", false, "hide the free space from macOS, which takes long to mount some servers that tell it")
	flags.DurationVar(&o.silence, "silence", 20*time.Second, "`TIME` after which a client that waits for a COPY, MOVE or DELETE gets an interim response; 0 is never")
	flags.DurationVar(&o.maxAge, "max-age", 0, "`TIME` for which caches may use a file without asking whether it has changed")
	flags.StringVar(&o.batch, "batch", batch.DefaultPath, "`PATH` below the prefix that takes many requests in one POST of JSON; \"off\" is none")
	flags.Var(o.format, "log", "format of the log on standard error")
	flags.Var(o.level, "log-level", "least level that is logged: each request is info, why one was refused is debug")
	o.limits.define(flags)
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "`TIME` that running requests have to finish after a signal")
	flags.StringVar(&o.monitor, "monitor", "", "`HOST:PORT` or unix:PATH with /health and, for Prometheus, /metrics")
	flags.StringVar(&o.control, "control", "", "`SOCKET` by which \"dav207 locks\" asks the server, by default beside the file of --state; \"off\" is none")
	flags.StringVar(&o.config, "config", "", "`FILE` with these flags as keys, and more than flags can say")
	cli.Removed(flags, "quirk", "use --no-macos-quota for no-quota; lockroot is never left out")
	return flags
}

// serveOptions are the flags of the command.
type serveOptions struct {
	addr, prefix, config string
	monitor, control     string
	public               publicURLs
	proxies              proxies
	cors                 corsOrigins
	loginOptions
	state, batch            string
	tls                     tlsOptions
	insecureBasic           bool
	anonymous               bool
	readOnly, memory, fsync bool
	infinity, format, level *cli.Choice
	junk, guests            *cli.Choice
	noMacQuota              bool
	grace, silence, maxAge  time.Duration
	limits                  limitOptions
}

// warn logs what is unsafe about the address and the certificate, which may be nil.
func (o *settings) warn(log *slog.Logger, ln net.Listener, dirs []string, cert *certificate.Certificate) {
	switch {
	case Loopback(ln):
	case !o.loginOptions.given():
		log.Warn("no password is asked for: anybody who reaches this address can "+o.change(), slog.String("addr", o.addr))
	case cert == nil && o.users != "":
		log.Warn("passwords cross the network as they are", slog.String("addr", o.addr))
	case cert == nil:
		log.Warn("files cross the network as they are, and can be changed on the way", slog.String("addr", o.addr))
	}
	for _, dir := range dirs {
		if cert != nil && outside(dir, "the key", cert.KeyFile) != nil {
			log.Warn("clients can read the key of the certificate, for it is in the directory that is served", slog.String("file", cert.KeyFile))
		}
	}
}

// check returns the mapping of URLs to the tree, or a usageError for wrong flags or arguments.
// One piece: it is one list of rules, with no other branches.
func (o *settings) check(args []string) (davpath.Mapping, error) {
	mapping, err := davpath.NewMapping(o.prefix)
	switch {
	case len(args) > 1:
		err = cli.Usagef("serve takes one directory, not %d", len(args))
	case len(args) == 1 && o.memory:
		err = cli.Usagef("serve takes --memory or a directory, not both")
	case o.memory && o.state != "" && o.state != inMemory:
		err = cli.Usagef("serve takes --memory or --state FILE, not both: properties belong to files that are kept")
	case o.memory && o.fsync:
		err = cli.Usagef("serve takes --memory or --fsync, not both: a tree in memory ends with the process")
	case o.guests.Value != noGuests && !o.loginOptions.given():
		err = cli.Usagef("--guests is for those who have no name among --users FILE; without users --anonymous lets everybody in")
	case o.insecureBasic && o.users == "":
		err = cli.Usagef("--insecure-basic is about the passwords of --users FILE")
	case o.grace < 0:
		err = cli.Usagef("--grace %v is before the signal", o.grace)
	case o.silence < 0:
		err = cli.Usagef("--silence %v is no time to wait", o.silence)
	case o.maxAge < 0 || o.maxAge%time.Second != 0:
		err = cli.Usagef("--max-age %v is no number of seconds", o.maxAge)
	case err != nil || strings.Contains(o.prefix, "://") || cli.OneLine(o.prefix) != o.prefix:
		err = cli.Usagef("--prefix %q is not the path of a URL such as /dav", o.prefix)
	default:
		err = cmp.Or(o.limits.check(), o.tls.check())
	}
	if err == nil {
		err = o.loginOptions.check(o.proxies, o.tls.given())
	}
	if err == nil {
		err = o.checkMounts(args)
	}
	if _, wrong := batch.ParsePath(o.batch); err == nil && wrong != nil && o.batch != noBatch {
		err = cli.Usagef("--batch %q is neither the path of a URL below the prefix such as %s nor %s", o.batch, batch.DefaultPath, noBatch)
	}
	return mapping, err
}

// checkMounts returns a usageError for flags and arguments that do not go with mounts.
func (o *settings) checkMounts(args []string) error {
	if o.guests.Value == config.GuestsRules && len(o.file.Rules) == 0 {
		return cli.Usagef("--guests %s needs rules in the file of --config", config.GuestsRules)
	}
	if len(o.file.Mounts) == 0 {
		return nil
	}
	switch {
	case len(args) > 0:
		return o.atMounts("serve takes a directory or mounts in the file of --config, not both")
	case o.memory:
		return o.atMounts("serve takes --memory or mounts in the file of --config, not both")
	case o.state == "":
		return o.atMounts("with mounts give --state FILE, which keeps properties and locks outside of them, or --state %s", inMemory)
	}
	return nil
}

// atMounts returns a mistake at the first mount of the file.
func (o *settings) atMounts(format string, args ...any) error {
	return cli.Usage(&config.Error{File: o.config, Line: o.file.Mounts[0].Line, Err: fmt.Errorf(format, args...)})
}

// noBatch is the value of --batch for none.
const noBatch = "off"

// mode returns how the tree is served, and to whom, for messages.
func (o *serveOptions) mode() string {
	if o.readOnly {
		return ", read-only" + o.loginOptions.String()
	}
	return o.loginOptions.String()
}

// change returns what clients can do, for messages.
func (o *serveOptions) change() string {
	if o.readOnly {
		return "read it"
	}
	return "read and change it"
}
