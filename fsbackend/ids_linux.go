package fsbackend

import "golang.org/x/sys/unix"

// KeepsIDs reports whether FileID stays the same for a file of the directory as long as the file is there. On overlayfs a file of a
// lower layer becomes another one with its first change; FAT makes inode numbers up, and what is behind FUSE may.
func KeepsIDs(dir string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return true
	}
	switch uint32(st.Type) {
	case unix.OVERLAYFS_SUPER_MAGIC, unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC:
		return false
	}
	return true
}
