package fsbackend

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copySparse is CopyContent for a file that may have holes. For any other it returns
// errors.ErrUnsupported and has done nothing.
func copySparse(ctx context.Context, to, from *os.File, fi *Info) error {
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || !FewerBlocks(st.Blocks, fi.Size()) {
		return errors.ErrUnsupported
	}
	return CopyData(from.Seek, func(at, n int64) error {
		if _, err := from.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := to.Seek(at, io.SeekStart); err != nil {
			return err
		}
		return copyInPieces(ctx, to, from, n)
	}, to.Truncate)
}

// FewerBlocks reports whether a file of size bytes with so many blocks of 512 bytes may have holes.
func FewerBlocks(blocks, size int64) bool { return blocks*512 < size }

// CopyData copies the data of a file but not its holes, which copy_file_range would fill. seek
// seeks in the file, copyRange copies n bytes at an offset to the same place in an empty file,
// truncate sets the length of that one. If the file system cannot find holes, CopyData returns
// errors.ErrUnsupported and has copied nothing.
func CopyData(seek func(offset int64, whence int) (int64, error), copyRange func(at, n int64) error, truncate func(size int64) error) error {
	for at := int64(0); ; {
		data, err := seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole up to the end, which may have moved
			size, err := seek(0, io.SeekEnd)
			if err != nil {
				return err
			}
			return truncate(size)
		}
		if at == 0 && errors.Is(err, unix.EINVAL) {
			return errors.ErrUnsupported
		}
		if err != nil {
			return err
		}
		hole, err := seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(data, hole-data); err != nil {
			return err
		}
		at = hole
	}
}
