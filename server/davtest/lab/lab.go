// Package lab is a davtest.Server for programs in any language. Next to the server, on an address
// of its own, is a control API: it makes faults, reads and replaces the tree, reads the journal,
// moves the clock, and resets everything. Its root is a page for people, with exercises.
//
// schema.json, which the API serves, describes it.
package lab

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"dav207/server/davtest"
	"dav207/server/middleware"
)

// Options are the options of Start. A nil pointer has all defaults.
type Options struct {
	// Server are the options of the server. Its Lenient is ignored: nobody reads what a test would.
	Server davtest.Options
	// Control is where the control API listens: a loopback address. Default: a free port of
	// 127.0.0.1.
	Control net.Listener
}

// Lab is a running server with its control API.
type Lab struct {
	*davtest.Server
	// ControlURL is the URL of the control API, with a slash at its end.
	ControlURL string

	control  *http.Server
	changing sync.Mutex // held while an exercise runs, and while the clock moves
}

// Start starts a lab. The caller closes it.
func Start(opts *Options) (*Lab, error) {
	o := *cmp.Or(opts, &Options{})
	o.Server.Lenient = true
	ln := o.Control
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	if addr, ok := ln.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		ln.Close()
		return nil, fmt.Errorf("the control address %s is not a loopback address", ln.Addr())
	}
	// No page of another site may use the lab, whatever name it has for these addresses.
	own := func(h http.Handler) http.Handler {
		return middleware.Hosts(middleware.HostsOptions{Addresses: true})(middleware.SameSite()(h))
	}
	if o.Server.Users == nil && o.Server.Wrap == nil {
		o.Server.Wrap = own
	}
	srv, err := davtest.Start(&o.Server)
	if err != nil {
		ln.Close()
		return nil, err
	}
	l := &Lab{Server: srv, ControlURL: "http://" + ln.Addr().String() + "/"}
	l.control = &http.Server{Handler: own(l.handler()), ReadHeaderTimeout: 10 * time.Second}
	go l.control.Serve(ln)
	return l, nil
}

// Close ends the control API and the server.
func (l *Lab) Close() error {
	err := l.control.Close()
	l.Server.Close()
	return err
}

// Base returns the URL of the root of the tree, with a slash at its end.
func (l *Lab) Base() string { return l.URL + l.Prefix() + "/" }
