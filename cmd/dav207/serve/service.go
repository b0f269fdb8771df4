package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
	"dav207/server/batch"
	"dav207/server/limits"
	"dav207/server/metrics"
	"dav207/server/middleware"
)

// service is the command serve while it runs.
type service struct {
	args    []string                  // the arguments
	read    func() (*settings, error) // reads the settings again
	started *settings                 // those that it began with
	log     *slog.Logger
	tree    *served
	ln      net.Listener
	metrics *metrics.Metrics // nil for none
	inner   http.Handler     // behindLogin

	hosts     middleware.HostsOptions // under which it is known
	isOwnHost func(*http.Request) bool

	login        func(http.Handler) http.Handler // nil: nobody has to log in
	loginOptions loginOptions                    // of login

	current  current
	replaced sync.WaitGroup // what was replaced and has requests
}

// run runs the command.
func (s *service) run(ctx context.Context, stdout, stderr io.Writer) error {
	o, err := s.read()
	if err != nil {
		return err
	}
	s.started = o
	if err = s.serve(ctx, o, stdout, stderr); s.ln == nil {
		err = o.inFile(err)
	}
	return err
}

// serve opens what the settings name, and serves it.
func (s *service) serve(ctx context.Context, o *settings, stdout, stderr io.Writer) (err error) {
	s.log = cli.NewLogger(stderr, o.format.Value, o.level.Value)
	signals := cli.CatchHangups(s.log)
	defer signals.Stop()
	mapping, err := o.check(s.args)
	if err != nil {
		return err
	}
	if s.tree, err = o.openTree(ctx, s.args, s.log); err != nil {
		return err
	}
	defer func() {
		signals.Handle(nil)
		s.waitForReplaced()
		err = errors.Join(err, s.tree.close())
	}()
	s.metrics = o.newMetrics(s.tree)
	s.inner = s.behindLogin(o)
	login, err := s.openLogin(o)
	if err != nil {
		return err
	}
	cert, trust, err := o.tls.open(o.addr, o.public, s.log)
	if err != nil {
		return err
	}
	site := &site{handler: &s.current, log: s.log, grace: o.grace, proxies: o.proxies, metrics: s.metrics,
		connections: o.limitConnections(s.log)}
	if cert != nil {
		site.tls = cert.Config()
		if err := o.askCertificates(site.tls); err != nil {
			return err
		}
	}
	var mon *monitor
	defer func() { mon.close() }()
	return site.start(ctx, o.addr, mapping, func(bases []string, ln net.Listener) (err error) {
		if err := o.exposed(Loopback(ln)); err != nil {
			return err
		}
		if mon, err = o.startMonitor(ctx, s.metrics, s.tree.checks, ln.Addr(), s.log); err != nil {
			return err
		}
		s.ln, s.hosts = ln, o.ownHosts(ln)
		s.isOwnHost = middleware.OwnHosts(s.hosts)
		s.current.replace(s.handler(o, login))
		fmt.Fprintf(stdout, "dav207 serves %s at %s%s%s%s", s.tree.what, bases[0], o.announce(bases, ln), mon.hint(o.monitor), trust)
		o.warn(s.log, ln, s.tree.dirs, cert)
		s.warnOfDoubts(o)
		if o.config != "" {
			signals.Handle(func() { s.reload(ctx) })
		}
		return nil
	})
}

// waitForReplaced waits for the requests of handlers that were replaced. They were cut before; one
// that a disk holds up does not hold up the end of the process.
func (s *service) waitForReplaced() {
	done := make(chan struct{})
	go func() {
		s.replaced.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(cleanup):
	}
}

// announce returns what is printed after the URL.
func (o *settings) announce(bases []string, ln net.Listener) string {
	base := bases[0]
	mode := o.mode()
	switch o.guests.Value {
	case config.GuestsRead:
		mode += ", and to guests for reading"
	case config.GuestsRules:
		mode += ", and to guests"
	}
	public := o.public.base(base)
	hints := MountHints(public)
	if public != base {
		mode += ", behind a proxy at " + public
	}
	if ln.Addr().Network() == "unix" && public == base {
		mode, hints = mode+", on the socket "+cli.Show(ln.Addr().String()), "" // no system mounts such a URL
	}
	return mode + "\n" + alsoAt(bases) + hints
}

