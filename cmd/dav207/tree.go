package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/server"
)

// served is a handler with its tree.
type served struct {
	handler *server.Handler
	what    string // for messages
	close   func() error
}

// openTree opens dir, or the tree in memory, with its state.
func (o *serveOptions) openTree(ctx context.Context, dir string, log *slog.Logger) (*served, error) {
	opts := &server.Options{Prefix: o.prefix, PublicURLs: o.public, TrustedProxies: o.proxies,
		DenyInfinity: o.infinity.value == "deny", HideJunk: o.junk.value == "hide", NoMacQuota: o.noMacQuota, Silence: o.silence, MaxAge: o.maxAge, ReadOnly: o.readOnly, Logger: log}
	if o.memory {
		handler := server.New(fsbackend.New(memory.New(nil)), opts)
		return &served{handler, "an empty tree in memory", func() error { return nil }}, nil
	}
	for _, f := range [][2]string{{"--users", o.users}, {"--tls-key", o.tls.key}} {
		if err := outside(dir, f[0], f[1]); err != nil {
			return nil, err
		}
	}
	files, err := openDisk(dir, &disk.Options{Sync: o.fsync})
	if err != nil {
		return nil, err
	}
	kept, err := o.openState(ctx, dir, log)
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	opts.Props, opts.Locks = kept.props, kept.locks
	s := &served{handler: server.New(fsbackend.New(files), opts), what: show(dir)}
	end := func() {}
	if !o.readOnly && !kept.readOnly {
		if err := s.handler.RecoverMoves(ctx); err != nil { // served nevertheless, so that clients can free space
			log.Error("properties are not where their files were moved to: free some space, and start again", slog.Any("err", err))
		}
		end = tidy(ctx, files, s.handler, kept.exclusive, log)
	}
	s.close = func() error {
		end()
		return errors.Join(kept.Close(), files.Close())
	}
	return s, nil
}

// openDisk opens the directory dir. Its errors say what the user can do.
func openDisk(dir string, o *disk.Options) (*disk.Fs, error) {
	// Checked first: opening a pipe would block.
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		return nil, fmt.Errorf("%q is not a directory: give the directory that holds it", dir)
	}
	var files *disk.Fs
	if err == nil {
		files, err = disk.Open(dir, o)
	}
	switch {
	case err == nil:
		return files, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %q: make it first, or give another", dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed to read the directory %q: change its permissions, or give another", dir)
	}
	return nil, fmt.Errorf("cannot serve %q: %w; give another directory", dir, cause(err))
}
