//go:build unix

package control

import (
	"io/fs"
	"os"
	"syscall"
)

// ours reports whether this user made the file.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