// openLogin returns the middleware that lets in users and guests, or nil if nobody has to log in.
// One with the same options is kept: it knows which passwords were right.
func (s *service) openLogin(o *settings) (func(http.Handler) http.Handler, error) {
	if s.login != nil && s.loginOptions == o.loginOptions {
		return s.login, nil
	}
	login, err := o.loginOptions.open(middleware.AuthOptions{Realm: "dav207", SetHeaders: s.tree.handler.SetDAVHeaders,
		TrustedProxies: o.proxies, Logger: s.log, OnFailure: s.metrics.FailedLogin,
		Guests: func(r *http.Request) bool { return inForceFor(r.Context()).guests && s.isOwnHost(r) },
		Groups: func(r *http.Request, name string) []string { return inForceFor(r.Context()).groups[name] }})
	if err == nil {
		s.login, s.loginOptions = login, o.loginOptions
	}
	return login, err
}

// behindLogin returns what no reload replaces: it counts over all of them.
func (s *service) behindLogin(o *settings) http.Handler {
	var handler http.Handler = s.tree.handler
	if o.batch != noBatch {
		handler = batch.New(handler, &batch.Options{Path: o.batch, Prefix: o.prefix, PublicURLs: o.public, TrustedProxies: o.proxies, Logger: s.log})
	}
	return limits.Requests(o.limitRequests())(handler)
}

// handler returns what answers requests under settings: it finds out who the user is, and passes
// the request on. login is nil if nobody has to log in.
func (s *service) handler(o *settings, login func(http.Handler) http.Handler) http.Handler {
	handler := s.inner
	if login != nil {
		handler = login(handler)
	}
	handler = middleware.SameSite(slices.Concat(s.started.public, publicURLs(o.cors))...)(handler)
	if login == nil {
		handler = middleware.Hosts(s.hosts)(handler)
	}
	bind := s.tree.binder(&inForce{guests: o.guests.Value != noGuests, groups: o.file.Memberships(), rules: s.tree.policy.now.Load()})
	bound := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(bind(r.Context())))
	})
	return middleware.CORS(o.cors...)(middleware.Recover(s.log)(limits.Stalled(s.started.limits.stall)(bound)))
}

// ownHosts returns the hosts under which the server is known.
func (o *settings) ownHosts(ln net.Listener) middleware.HostsOptions {
	host, _, _ := net.SplitHostPort(o.addr)
	hosts := middleware.HostsOptions{Names: []string{host}, Addresses: !Loopback(ln), TrustedProxies: o.proxies}
	for _, u := range o.public {
		hosts.Names = append(hosts.Names, u.Hostname())
	}
	return hosts
}

// reloaded are the flags that a reload changes. The others need a restart.
var reloaded = []string{"users", "digest-users", "auth-header", "guests", "cors-origin"}

// reload reads the settings again. After an error they stay as they were.
func (s *service) reload(ctx context.Context) {
	next, err := s.read()
	var restart []string
	if err == nil {
		restart = next.keep(s.started)
		err = next.inFile(s.replace(ctx, next))
	}
	if err != nil {
		s.log.Error("the configuration stays as it was", slog.Any("err", err))
	} else {
		s.warnOfDoubts(next)
	}
	if len(restart) > 0 {
		s.log.Warn("what has changed here is in force after a restart only", slog.String("keys", strings.Join(restart, " ")))
	}
	if err == nil {
		s.log.Info("the configuration was read again", slog.String("file", next.config))
	}
}

// keep gives each flag that a reload does not change the value of started, and returns the names of
// those that had another.
func (o *settings) keep(started *settings) (changed []string) {
	o.flags.VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != started.flags.Lookup(f.Name).Value.String() && !slices.Contains(reloaded, f.Name) {
			changed = append(changed, f.Name)
		}
	})
	next := o.serveOptions
	o.serveOptions = started.serveOptions
	o.users, o.digestUsers, o.authHeader, o.guests, o.cors = next.users, next.digestUsers, next.authHeader, next.guests, next.cors
	return changed
}

// warnOfDoubts logs what is likely a mistake.
func (s *service) warnOfDoubts(o *settings) {
	for _, doubt := range o.doubts() {
		s.log.Warn("the configuration may have a mistake", slog.Any("err", doubt))
	}
	for _, name := range o.strays(os.Environ()) {
		s.log.Warn("no option has this environment variable", slog.String("variable", name))
	}
}

// replace puts next in force. After an error nothing has changed.
func (s *service) replace(ctx context.Context, next *settings) error {
	if _, err := next.check(s.args); err != nil {
		return err
	}
	if err := next.exposed(Loopback(s.ln)); err != nil {
		return err
	}
	if err := next.outsideAll(next.dirs(s.args)); err != nil {
		return err
	}
	login, err := s.openLogin(next)
	if err != nil {
		return err
	}
	release, err := s.tree.replace(ctx, next)
	if err != nil {
		return err
	}
	ended := s.current.replace(s.handler(next, login))
	s.replaced.Go(func() {
		ended()
		if err := release(); err != nil {
			s.log.Warn("a directory that is no longer served cannot be closed", slog.Any("err", err))
		}
	})
	return nil
}
