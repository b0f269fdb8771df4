package disk

import (
	"encoding/binary"
	"slices"
	"testing"
)

// A file without the number of an inode, as FUSE and old XFS may have it, is listed, too; what is
// no whole entry is not.
func TestInodeZero(t *testing.T) {
	entry := func(ino uint64, name string) []byte {
		b := make([]byte, (19+len(name)+1+7)/8*8)
		binary.NativeEndian.PutUint64(b, ino)
		binary.NativeEndian.PutUint16(b[16:], uint16(len(b)))
		copy(b[19:], name)
		return b
	}
	dirents := slices.Concat(entry(1, "."), entry(2, ".."), entry(0, "one.txt"), entry(3, "..."), entry(4, "two"), entry(5, "cut off")[:10])
	if got, want := appendNames([]string{"before"}, dirents), []string{"before", "one.txt", "...", "two"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}
