// Package folders opens the directories that a configuration mounts, with their quotas.
package folders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"dav207/cmd/dav207/config"
	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/mounts"
	"dav207/fsbackend/quota"
	"dav207/server/access"
	"dav207/server/health"
)

// Options are the options of Open.
type Options struct {
	Disk disk.Options
	// Open opens a directory. Its errors say what the user can do.
	Open func(dir string, o *disk.Options) (*disk.Fs, error)
	// Exclusive says that no other process serves the directories.
	Exclusive bool
	Log       *slog.Logger
}

// Folders are the directories of a configuration as one tree. All methods may be called
// concurrently.
type Folders struct {
	opts  Options
	table *mounts.Table

	replacing sync.Mutex // held by Replace, which can take long
	mu        sync.Mutex
	now       []*folder // changed by Replace alone

	recounting sync.Mutex
	recounts   atomic.Bool // one waits, which counts for all others
}

// folder is one mount with what it has opened.
type folder struct {
	config.Mount
	*Folders
	quota atomic.Int64 // instead of that of config.Mount, which does not change
	check func(context.Context) error
	dir   os.FileInfo // of staticPart(Dir)
	tree  *tree       // nil: each user has one
	mu    sync.Mutex
	users map[string]*tree
}

// tree is an open directory.
type tree struct {
	mu    sync.Mutex
	uses  int // by tables, of which an old one and a new one share it, and by each; 0: it is not open
	disk  *disk.Fs
	files fsbackend.Backend
	limit *quota.Limit // nil for none
}

// Open opens the directories of mounts. A mistake in one is a *config.Error.
func Open(ctx context.Context, list []config.Mount, opts Options) (*Folders, error) {
	f := &Folders{opts: opts}
	var err error
	if f.table, err = mounts.New(ctx, nil, nil); err == nil {
		_, err = f.Replace(ctx, list)
	}
	return f, err
}

// Binder returns a function that returns a context for a request, for which the mounts stay what
// they are now.
func (f *Folders) Binder() func(context.Context) context.Context { return f.table.Binder() }

// Policy returns a policy that refuses what the mounts must not have changed, and asks next about
// the rest.
func (f *Folders) Policy(next access.Policy) access.Policy { return f.table.Policy(next) }

// Files returns the tree.
func (f *Folders) Files() fsbackend.Backend { return f.table }

// Replace replaces the mounts. After an error they are what they were. Mounts that stay the same
// stay open. Call release when the requests that began before have ended.
func (f *Folders) Replace(ctx context.Context, list []config.Mount) (release func() error, err error) {
	f.replacing.Lock()
	defer f.replacing.Unlock()
	if err := CheckApart(list); err != nil {
		return nil, err
	}
	var next []*folder
	var table []mounts.Mount
	defer func() {
		if err != nil {
			closeAll(next)
		}
	}()
	for _, m := range list {
		same := slices.IndexFunc(f.now, func(old *folder) bool { return old.isSame(m) })
		var o *folder
		if same >= 0 {
			o = f.now[same]
			o.use()
		} else if o, err = f.open(ctx, m); err != nil {
			return nil, &config.Error{Line: m.Line, Err: fmt.Errorf("mount %s: %w", m.At, err)}
		}
		next, table = append(next, o), append(table, o.mount())
	}
	ended, err := f.table.Replace(ctx, table)
	if err != nil {
		return nil, err
	}
	for i, o := range next {
		o.setQuota(list[i].Quota)
	}
	f.mu.Lock()
	old := f.now
	f.now = next
	f.mu.Unlock()
	return func() error { return errors.Join(ended(), closeAll(old)) }, nil
}

// closeAll closes the folders of a table. What another table has, also an older one whose requests
// have not ended, stays open.
func closeAll(folders []*folder) (err error) {
	for _, o := range folders {
		err = errors.Join(err, o.close())
	}
	return err
}

// isSame reports whether the folder can go on as m: the directory, too, must be the one that is
// open. Another one can have its name since, as after a disk was mounted.
func (o *folder) isSame(m config.Mount) bool {
	now, err := os.Stat(staticPart(m.Dir))
	return o.At == m.At && o.Dir == m.Dir && o.ReadOnly == m.ReadOnly && (o.Quota == 0) == (m.Quota == 0) &&
		err == nil && os.SameFile(o.dir, now)
}

func (f *Folders) open(ctx context.Context, m config.Mount) (*folder, error) {
	base := staticPart(m.Dir)
	o := &folder{Mount: m, Folders: f, users: map[string]*tree{}, check: health.Dir(base, !m.ReadOnly)}
	o.quota.Store(m.Quota)
	var err error
	if o.dir, err = os.Stat(base); o.ofUsers() {
		if err != nil || !o.dir.IsDir() {
			return nil, fmt.Errorf("there is no directory %q for the directories of the users: make it first", base)
		}
		return o, nil
	}
	o.tree = &tree{uses: 1}
	return o, o.openTree(ctx, o.tree, m.Dir)
}

