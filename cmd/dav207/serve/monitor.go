package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"dav207/cmd/dav207/cli"
	"dav207/props/boltprops"
	"dav207/server/health"
	"dav207/server/limits"
	"dav207/server/metrics"
)

const (
	healthPath  = "/health"
	metricsPath = "/metrics"
	// HealthTimeout is how long a disk may take to answer.
	HealthTimeout = 3 * time.Second
	// maxMonitoring bounds the connections of the monitor: they take descriptors from clients.
	maxMonitoring = 64
)

// health returns the check of the state, which has a file. own says that it is not in the directory
// that is served, which has a check already.
func (s *state) health(own bool) health.Check {
	dir := func(context.Context) error { return nil }
	if own {
		dir = health.Dir(filepath.Dir(s.path), !s.readOnly)
	}
	return health.Check{Name: "state", Check: func(ctx context.Context) error {
		err := s.file.Check(ctx)
		if damaged := (*boltprops.DamagedError)(nil); errors.As(err, &damaged) {
			return &health.Error{Reason: "damaged", Err: err}
		}
		if err != nil {
			return err
		}
		return dir(ctx)
	}}
}

// monitor answers on the address of --monitor.
type monitor struct {
	ln  net.Listener
	srv *http.Server
}

// newMetrics returns the metrics of a tree, or nil without --monitor.
func (o *serveOptions) newMetrics(dav *served) *metrics.Metrics {
	if o.monitor == "" {
		return nil
	}
	return metrics.New(metrics.Sources{Locks: dav.handler.Locks, Waiting: dav.handler.Waiting, StateBytes: dav.stateBytes})
}

// startMonitor listens on the address of --monitor and serves until close is called. It returns nil
// without --monitor.
func (o *serveOptions) startMonitor(ctx context.Context, m *metrics.Metrics, checks []health.Check, served net.Addr, log *slog.Logger) (*monitor, error) {
	if o.monitor == "" {
		return nil, nil
	}
	ln, err := listenFor(ctx, "--monitor", o.monitor)
	if err != nil {
		return nil, err
	}
	if overlap(ln.Addr(), served) { // some systems allow it
		ln.Close()
		return nil, cli.Usagef("--monitor %s has the port of --addr: give it another", o.monitor)
	}
	mux := http.NewServeMux()
	mux.Handle(healthPath, health.New(HealthTimeout, log, checks...))
	mux.Handle("GET "+metricsPath, m.Handler())
	limited := limits.NewConnections(ln, limits.ConnectionOptions{Max: maxMonitoring})
	mon := &monitor{limited, &http.Server{
		ConnState:         limited.ConnState,
		Handler:           mux,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}
	go mon.srv.Serve(limited)
	if !Loopback(ln) {
		log.Warn("anybody who reaches this address can read the metrics", slog.String("monitor", o.monitor))
	}
	return mon, nil
}

// overlap reports whether connections to one address could be for the other.
func overlap(a, b net.Addr) bool {
	one, ok := a.(*net.TCPAddr)
	other, ok2 := b.(*net.TCPAddr)
	return ok && ok2 && one.Port == other.Port && (one.IP.Equal(other.IP) || one.IP.IsUnspecified() || other.IP.IsUnspecified())
}

// close ends the monitor, which may be nil.
func (m *monitor) close() {
	if m != nil {
		m.srv.Close()
	}
}

// hint returns a line on where the monitor is, or "" if it is nil.
func (m *monitor) hint(addr string) string {
	if m == nil {
		return ""
	}
	if m.ln.Addr().Network() == "unix" {
		return fmt.Sprintf("  monitoring  %s and %s on the socket %s\n", healthPath, metricsPath, cli.Show(m.ln.Addr().String()))
	}
	base := "http://" + hosts(addr, m.ln)[0]
	return fmt.Sprintf("  monitoring  %s and %s\n", base+healthPath, base+metricsPath)
}
