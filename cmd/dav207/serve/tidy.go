package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"dav207/server"
)

const (
	// cleanAgain is when temp files that were too young for the first cleaning are old enough.
	cleanAgain = 70 * time.Second
	// purgeEvery is how often properties without a resource are purged.
	purgeEvery = time.Hour
	// orphaned is how long properties without a resource are kept: a directory that is moved away
	// for a while, or not mounted yet, does not lose them.
	orphaned = 24 * time.Hour
)

// cleaner is a directory, or several.
type cleaner interface {
	CleanTemp(ctx context.Context, exclusive bool, done func(name string)) error
}

// tidy cleans up in the background: temp files and locks that killed processes have left, and
// properties of resources that other programs have removed. exclusive says that no other process
// serves these files. Callers must call end, which blocks until tidy has stopped.
func tidy(ctx context.Context, files cleaner, handler *server.Handler, exclusive bool, log *slog.Logger) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	wait := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	failed := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			log.Warn(what, slog.Any("err", err))
		}
	}
	done.Go(func() {
		for again := false; ; {
			failed("cannot look everywhere for what broken uploads left", files.CleanTemp(ctx, exclusive, func(name string) {
				log.Info("cleaned up after a process that was killed", slog.String("name", name))
			}))
			if exclusive || again || !wait(cleanAgain) {
				break
			}
			again = true // what was young the first time
		}
		failed("cannot end the locks of what is gone", handler.DropStaleLocks(ctx))
		for ok := wait(time.Minute); ok; ok = wait(purgeEvery) {
			_, err := handler.PurgeOrphanedProps(ctx, orphaned)
			failed("cannot look for properties whose resource is gone", err)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}
