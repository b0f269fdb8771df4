package serve

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/control"
	"dav207/props/boltprops"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// noControl is the value of --control for none.
const noControl = "off"

// controller answers "dav207 locks". It starts at once if it can, else with the first lock: the
// directory of the state is not made for it. The zero value never starts.
type controller struct {
	socket   string // "" for none
	explicit bool   // that of --control
	log      *slog.Logger
	table    *locks.Table
	once     sync.Once
	server   *control.Server
}

// controlSocket returns the socket of --control, "" without one.
func (o *serveOptions) controlSocket() string {
	if o.control == noControl {
		return ""
	}
	return o.control
}

// newController returns the controller of a server that serves dir. A read-only server has no
// locks, and a state in memory no directory; on Windows a socket has no mode.
func (o *serveOptions) newController(dir string, log *slog.Logger) *controller {
	c := &controller{log: log}
	switch {
	case o.control == noControl:
	case o.control != "":
		c.socket, c.explicit = cli.RealDir(o.control), true
	case o.memory || o.readOnly || o.state == inMemory || runtime.GOOS == "windows":
	case o.state != "":
		c.socket = cli.RealDir(control.Path(o.state))
	default:
		c.socket = control.Path(DefaultState(dir))
	}
	return c
}

// begin starts the controller for a table, if the directory of its socket exists. An explicit
// socket that cannot be used is an error.
func (c *controller) begin(table *locks.Table) error {
	c.table = table
	if _, err := os.Lstat(filepath.Dir(c.socket)); err != nil && !c.explicit {
		return nil
	}
	if err := c.start(); err != nil && c.explicit {
		return fmt.Errorf("cannot use the socket %s: %w; choose another with --control, or %s for none", cli.Show(c.socket), cli.Cause(err), noControl)
	}
	return nil
}

// start starts the controller once. If it fails it logs a warning, which is enough but for an
// explicit socket: clients are served all the same.
func (c *controller) start() (err error) {
	if c.socket == "" {
		return nil
	}
	c.once.Do(func() {
		c.server, err = control.Start(c.socket, c.table, c.log)
		if err != nil && !c.explicit {
			c.log.Warn(`"dav207 locks" cannot ask this server: give --control another socket`, slog.String("socket", c.socket), slog.Any("err", err))
		}
	})
	return err
}

// close stops the controller.
func (c *controller) close() error {
	c.once.Do(func() {}) // one that has not started does not start any more
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// lockJournal keeps locks in the state file, and starts a controller with the first one.
type lockJournal struct {
	*boltprops.Store
	controller *controller
}

// Sync implements locks.Syncer.
func (j lockJournal) Sync(ctx context.Context, granted bool) error {
	err := j.Store.Sync(ctx, granted)
	if err == nil && granted {
		j.controller.start() // with the directory of the state, if it was not there before
	}
	return err
}

// DefaultState returns the state file of a directory without --state.
func DefaultState(dir string) string { return filepath.Join(dir, davpath.StateName, "state.db") }
