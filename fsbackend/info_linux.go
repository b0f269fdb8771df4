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

// changed returns when a file last got a name, another content or other attributes, as the system keeps it.
func changed(fi fs.FileInfo) time.Time {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return fi.ModTime()
}
