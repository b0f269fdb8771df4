//go:build darwin || freebsd

package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

func identity(fi fs.FileInfo) (id fileID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	// File systems without a birth time say -1 or 0.
	if sec, nsec := st.Birthtimespec.Unix(); sec > 0 {
		birth = time.Unix(sec, nsec)
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, birth, true
}

// changed returns when a file last got a name, another content or other attributes, as the system keeps it.
func changed(fi fs.FileInfo) time.Time {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctimespec.Unix())
	}
	return fi.ModTime()
}
