//go:build !linux

package fsbackend

import (
	"io/fs"
	"os"
)

func (d *Disk) look(p, name string, follow bool) (fs.FileInfo, error) {
	ask := d.root.Lstat
	if follow {
		ask = d.root.Stat
	}
	fi, err := ask(p)
	if err != nil {
		return nil, err
	}
	return newInfo(name, fi), nil
}

type handle struct{}

func newHandle(*os.File) (handle, error) { return handle{}, nil }

func (handle) stat(f *os.File, name string) (fs.FileInfo, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return newInfo(name, fi), nil
}

// lstat goes by name, which os.Root confines: opening the directory a second time to go by its handle could wait for a
// FIFO that stands there by now.
func (f *directory) lstat(name string) (fs.FileInfo, error) {
	fi, err := f.disk.root.Lstat(within(f.p, name))
	if err != nil {
		return nil, err
	}
	return newInfo(name, fi), nil
}
