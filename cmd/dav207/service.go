package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"dav207/cmd/dav207/config"
	"dav207/server/access"
	"dav207/server/batch"
	"dav207/server/metrics"
	"dav207/server/middleware"
)

// service is the command serve while it runs.
type service struct {
	args    []string                  // the arguments
	read    func() (*settings, error) // reads the settings again
	started *settings                 // those that it began with
	now     *settings                 // in force
	log     *slog.Logger
	tree    *served
	ln      net.Listener
	metrics *metrics.Metrics // nil for none

	current  current
	replaced sync.WaitGroup // what was replaced and has requests
}

// run runs the command.
func (s *service) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	o, err := s.read()
	if err != nil {
		return err
	}
	s.started = o
	s.log = newLogger(stderr, o.format.value, o.level.value)
	signals := catchHangups(s.log)
	defer signals.stop()
	mapping, err := o.check(s.args)
	if err != nil {
		return err
	}
	if s.tree, err = o.openTree(ctx, s.args, s.log); err != nil {
		return err
	}
	defer func() {
		signals.handle(nil)
		s.replaced.Wait()
		err = errors.Join(err, s.tree.close())
	}()
	users, err := openUsers(o.users, s.log)
	if err != nil {
		return err
	}
	cert, trust, err := o.tls.open(o.addr, o.public, s.log)
	if err != nil {
		return err
	}
	s.metrics = o.newMetrics(s.tree)
	site := &site{handler: &s.current, log: s.log, grace: o.grace, proxies: o.proxies, metrics: s.metrics}
	if cert != nil {
		site.tls = cert.config()
	}
	var mon *monitor
	defer func() { mon.close() }()
	return site.start(ctx, o.addr, mapping, func(bases []string, ln net.Listener) (err error) {
		if err := o.exposed(ln); err != nil {
			return err
		}
		if mon, err = o.startMonitor(ctx, s.metrics, s.tree.checks, ln.Addr(), s.log); err != nil {
			return err
		}
		s.ln = ln
		s.current.replace(s.handler(o, users))
		fmt.Fprintf(stdout, "dav207 serves %s at %s%s%s%s", s.tree.what, bases[0], o.announce(bases, ln), mon.hint(o.monitor), trust)
		o.warn(s.log, ln, s.tree.dirs, cert)
		if o.config != "" {
			signals.handle(func() { s.reload(ctx) })
		}
		return nil
	})
}

// announce returns what is printed after the URL.
func (o *settings) announce(bases []string, ln net.Listener) string {
	base := bases[0]
	mode := ""
	if o.readOnly {
		mode = ", read-only"
	}
	if o.users != "" {
		mode += ", to the users in " + show(o.users)
	}
	switch o.guests.value {
	case config.GuestsRead:
		mode += ", and to guests for reading"
	case config.GuestsRules:
		mode += ", and to guests"
	}
	public := o.public.base(base)
	hints := mountHints(public)
	if public != base {
		mode += ", behind a proxy at " + public
	}
	if ln.Addr().Network() == "unix" && public == base {
		mode, hints = mode+", on the socket "+show(ln.Addr().String()), "" // no system mounts such a URL
	}
	return mode + "\n" + alsoAt(bases) + hints
}

// handler returns what answers requests under settings: it finds out who the user is, and passes
// the request to the tree. users is nil without a login.
func (s *service) handler(o *settings, users *middleware.Users) http.Handler {
	var handler http.Handler = s.tree.handler
	if o.batch != noBatch {
		handler = batch.New(handler, &batch.Options{Path: o.batch, Prefix: o.prefix, PublicURLs: o.public, TrustedProxies: o.proxies, Logger: s.log})
	}
	if s.tree.folders != nil {
		next := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(s.tree.folders.Bind(r.Context())))
		})
	}
	if users != nil {
		handler = withGroups(o.file, handler)
		handler = middleware.Basic(users, &middleware.BasicOptions{Realm: "dav207", SetHeaders: s.tree.handler.SetDAVHeaders,
			TrustedProxies: o.proxies, Logger: s.log, OnFailure: s.metrics.FailedLogin})(handler)
	}
	handler = middleware.SameSite(slices.Concat(o.public, publicURLs(o.cors))...)(handler)
	if users == nil {
		host, _, _ := net.SplitHostPort(o.addr)
		opts := middleware.HostsOptions{Names: []string{host}, Addresses: !loopback(s.ln), TrustedProxies: o.proxies}
		for _, u := range o.public {
			opts.Names = append(opts.Names, u.Hostname())
		}
		handler = middleware.Hosts(opts)(handler)
	}
	return middleware.CORS(o.cors...)(middleware.Recover(s.log)(handler))
}

// withGroups adds the groups of the user to the context.
func withGroups(file *config.File, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := access.Principal(r.Context())
		if groups := file.GroupsOf(name); len(groups) > 0 {
			r = r.WithContext(access.WithPrincipal(r.Context(), name, groups...))
		}
		next.ServeHTTP(w, r)
	})
}

// reloaded are the flags that a reload changes. The others need a restart.
var reloaded = []string{"users", "guests", "cors-origin"}

// reload reads the settings again. After an error they stay as they were.
func (s *service) reload(ctx context.Context) {
	next, err := s.read()
	if err == nil {
		err = s.replace(ctx, next)
	}
	if err != nil {
		s.log.Error("the configuration stays as it was", slog.Any("err", err))
		return
	}
	var restart []string
	next.flags.VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != s.started.flags.Lookup(f.Name).Value.String() && !slices.Contains(reloaded, f.Name) {
			restart = append(restart, f.Name)
		}
	})
	s.log.Info("the configuration was read again", slog.String("file", next.config))
	if len(restart) > 0 {
		s.log.Warn("what has changed here is in force after a restart only", slog.String("keys", strings.Join(restart, " ")))
	}
}

// replace puts next in force. After an error nothing has changed.
func (s *service) replace(ctx context.Context, next *settings) error {
	if _, err := next.check(s.args); err != nil {
		return err
	}
	if err := next.exposed(s.ln); err != nil {
		return err
	}
	if err := next.outsideAll(next.dirs(s.args)); err != nil {
		return err
	}
	users, err := openUsers(next.users, s.log)
	if err != nil {
		return err
	}
	release, err := s.tree.replace(ctx, next)
	if err != nil {
		return err
	}
	ended := s.current.replace(s.handler(next, users))
	s.replaced.Go(func() {
		ended()
		if err := release(); err != nil {
			s.log.Warn("a directory that is no longer served cannot be closed", slog.Any("err", err))
		}
	})
	return nil
}
