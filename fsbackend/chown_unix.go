//go:build unix

package fsbackend

import (
	"io/fs"
	"os"
	"syscall"
)

// chown gives f the owner and the group of old. Who is not root may give it the groups he is in, which is all that
// can be done.
func chown(f *os.File, old fs.FileInfo) {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if fi, err := f.Stat(); err == nil {
		if have, ok := fi.Sys().(*syscall.Stat_t); ok && have.Uid == want.Uid && have.Gid == want.Gid {
			return
		}
	}
	if f.Chown(int(want.Uid), int(want.Gid)) != nil {
		_ = f.Chown(-1, int(want.Gid))
	}
}
