package disk

import "golang.org/x/sys/unix"

const usageFlags = unix.O_PATH

func blockSize(st *unix.Statfs_t) uint64 {
	if st.Frsize > 0 {
		return uint64(st.Frsize)
	}
	return uint64(st.Bsize)
}
