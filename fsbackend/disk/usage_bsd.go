//go:build darwin || freebsd

package disk

import "golang.org/x/sys/unix"

const usageFlags = openFlags

func blockSize(st *unix.Statfs_t) uint64 { return uint64(st.Bsize) }