func (o *folder) ofUsers() bool { return strings.Contains(o.At, config.User) }

// mount returns the entry of the table.
func (o *folder) mount() mounts.Mount {
	m := mounts.Mount{Path: o.At, ReadOnly: o.ReadOnly}
	if o.ofUsers() {
		m.Open = o.openUser
	} else {
		m.Files = o.tree.files
	}
	return m
}

// openTree opens a directory as t, and counts its files if there is a quota. What it counts is
// clean.
func (o *folder) openTree(ctx context.Context, t *tree, dir string) error {
	files, err := o.opts.Open(dir, &o.opts.Disk)
	if err != nil {
		return err
	}
	t.disk, t.files, t.limit = files, files.Backend(), nil
	if !o.ReadOnly && (o.Quota > 0 || o.ofUsers()) {
		if err := files.CleanTemp(ctx, o.opts.Exclusive, nil); err != nil {
			o.opts.Log.Warn("cannot look everywhere for what broken uploads left", slog.String("dir", dir), slog.Any("err", err))
		}
	}
	if o.Quota == 0 {
		return nil
	}
	t.limit = quota.NewLimit(o.quota.Load())
	if t.files, err = quota.New(ctx, t.files, t.limit); err != nil {
		return errors.Join(fmt.Errorf("cannot count the files: %w", err), files.Close())
	}
	return nil
}

// setQuota sets the quota of a folder that has one.
func (o *folder) setQuota(bytes int64) {
	o.quota.Store(bytes)
	o.each(func(t *tree) error {
		if t.limit != nil {
			t.limit.SetMax(bytes)
		}
		return nil
	})
}

// each calls do for each open tree.
func (o *folder) each(do func(*tree) error) (err error) {
	var all []*tree
	if o.tree != nil {
		all = append(all, o.tree)
	}
	o.mu.Lock()
	all = slices.AppendSeq(all, maps.Values(o.users))
	o.mu.Unlock()
	for _, t := range all {
		if t.use() {
			err = errors.Join(err, do(t), t.release())
		}
	}
	return err
}

// use keeps a tree open until release, unless it is not open. The lock is not held meanwhile: a
// walk through all files must not make others wait.
func (t *tree) use() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.uses > 0 {
		t.uses++
	}
	return t.uses > 0
}

// release ends a use.
func (t *tree) release() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.uses--; t.uses > 0 {
		return nil
	}
	return t.close()
}

// use is called for a further table that has the folder.
func (o *folder) use() {
	if o.tree != nil {
		o.tree.use()
	}
}

// close is called when a table does not need the folder any more.
func (o *folder) close() error {
	if o.tree == nil {
		return nil // the table closes the trees of users
	}
	return o.tree.release()
}

func (t *tree) close() error {
	if q, ok := t.files.(*quota.Backend); ok {
		q.Close()
	}
	return t.disk.Close()
}

// each calls do for each open tree that is not read-only.
func (f *Folders) each(do func(*tree) error) (err error) {
	f.mu.Lock()
	now := slices.Clone(f.now)
	f.mu.Unlock()
	for _, o := range now {
		if !o.ReadOnly {
			err = errors.Join(err, o.each(do))
		}
	}
	return err
}

// CleanTemp calls disk.Fs.CleanTemp of each directory. Those of users are cleaned when they are
// opened, too.
func (f *Folders) CleanTemp(ctx context.Context, exclusive bool, done func(name string)) error {
	return f.each(func(t *tree) error { return t.disk.CleanTemp(ctx, exclusive, done) })
}

// Recount counts again the files that have a quota: other processes can have changed some, and so
// can requests for a mount that was replaced. One that begins later than the call counts for it,
// too, so at most one runs and one waits.
func (f *Folders) Recount(ctx context.Context) error {
	if f.recounts.Swap(true) {
		return nil
	}
	f.recounting.Lock()
	defer f.recounting.Unlock()
	f.recounts.Store(false)
	return f.each(func(t *tree) error {
		if q, ok := t.files.(*quota.Backend); ok {
			return q.Recount(ctx)
		}
		return nil
	})
}

// Check reports whether each directory can be read and, unless it is read-only, written to. Of
// directories of users it looks at the one that holds them.
func (f *Folders) Check(ctx context.Context) error {
	f.mu.Lock()
	now := slices.Clone(f.now)
	f.mu.Unlock()
	for _, o := range now {
		if err := o.check(ctx); err != nil {
			return &health.Error{Reason: o.At + ": " + health.Reason(err), Err: err}
		}
	}
	return nil
}

// Close closes the directories. No request may be under way.
func (f *Folders) Close() error {
	return errors.Join(f.table.Close(), closeAll(f.now))
}
