package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

// identity reads the result of stat(2), which has no birth time.
func identity(fi fs.FileInfo) (id ID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	return ID{uint64(st.Dev), st.Ino}, time.Time{}, true
}

// changeTime returns the time of the last change of name, content or attributes. false means that
// it is unknown.
func changeTime(fi fs.FileInfo) (time.Time, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(st.Ctim.Unix()), true
}
