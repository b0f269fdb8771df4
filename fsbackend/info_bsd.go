//go:build darwin || freebsd

package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

func identity(fi fs.FileInfo) (id ID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	// File systems without a birth time return -1 or 0.
	if sec, nsec := st.Birthtimespec.Unix(); sec > 0 {
		birth = time.Unix(sec, nsec)
	}
	return ID{uint64(st.Dev), uint64(st.Ino)}, birth, true
}

// changeTime returns the time of the last change of name, content or attributes. false means that
// it is unknown.
func changeTime(fi fs.FileInfo) (time.Time, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(st.Ctimespec.Unix()), true
}
