//go:build darwin || freebsd

package fsbackend

import "golang.org/x/sys/unix"

const spaceFlags = openFlags

func blockSize(st *unix.Statfs_t) uint64 { return uint64(st.Bsize) }
