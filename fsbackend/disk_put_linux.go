package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// Put implements tree.Putter where no link is on the way and nothing, or a file that may be written, is at name. The
// directory is found once and not four times, for the looks before and after it, for Stage and for its commit, and the file
// is written without what longer uploads need: 9 system calls instead of 22. Who moves that directory away meanwhile, which
// takes another process and a moment, moves it with the file, as if he had come a moment later. What a process that is
// killed leaves is found by Sweep, as what Stage leaves is.
func (d *Disk) Put(ctx context.Context, name string, content []byte, admit func(fs.FileInfo) error) (fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, ok := host(name)
	if !ok || d.Sync { // what waits for the disk need not save system calls
		return nil, errors.ErrUnsupported
	}
	found := false
	var refused error
	var put fs.FileInfo
	err := d.beneath(p, func(dir int, base string) error {
		var st unix.Statx_t
		old, err := replaceable(dir, base, &st)
		if err != nil {
			return err
		}
		found = true
		var there fs.FileInfo
		if old != nil {
			there = described(path.Base(name), &st)
		}
		if refused = admit(there); refused != nil {
			return nil
		}
		w := written{dir: dir, name: base, temp: asideName(), old: old}
		if err := w.put(ctx, content); err != nil {
			return err
		}
		if statBeneath(dir, base, true, &st) == nil {
			put = described(path.Base(name), &st)
		}
		return nil
	})
	switch {
	case !found:
		return nil, errors.ErrUnsupported
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, d.creating("put", name, err)
	}
	return put, nil
}

// described is the info of what was found without passing a link.
func described(name string, st *unix.Statx_t) *info {
	fi := &info{}
	fill(fi, name, st)
	fi.direct = true
	return fi
}

// written is a file of Put on its way.
type written struct {
	dir        int
	name, temp string
	old        *former
}

func (w *written) put(ctx context.Context, content []byte) error {
	asides.made(w.temp)
	defer asides.gone(w.temp)
	perm := fs.FileMode(0o666)
	if w.old != nil {
		perm = w.old.perm
	}
	fd, err := createAt(w.dir, w.temp, perm)
	if err != nil {
		return err
	}
	err = w.fill(fd, content)
	// The error of a delayed write may only come now. It is not locked meanwhile, as what Stage writes is: Sweep takes nothing
	// that is so young.
	if e := unix.Close(fd); err == nil {
		err = e
	}
	if err == nil {
		err = heldFolder(w.dir).chtimes(w.temp, times.now())
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = unix.Renameat(w.dir, w.temp, w.dir, w.name)
	}
	if err != nil {
		_ = heldFolder(w.dir).remove(w.temp) // or Sweep will find it
	}
	return err
}

// fill writes the content and gives the file what it keeps of the one that it replaces.
func (w *written) fill(fd int, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if err != nil && err != unix.EINTR {
			return err
		}
		content = content[max(n, 0):]
	}
	if w.old == nil {
		return nil
	}
	var st unix.Statx_t
	if err := statx(uintptr(fd), "", unix.AT_EMPTY_PATH, &st); err != nil {
		return err
	}
	if old := w.old; old.uid != int(st.Uid) || old.gid != int(st.Gid) {
		if unix.Fchown(fd, old.uid, old.gid) != nil {
			_ = unix.Fchown(fd, -1, old.gid) // as chown does it
		}
	}
	if w.old.perm != fileMode(st.Mode).Perm() {
		err := unix.Fchmod(fd, uint32(w.old.perm))
		if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
