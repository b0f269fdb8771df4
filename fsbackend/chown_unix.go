//go:build unix

package fsbackend

import (
	"io/fs"
	"os"
	"syscall"
)

func formerOf(fi fs.FileInfo) *former {
	old := &former{perm: fi.Mode().Perm()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		old.uid, old.gid, old.owned = int(st.Uid), int(st.Gid), true
	}
	return old
}

// chown gives f, of which fi speaks, the owner and the group of old. Who is not root may give it the groups he is in, which
// is all that can be done.
func chown(f *os.File, fi fs.FileInfo, old *former) {
	if have, ok := fi.Sys().(*syscall.Stat_t); ok && int(have.Uid) == old.uid && int(have.Gid) == old.gid {
		return
	}
	if f.Chown(old.uid, old.gid) != nil {
		_ = f.Chown(-1, old.gid)
	}
}
