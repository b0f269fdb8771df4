package fsbackend

import (
	"io/fs"
	"syscall"
	"time"
)

// identity knows no inode: package os keeps that to itself, and os.SameFile is asked instead.
func identity(fi fs.FileInfo) (id fileID, birth time.Time, ok bool) {
	st, ok := fi.Sys().(*syscall.Win32FileAttributeData)
	if !ok {
		return
	}
	if ns := st.CreationTime.Nanoseconds(); ns > 0 {
		birth = time.Unix(0, ns)
	}
	return fileID{}, birth, true
}

// changeTime would return when a file last got a name, another content or other attributes: package
// os does not know it here.
func changeTime(fs.FileInfo) (time.Time, bool) { return time.Time{}, false }
