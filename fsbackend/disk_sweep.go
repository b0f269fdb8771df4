package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Sweep removes what an earlier process wrote aside and left when it was killed: files and directories whose names
// davpath.TempName can have made and that no living process is at work on, be it this one or another that serves the same
// files. Links are neither followed nor removed. It goes through the whole tree, reading each directory once, and may run
// while the tree is served. What was moved aside to make room for something that then did not come gets its name again; if
// something else has got that name since this process started, it gets it with ".recovered" after it.
// done, if not nil, hears of each name that was dealt with. What it cannot read or remove it passes
// over; the first such error is returned at the end. It stops when ctx is done.
//
// What was modified within the last minute is left for the next call, since another process may be about to lock it, or to put
// it in its place; what was moved aside is locked from the beginning, and need not wait. Where the platform has no flock
// nothing else protects what others are at work on: let one process serve a directory there.
func (d *Disk) Sweep(ctx context.Context, done func(name string)) error {
	return d.sweepAll(ctx, false, done)
}

// SweepAlone is Sweep for who knows that no other process serves these files, or any tree that holds them or is a part of
// them: what an earlier process left is dealt with at once, however young it is. What this process is at work on stays.
func (d *Disk) SweepAlone(ctx context.Context, done func(name string)) error {
	return d.sweepAll(ctx, true, done)
}

func (d *Disk) sweepAll(ctx context.Context, alone bool, done func(name string)) error {
	var first error
	todo := []string{"."}
	for len(todo) > 0 {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below, err := d.sweep(ctx, dir, alone, done)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		todo = append(todo, below...)
		// That something vanishes is the life of a tree that is served.
		if err != nil && first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = d.reading("sweep", "/"+dir, err)
		}
	}
	return first
}

// sweep does one directory and returns the directories in it.
func (d *Disk) sweep(ctx context.Context, dir string, alone bool, done func(string)) (below []string, first error) {
	f, _, err := d.open(dir, 0, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for ctx.Err() == nil {
		entries, err := f.ReadDir(512)
		for _, e := range entries {
			p := within(dir, e.Name())
			switch {
			case !isAside(e.Name()):
				if e.IsDir() {
					below = append(below, p)
				}
			case e.IsDir() || e.Type().IsRegular():
				dealt, err := d.sweepOne(p, alone)
				if err != nil && first == nil {
					first = err
				}
				if dealt && done != nil {
					done("/" + filepath.ToSlash(p))
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return below, err
		}
	}
	return below, first
}

// settled is how old something must be to be dealt with: another process may be about to lock it, or to put it in its place.
// What that process works on for longer is locked.
var settled = time.Minute

func (d *Disk) sweepOne(p string, alone bool) (bool, error) {
	fi, err := d.root.Lstat(p)
	if err != nil {
		return false, err
	}
	if asides.mine(fi.Name()) {
		return false, nil
	}
	young := !alone && (!fi.ModTime().Before(asides.started) || time.Since(fi.ModTime()) < settled)
	if young && (!fi.IsDir() || !locksFiles) {
		return false, nil
	}
	f, _, err := d.open(p, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if !flock(f) {
		return false, nil
	}
	if fi.IsDir() {
		restored, err := d.restore(p, f)
		if restored || err != nil || young {
			return restored, err
		}
		if d.root.Remove(p) == nil { // empty: what another process moves into it meanwhile keeps it
			return true, nil
		}
	}
	return true, d.root.RemoveAll(p)
}

// restore gives what was moved aside, into a directory made for it, its name again if nothing has come in its place: the
// process was killed in between.
func (d *Disk) restore(p string, dir *os.File) (bool, error) {
	names, err := dir.Readdirnames(2)
	if len(names) != 1 {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	to := parent(p) + names[0]
	switch fi, err := d.root.Lstat(to); {
	case err == nil && changedBefore(fi, asides.started):
		return false, nil // what was moved aside for it
	case err == nil:
		// It may be what somebody made here because nothing was there any more. Removing what was is never undone.
		if to, err = d.recovered(to); err != nil {
			return false, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := d.root.Rename(within(p, names[0]), to); err != nil {
		return false, err
	}
	return true, d.root.Remove(p)
}

// recovered returns a free name beside to.
func (d *Disk) recovered(to string) (string, error) {
	for i := 1; ; i++ {
		name := to + ".recovered"
		if i > 1 {
			name += "-" + strconv.Itoa(i)
		}
		if _, err := d.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}
