package folders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"dav207/cmd/dav207/config"
	"dav207/fsbackend"
	"dav207/server/access"
	"dav207/server/davpath"
)

// openUser implements mounts.Mount.Open. It makes the directory of a user who asks for it.
func (o *folder) openUser(ctx context.Context, user string) (fsbackend.Backend, func() error, error) {
	dir := filepath.FromSlash(strings.ReplaceAll(filepath.ToSlash(o.Dir), config.User, user))
	t := o.lockTree(user, dir)
	defer t.mu.Unlock()
	if t.uses == 0 {
		err := o.makeDir(ctx, user, dir)
		if err == nil {
			err = o.openTree(context.WithoutCancel(ctx), t, dir)
		}
		if err == nil && !t.isAt(staticPart(o.Dir), dir) {
			err = errors.Join(&fs.PathError{Op: "open", Path: dir, Err: errLink}, t.close())
		}
		if err != nil {
			if err != fs.ErrNotExist {
				o.opts.Log.Error("cannot open the directory of a user", slog.String("user", user), slog.Any("err", err))
			}
			return nil, nil, err
		}
	}
	t.uses++
	return t.files, t.release, nil
}

// lockTree returns the tree of a user with its lock held. It may not be open. A tree whose
// directory was replaced or removed is left to the requests that have it.
func (o *folder) lockTree(user, dir string) *tree {
	for {
		o.mu.Lock()
		t := o.users[user]
		if t == nil {
			t = &tree{}
			o.users[user] = t
		}
		o.mu.Unlock()
		t.mu.Lock()
		usable := t.uses == 0 || t.isAt(staticPart(o.Dir), dir)
		o.mu.Lock()
		current := o.users[user] == t
		if current && !usable {
			delete(o.users, user)
		}
		o.mu.Unlock()
		if current && usable {
			return t
		}
		t.mu.Unlock()
	}
}

// makeDir makes the directory of a user who asks for it, if there is none. It returns
// fs.ErrNotExist itself if there is none and it is not to be made.
func (o *folder) makeDir(ctx context.Context, user, dir string) error {
	if err := checkLinks(staticPart(o.Dir), dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if o.ReadOnly || access.Principal(ctx) != user {
		return fs.ErrNotExist
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o.opts.Log.Info("made the directory of a user", slog.String("user", user), slog.String("dir", dir))
	return nil
}

// errLink reports that what should be the directory of a user is something else. A link there could
// lead to the files of another user, or of another mount, which would have two URLs then.
var errLink = fmt.Errorf("is no directory, or a symbolic link, which is not followed: %w", fs.ErrPermission)

// checkLinks returns an error unless dir, and each directory between base and it, exists and is no
// link.
func checkLinks(base, dir string) error {
	below, err := filepath.Rel(base, dir)
	for _, name := range strings.Split(below, string(filepath.Separator)) {
		if err != nil {
			break
		}
		base = filepath.Join(base, name)
		var info os.FileInfo
		if info, err = os.Lstat(base); err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "open", Path: base, Err: errLink}
		}
	}
	return err
}

// isAt reports whether the open tree is the directory dir, which is not there by way of a link.
// Looked at after it was opened, so nothing can be exchanged in between.
func (t *tree) isAt(base, dir string) bool {
	if checkLinks(base, dir) != nil {
		return false
	}
	now, err := os.Lstat(dir)
	if err != nil {
		return false
	}
	open, err := t.files.Stat(context.Background(), davpath.Root)
	return err == nil && fsbackend.InfoOf("", now).SameFile(open)
}
