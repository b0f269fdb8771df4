// Package limits bounds what clients take of a server: connections, requests under way, and the
// time in which nothing moves. Each limit protects clients from other ones, so that what it refuses
// is the client that has too much.
package limits

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"dav207/server/forwarded"
)

// ConnectionOptions are the limits of Connections.
type ConnectionOptions struct {
	// Max is the number of connections in all, and MaxPerAddress that of one address, with IPv6 of
	// its /64. 0 is no limit.
	Max, MaxPerAddress int
	// TrustedProxies are addresses to which MaxPerAddress does not apply: their connections are
	// those of many clients.
	TrustedProxies []netip.Prefix
	// Logger gets a record at level Warn for refused connections, at most one each minute. Default:
	// no log.
	Logger *slog.Logger
}

// Connections is a net.Listener with limits. The http.Server must call ConnState.
//
// Idle connections make room first: the one that has been idle for longest is closed, as a server
// may do at any time (RFC 9112 §9.5), and clients connect again. If none is idle, connections
// beyond Max wait in the queue of the listener, since each client of many is as good as the next
// one. What is beyond MaxPerAddress is closed at once, without a 503: over TLS the client would
// have to be answered with the very work that the limit saves, and without TLS the response would
// be lost if the client has sent its request (RFC 9112 §9.6).
type Connections struct {
	net.Listener
	ConnectionOptions
	changed chan struct{} // has a value if there may be room
	closed  chan struct{}
	close   func() error

	mu      sync.Mutex
	open    map[net.Conn]*connection
	from    map[netip.Prefix]int
	refused int       // since the last record
	logged  time.Time // the last record
}

// connection is an open connection.
type connection struct {
	from      netip.Prefix // the zero value if MaxPerAddress does not apply
	idleSince time.Time    // the zero time while it is not idle
}

// NewConnections returns ln with limits.
func NewConnections(ln net.Listener, opts ConnectionOptions) *Connections {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Connections{Listener: ln, ConnectionOptions: opts, changed: make(chan struct{}, 1), closed: make(chan struct{}),
		open: map[net.Conn]*connection{}, from: map[netip.Prefix]int{}}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return ln.Close()
	})
	return l
}

// Close implements net.Listener.
func (l *Connections) Close() error { return l.close() }

// Accept implements net.Listener.
func (l *Connections) Accept() (net.Conn, error) {
	for {
		for !l.hasRoom() {
			select {
			case <-l.changed:
			case <-l.closed:
				return nil, net.ErrClosed
			}
		}
		c, err := l.Listener.Accept()
		if err != nil || l.add(c) {
			return c, err
		}
		c.Close()
	}
}

// hasRoom reports whether one more connection may be accepted. If not, it closes an idle one.
func (l *Connections) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Max <= 0 || len(l.open) < l.Max {
		return true
	}
	l.closeIdle(func(*connection) bool { return true })
	return false
}

// closeIdle closes the connection that is idle for longest among those that match, and reports
// whether there is one. It is called with the lock held.
func (l *Connections) closeIdle(matches func(*connection) bool) bool {
	var oldest net.Conn
	for c, o := range l.open {
		if !o.idleSince.IsZero() && matches(o) && (oldest == nil || o.idleSince.Before(l.open[oldest].idleSince)) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	l.open[oldest].idleSince = time.Time{} // it is not to be closed again
	oldest.Close()
	return true
}

// add counts a connection, and reports whether it may be served.
func (l *Connections) add(c net.Conn) bool {
	from := l.address(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.IsValid() && l.from[from] >= l.MaxPerAddress && !l.closeIdle(func(o *connection) bool { return o.from == from }) {
		l.logRefused(from)
		return false
	}
	l.open[c] = &connection{from: from}
	if from.IsValid() {
		l.from[from]++
	}
	return true
}

// address returns the address of c, or the zero Prefix if MaxPerAddress does not apply to it.
func (l *Connections) address(c net.Conn) netip.Prefix {
	remote := c.RemoteAddr().String()
	at, err := netip.ParseAddrPort(remote)
	if err != nil || l.MaxPerAddress <= 0 || forwarded.Trusted(remote, l.TrustedProxies) {
		return netip.Prefix{}
	}
	return forwarded.Network(at.Addr())
}

// logRefused logs what was refused since the last record, if that is a minute ago. It is called
// with the lock held.
func (l *Connections) logRefused(from netip.Prefix) {
	l.refused++
	if now := time.Now(); now.Sub(l.logged) >= time.Minute {
		l.Logger.Warn("connections were refused: their address has too many", slog.String("remote", from.Addr().String()),
			slog.Int("open", l.from[from]), slog.Int("refused", l.refused))
		l.refused, l.logged = 0, now
	}
}

// ConnState is for http.Server.ConnState: it reports which connections are idle, and which are
// closed.
func (l *Connections) ConnState(c net.Conn, state http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.open[c]
	if o == nil {
		return
	}
	switch state {
	case http.StateActive:
		o.idleSince = time.Time{}
		return
	case http.StateIdle:
		o.idleSince = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(l.open, c)
		if o.from.IsValid() {
			if l.from[o.from]--; l.from[o.from] == 0 {
				delete(l.from, o.from)
			}
		}
	default:
		return
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
