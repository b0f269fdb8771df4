package fsbackend

import (
	"syscall"
	"time"
)

// readSys takes what package os says beyond fs.FileInfo. It has no inode; SameFile calls
// os.SameFile instead.
func (a *Attr) readSys(sys any) {
	if st, ok := sys.(*syscall.Win32FileAttributeData); ok && st.CreationTime.Nanoseconds() > 0 {
		a.Birth = time.Unix(0, st.CreationTime.Nanoseconds())
	}
}
