package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

// identity knows no inode: package os does not return it. SameFile calls os.SameFile instead.
func identity(fi fs.FileInfo) (id ID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Win32FileAttributeData)
	if !ok {
		return
	}
	if ns := st.CreationTime.Nanoseconds(); ns > 0 {
		birth = time.Unix(0, ns)
	}
	return ID{}, birth, true
}

// changeTime knows nothing here: package os does not return it.
func changeTime(fs.FileInfo) (time.Time, bool) { return time.Time{}, false }
