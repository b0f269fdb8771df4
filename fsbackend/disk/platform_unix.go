//go:build unix

package disk

import (
	"io/fs"
	"os"
	"syscall"
)

// openFlags keeps the opening of a FIFO or a terminal that was not there a moment ago from
// waiting or doing harm.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// owner is whom a file belongs to.
type owner struct {
	uid, gid int
	known    bool
}

func ownerOf(fi fs.FileInfo) owner {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return owner{int(st.Uid), int(st.Gid), true}
	}
	return owner{}
}

// chown gives f, which fi describes, the owner and the group o. A user who is not root may give
// it the groups that he is in, which is all that can be done.
func chown(f *os.File, fi fs.FileInfo, o owner) {
	if !o.known || ownerOf(fi) == o {
		return
	}
	if f.Chown(o.uid, o.gid) != nil {
		_ = f.Chown(-1, o.gid)
	}
}
