//go:build darwin || freebsd

package fsbackend

import (
	"syscall"
	"time"
)

// readSys takes what package os says beyond fs.FileInfo.
func (a *Attr) readSys(sys any) {
	if st, ok := sys.(*syscall.Stat_t); ok {
		a.ID = ID{uint64(st.Dev), uint64(st.Ino)}
		a.ChangeTime = time.Unix(st.Ctimespec.Unix())
		// File systems without a birth time return -1 or 0.
		if sec, nsec := st.Birthtimespec.Unix(); sec > 0 {
			a.Birth = time.Unix(sec, nsec)
		}
	}
}
