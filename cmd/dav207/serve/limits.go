package serve

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
	"dav207/server/limits"
)

// limitOptions are the flags that bound what clients can take of the server.
type limitOptions struct {
	connections, requests int
	upload, state         size
	stall                 time.Duration
}

// define adds the flags.
func (l *limitOptions) define(flags *pflag.FlagSet) {
	flags.IntVar(&l.connections, "max-connections", 1024, "`NUMBER` of connections; one address may have a quarter of them; 0 is no limit")
	flags.IntVar(&l.requests, "max-requests", 256, "`NUMBER` of requests that one user, or else one address, may have under way; 0 is no limit")
	flags.Var(&l.upload, "max-upload", "`SIZE` of a file that is uploaded, such as 10GiB (0 is what the disk has room for)")
	l.state = 1 << 30
	flags.Var(&l.state, "max-state", "`SIZE` of the properties that clients set, of all resources together")
	flags.DurationVar(&l.stall, "stall", time.Minute, "`TIME` in which something of a request or an answer must move, or it is cut; 0 is never")
}

// check returns a usageError for wrong flags.
func (l *limitOptions) check() error {
	switch {
	case l.connections < 0:
		return cli.Usagef("--max-connections %d is no number of connections", l.connections)
	case l.requests < 0:
		return cli.Usagef("--max-requests %d is no number of requests", l.requests)
	case l.stall < 0:
		return cli.Usagef("--stall %v is no time to wait", l.stall)
	}
	return nil
}

// limitConnections returns the limits of connections.
func (o *serveOptions) limitConnections(log *slog.Logger) limits.ConnectionOptions {
	opts := limits.ConnectionOptions{Max: o.limits.connections, TrustedProxies: o.proxies, Logger: log}
	if o.seesAddresses() {
		opts.MaxPerAddress = (o.limits.connections + 3) / 4
	}
	return opts
}

// limitRequests returns the limits of requests.
func (o *serveOptions) limitRequests() limits.RequestOptions {
	opts := limits.RequestOptions{MaxPerUser: o.limits.requests, TrustedProxies: o.proxies}
	if o.seesAddresses() {
		opts.MaxPerAddress = o.limits.requests
	}
	return opts
}

// seesAddresses reports whether the server knows the addresses of its clients: it does not behind a
// proxy that no --trusted-proxy names, and a socket of systemd may be a Unix socket, which only a
// proxy uses.
func (o *serveOptions) seesAddresses() bool {
	proxied := strings.HasPrefix(o.addr, unixAddr) || o.addr == systemdAddr ||
		!o.tls.given() && slices.ContainsFunc(o.public, func(u *url.URL) bool { return u.Scheme == "https" })
	return len(o.proxies) > 0 || !proxied
}

// size is a flag that is a number of bytes. 0 is no limit, and the default alone.
type size int64

// String implements pflag.Value.
func (s *size) String() string {
	n, unit := int64(*s), ""
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return fmt.Sprint(n, unit)
}

// Type implements pflag.Value.
func (s *size) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	if text == "0" {
		*s = 0
		return nil
	}
	n, err := config.ParseSize(text)
	if err != nil {
		return fmt.Errorf("it %w", err)
	}
	*s = size(n)
	return nil
}
