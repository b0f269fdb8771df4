package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"dav207/fsbackend"
	"dav207/server"
)

const (
	// sweepAgain is when what was too young for the first look at the tree is old enough.
	sweepAgain = 70 * time.Second
	// purgeEvery is how often properties are looked for whose resource is gone.
	purgeEvery = time.Hour
	// orphaned is how long properties are kept whose resource is gone: a directory that was moved away for a while, or is
	// not mounted yet, has them again when it is back.
	orphaned = 24 * time.Hour
)

// tidy does, in the background, what earlier processes left undone when they were killed, and takes away the properties
// of what was removed behind the server's back. alone says that no other process serves these files. The function it
// returns ends that.
func tidy(ctx context.Context, disk *fsbackend.Disk, handler *server.Handler, alone bool, log *slog.Logger) (end func()) {
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
		sweep := disk.Sweep
		if alone {
			sweep = disk.SweepAlone
		}
		for {
			failed("cannot look everywhere for what broken uploads left", sweep(ctx, func(name string) {
				log.Info("cleaned up after a process that was killed", slog.String("name", name))
			}))
			if alone || !wait(sweepAgain) {
				break
			}
			alone = true // the second time is the last one
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
