package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"dav207/server/davpath"
	"dav207/server/limits"
	"dav207/server/metrics"
	"dav207/server/middleware"
)

// site serves a handler on a listener.
type site struct {
	handler http.Handler
	log     *slog.Logger
	grace   time.Duration // how long running requests may take after ctx ends
	tls     *tls.Config   // nil for none
	proxies proxies
	metrics *metrics.Metrics // nil for none

	connections limits.ConnectionOptions
}

// start listens, calls announce, which sets the handler, and serves until ctx ends. If announce
// returns an error, start returns it and does not serve.
func (s *site) start(ctx context.Context, addr string, mapping davpath.Mapping, announce func(bases []string, ln net.Listener) error) error {
	ln, err := Listen(ctx, addr)
	if err != nil && ctx.Err() != nil {
		return nil // a signal came first
	}
	if err != nil {
		return err
	}
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	if err := announce(baseURLs(scheme, addr, ln, mapping), ln); err != nil {
		ln.Close()
		return err
	}
	s.notify(daemon.SdNotifyReady)
	return s.serve(ctx, ln)
}

// notify tells systemd the state, if it started the process with Type=notify.
func (s *site) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd cannot be notified", slog.Any("err", err))
	}
}

// cleanup is how long serve waits for cancelled requests to remove their temp files.
const cleanup = 2 * time.Second

// server returns a server of s.handler. The contexts of requests are children of base, and running
// counts the requests.
func (s *site) server(base context.Context, running *atomic.Int64) *http.Server {
	handler := middleware.Log(s.log, s.proxies...)(s.handler)
	var connState func(net.Conn, http.ConnState)
	if s.metrics != nil {
		handler, connState = s.metrics.Middleware(handler), s.metrics.ConnState
	}
	return &http.Server{
		ConnState: connState,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Add(-1)
			if _, err := netip.ParseAddrPort(r.RemoteAddr); err != nil {
				r.RemoteAddr = "127.0.0.1:0" // a client over a Unix socket is on this machine
			}
			handler.ServeHTTP(w, r)
		}),
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// Uploads and downloads may take any time, so there is no timeout for a whole request. The
		// server sets deadlines for the bodies that it reads at once.
		ReadHeaderTimeout:            10 * time.Second,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               64 << 10,
		DisableGeneralOptionsHandler: true, // the handler answers "OPTIONS *"
		// With TLS clients may choose HTTP/2, where one connection carries many requests. Idle
		// connections are pinged.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 64, SendPingTimeout: 30 * time.Second},
	}
}

// serve serves on ln until ctx ends. Then it stops listening and waits for running requests for the
// grace period. It cancels those that are still running and returns an error.
func (s *site) serve(ctx context.Context, ln net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var running atomic.Int64
	srv := s.server(base, &running)
	limited := limits.NewConnections(ln, s.connections)
	counted := srv.ConnState
	ln, srv.ConnState = limited, func(c net.Conn, state http.ConnState) {
		limited.ConnState(c, state)
		if counted != nil {
			counted(c, state)
		}
	}
	ended := make(chan error, 1)
	go func() {
		if s.tls == nil {
			ended <- srv.Serve(ln)
			return
		}
		srv.TLSConfig = s.tls
		ended <- srv.ServeTLS(ln, "", "")
	}()
	select {
	case err := <-ended:
		return err // the listener failed
	case <-ctx.Done():
	}

	s.notify(daemon.SdNotifyStopping)
	if n := running.Load(); n > 0 {
		s.log.Info("stopping", slog.Int64("running", n), slog.String("grace", s.grace.String()))
	}
	graceful, cancel := context.WithTimeout(base, s.grace)
	defer cancel()
	err := srv.Shutdown(graceful)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	left := running.Load()
	srv.Close()
	cut()
	for end := time.Now().Add(cleanup); running.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if left == 0 {
		return nil // connections without a request
	}
	return fmt.Errorf("cut requests that had not finished after %v: %d; --grace gives them longer", s.grace, left)
}
