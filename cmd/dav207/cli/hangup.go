package cli

import (
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Hangups catches SIGHUP, which would end the process otherwise. A command that serves begins with
// it: opening a tree can take long, and so can closing it.
type Hangups struct {
	log     *slog.Logger
	signals chan os.Signal
	ended   chan struct{}

	mu     sync.Mutex
	reload func() // nil: there is nothing to be read again
	missed bool   // a signal came before reload was set
}

// CatchHangups begins catching.
func CatchHangups(log *slog.Logger) *Hangups {
	h := &Hangups{log: log, signals: make(chan os.Signal, 1), ended: make(chan struct{})}
	signal.Notify(h.signals, syscall.SIGHUP)
	go func() {
		defer close(h.ended)
		for range h.signals {
			h.mu.Lock()
			if h.reload != nil {
				h.reload()
			} else {
				h.missed = true
				h.log.Info("SIGHUP is ignored: there is nothing to be read again")
			}
			h.mu.Unlock()
		}
	}()
	return h
}

// Handle makes later signals call reload, which may be nil. If one came before it calls reload now.
func (h *Hangups) Handle(reload func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reload = reload; h.missed && reload != nil {
		reload()
	}
	h.missed = false
}

// Stop ends catching signals. One that came just before has been handled when it returns.
func (h *Hangups) Stop() {
	signal.Stop(h.signals)
	close(h.signals)
	<-h.ended
}
