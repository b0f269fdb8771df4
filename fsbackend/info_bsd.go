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
