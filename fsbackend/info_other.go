//go:build !linux && !darwin && !freebsd && !windows

package fsbackend

import (
	"io/fs"
	"time"
)

// identity knows no inode here. The entity tag is then made from the modification time and the
// size.
func identity(fi fs.FileInfo) (id ID, birth time.Time, ok bool) {
	return ID{}, time.Time{}, fi.Sys() != nil
}

// changeTime knows nothing here: package os does not return it.
func changeTime(fs.FileInfo) (time.Time, bool) { return time.Time{}, false }
