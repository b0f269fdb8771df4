package fsbackend

import (
	"syscall"
	"time"
)

// readSys takes what package os says beyond fs.FileInfo. stat(2) has no birth time.
func (a *Attr) readSys(sys any) {
	if st, ok := sys.(*syscall.Stat_t); ok {
		a.ID = ID{uint64(st.Dev), st.Ino}
		a.ChangeTime = time.Unix(st.Ctim.Unix())
	}
}
