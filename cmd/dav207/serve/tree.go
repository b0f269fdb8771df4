package serve

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"dav207/cmd/dav207/cli"
	"dav207/cmd/dav207/config"
	"dav207/cmd/dav207/folders"
	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/fsbackend/mounts"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
	"dav207/server/health"
)

// served is a handler with its tree.
type served struct {
	handler    *server.Handler
	what       string           // for messages
	dirs       []string         // on the disk
	folders    *folders.Folders // nil without mounts
	policy     policy
	checks     []health.Check // of all that it needs
	stateBytes func() int64   // nil without a file
	close      func() error
}

// inForce is what a request goes by from its beginning to its end, whatever is read again
// meanwhile: the groups of one configuration with the rules of another, or the rules with the
// mounts, could let in somebody whom neither lets in.
type inForce struct {
	guests bool // are let in
	groups map[string][]string
	rules  *rules.List // nil: everything is allowed
}

type inForceKey struct{}

// inForceFor returns what is in force for a request, or nil for work that no request asks for.
func inForceFor(ctx context.Context) *inForce {
	now, _ := ctx.Value(inForceKey{}).(*inForce)
	return now
}

// binder returns a function that binds the context of a request to what is in force now, and to the
// mounts.
func (s *served) binder(now *inForce) func(context.Context) context.Context {
	mounts := func(ctx context.Context) context.Context { return ctx }
	if s.folders != nil {
		mounts = s.folders.Binder()
	}
	return func(ctx context.Context) context.Context {
		return mounts(context.WithValue(ctx, inForceKey{}, now))
	}
}

// policy is the policy of the settings in force.
type policy struct{ now atomic.Pointer[rules.List] } // nil: everything is allowed

// list returns the rules for a request, or nil if everything is allowed.
func (p *policy) list(ctx context.Context) *rules.List {
	if bound := inForceFor(ctx); bound != nil {
		return bound.rules
	}
	return p.now.Load()
}

var _ interface {
	access.PropertyPolicy
	access.TreePolicy
	access.ListingPolicy
} = (*policy)(nil)

// Check implements access.Policy.
func (p *policy) Check(ctx context.Context, privilege access.Privilege, path davpath.Path) error {
	if l := p.list(ctx); l != nil {
		return l.Check(ctx, privilege, path)
	}
	if privilege == access.Unlock { // as without a policy
		return fs.ErrPermission
	}
	return nil
}

// CheckProperty implements access.PropertyPolicy.
func (p *policy) CheckProperty(ctx context.Context, privilege access.Privilege, path davpath.Path, name xml.Name) error {
	if l := p.list(ctx); l != nil {
		return l.CheckProperty(ctx, privilege, path, name)
	}
	return nil
}

// ForListing implements access.ListingPolicy.
func (p *policy) ForListing(ctx context.Context) (_ context.Context, byProperty bool) {
	if l := p.list(ctx); l != nil {
		return l.ForListing(ctx)
	}
	return ctx, false
}

// AllowsAll implements access.TreePolicy.
func (p *policy) AllowsAll(ctx context.Context, privilege access.Privilege, path davpath.Path) bool {
	l := p.list(ctx)
	return l == nil && privilege != access.Unlock || l != nil && l.AllowsAll(ctx, privilege, path)
}

// AllowsSome implements access.TreePolicy.
func (p *policy) AllowsSome(ctx context.Context, privilege access.Privilege, path davpath.Path) bool {
	l := p.list(ctx)
	return l == nil && privilege != access.Unlock || l != nil && l.AllowsSome(ctx, privilege, path)
}

// dirs returns the directories that are served.
func (o *settings) dirs(args []string) []string {
	switch {
	case o.memory:
		return nil
	case len(o.file.Mounts) > 0:
		return folders.Dirs(o.file.Mounts)
	case len(args) > 0:
		return args
	}
	return []string{"."}
}

