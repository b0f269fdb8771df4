package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

// identity reads what package os got from stat, which does not tell the birth time.
func identity(fi fs.FileInfo) (id fileID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	return fileID{uint64(st.Dev), st.Ino}, time.Time{}, true
}

// changeTime returns when a file last got a name, another content or other attributes, as the
// system keeps it; false means that it is not known.
func changeTime(fi fs.FileInfo) (time.Time, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(st.Ctim.Unix()), true
}
