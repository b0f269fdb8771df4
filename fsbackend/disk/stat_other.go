//go:build !linux

package disk

import (
	"io/fs"
	"os"

	"dav207/fsbackend"
)

func (b *backend) stat(h, name string, follow bool) (*fsbackend.Info, error) {
	ask := b.root.Lstat
	if follow {
		ask = b.root.Stat
	}
	fi, err := ask(h)
	if err != nil {
		return nil, err
	}
	return fsbackend.InfoOf(name, fi), nil
}

func statFile(f *os.File, name string) (*fsbackend.Info, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return fsbackend.InfoOf(name, fi), nil
}

// Lstat implements fsbackend.Dir. It goes by name, which os.Root confines: opening the directory a
// second time to go by its handle could wait for a FIFO that stands there by now.
func (d *directory) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	for i, name := range names {
		var fi fs.FileInfo
		err := fs.ErrNotExist
		if isSegment(name) {
			fi, err = d.b.root.Lstat(within(hostOf(d.p), name))
		}
		if errs[i] = nil; err != nil {
			errs[i] = d.fail(name, err)
			continue
		}
		infos[i] = *fsbackend.InfoOf(name, fi)
	}
}

func readNames(f *os.File) ([]string, error) { return f.Readdirnames(-1) }
