package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// Sweep removes what an earlier process wrote aside and left when it was killed: files and directories whose names
// begin with resource.AsidePrefix and that were neither made by this process nor modified since it started. Links
// are neither followed nor removed. It goes through the whole tree, reading each directory once, and may run while
// the tree is served. What it cannot read or remove it passes over; the first such error is returned at the end. It stops
// when ctx is done.
func (d *Disk) Sweep(ctx context.Context) error {
	var first error
	todo := []string{"."}
	for len(todo) > 0 {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below, err := d.sweep(ctx, dir)
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
func (d *Disk) sweep(ctx context.Context, dir string) (below []string, first error) {
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
				if err := d.sweepOne(p); err != nil && first == nil {
					first = err
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

func (d *Disk) sweepOne(p string) error {
	fi, err := d.root.Lstat(p)
	if err != nil {
		return err
	}
	if !asides.stale(fi.Name(), fi.ModTime()) {
		return nil
	}
	return d.root.RemoveAll(p)
}