// outsideAll returns an error if a file that clients must not read is in one of dirs.
func (o *settings) outsideAll(dirs []string) error {
	for _, dir := range dirs {
		kept := o.state
		if kept == inMemory {
			kept = ""
		}
		for _, f := range [][2]string{{"--users", o.users}, {"--digest-users", o.digestUsers}, {"--tls-key", o.tls.key}, {"--config", o.config}, {"--state", kept}, {"--control", o.controlSocket()}} {
			if err := outside(dir, f[0], f[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// openTree opens the directories, or the tree in memory, with its state.
func (o *settings) openTree(ctx context.Context, args []string, log *slog.Logger) (*served, error) {
	opts := &server.Options{Prefix: o.prefix, PublicURLs: o.public, TrustedProxies: o.proxies,
		DenyInfinity: o.infinity.Value == "deny", HideJunk: o.junk.Value == "hide", NoMacQuota: o.noMacQuota, Silence: o.silence, MaxAge: o.maxAge, MaxUpload: int64(o.limits.upload), ReadOnly: o.readOnly, Logger: log}
	s := &served{dirs: o.dirs(args)}
	list, err := o.policy()
	if err != nil {
		return nil, err
	}
	if s.policy.now.Store(list); o.config != "" || list != nil {
		opts.Policy = &s.policy
	}
	if o.memory {
		kept, err := o.openState(ctx, nil, log)
		if err != nil {
			return nil, err
		}
		opts.Props, opts.Locks = kept.props, kept.locks
		s.handler, s.what, s.close = server.New(fsbackend.New(memory.New(nil)), opts), "an empty tree in memory", kept.Close
		return s, nil
	}
	if err := o.outsideAll(s.dirs); err != nil {
		return nil, err
	}
	if err := o.tryDirs(s.dirs); err != nil { // reported before anything about the state
		return nil, err
	}
	kept, err := o.openState(ctx, s.dirs, log)
	if err != nil {
		return nil, err
	}
	opts.Props, opts.Locks = kept.props, kept.locks
	return s, s.open(ctx, o, opts, kept, log)
}

// tryDirs returns an error if one of dirs, which are those of the mounts if there are some, cannot
// be served. It is no mistake in the file: a disk may come later.
func (o *settings) tryDirs(dirs []string) error {
	for i, dir := range dirs {
		if len(o.file.Mounts) > 0 {
			dir = cli.Show(dir)
		}
		files, err := openDisk(dir, nil)
		if err == nil {
			files.Close()
		} else if len(o.file.Mounts) > 0 {
			m := o.file.Mounts[i]
			return &config.Error{File: o.config, Line: m.Line, Err: fmt.Errorf("mount %s: %w", m.At, err)}
		} else {
			return err
		}
	}
	return nil
}

// open opens the directories and sets the fields. After an error kept is closed.
func (s *served) open(ctx context.Context, o *settings, opts *server.Options, kept *state, log *slog.Logger) error {
	var files fsbackend.Backend
	var dirs interface {
		cleaner
		Close() error
	}
	options := disk.Options{Sync: o.fsync}
	if len(o.file.Mounts) > 0 {
		all, err := folders.Open(ctx, o.file.Mounts, folders.Options{Disk: options, Open: openDisk, Exclusive: kept.exclusive, Log: log})
		if err != nil {
			return errors.Join(o.inFile(err), kept.Close())
		}
		var at []string
		for _, m := range o.file.Mounts {
			at = append(at, m.At)
		}
		files, dirs, s.folders, s.what = all.Files(), all, all, strings.Join(at, ", ")
		opts.Policy = all.Policy(&s.policy)
		s.checks = append(s.checks, health.Check{Name: "files", Check: all.Check})
	} else {
		one, err := openDisk(s.dirs[0], &options)
		if err != nil {
			return errors.Join(err, kept.Close())
		}
		files, dirs, s.what = one.Backend(), one, cli.Show(s.dirs[0])
		s.checks = append(s.checks, health.Check{Name: "files", Check: health.Dir(s.dirs[0], !o.readOnly)})
	}
	s.handler = server.New(files, opts)
	if kept.file != nil {
		s.checks = append(s.checks, kept.health(o.state != ""))
		s.stateBytes = kept.file.Size
	}
	end := func() {}
	if !o.readOnly && !kept.readOnly {
		all := mounts.Everyone(ctx)
		if err := s.handler.RecoverMoves(all); err != nil { // served nevertheless, so that clients can free space
			log.Error("properties are not where their files were moved to: free some space, and start again", slog.Any("err", err))
		}
		end = tidy(all, dirs, s.handler, kept.exclusive, log)
	}
	s.close = func() error {
		end()
		return errors.Join(kept.Close(), dirs.Close())
	}
	return nil
}

// replace puts the rules and the mounts of settings in force. After an error nothing has changed.
// The caller calls release when the requests that began before have ended.
func (s *served) replace(ctx context.Context, o *settings) (release func() error, err error) {
	if (s.folders != nil) != (len(o.file.Mounts) > 0) {
		return nil, errors.New("a server with mounts instead of one directory, or without, needs a restart")
	}
	list, err := o.policy()
	if err != nil {
		return nil, err
	}
	release = func() error { return nil }
	if s.folders != nil {
		closeOld, err := s.folders.Replace(ctx, o.file.Mounts)
		if err != nil {
			return nil, o.inFile(err)
		}
		release = func() error {
			err := closeOld()
			if counted := s.folders.Recount(ctx); ctx.Err() == nil { // else the server ends
				err = errors.Join(err, counted)
			}
			return err
		}
	}
	s.policy.now.Store(list)
	return release, nil
}

// policy returns the rules, or nil if everything is allowed.
func (o *settings) policy() (*rules.List, error) {
	guests := o.guests.Value
	if guests == noGuests {
		guests = ""
	}
	list, err := o.file.Policy(guests)
	return list, o.inFile(err)
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
	return nil, fmt.Errorf("cannot serve %q: %w; give another directory", dir, cli.Cause(err))
}
