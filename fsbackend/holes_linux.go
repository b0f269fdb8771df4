package fsbackend

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// sparse reports whether fi describes a file that may have holes: it takes less of the disk than it
// is long.
func sparse(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && fewerBlocks(st.Blocks, fi.Size())
}

func fewerBlocks(blocks, size int64) bool { return blocks*512 < size }

// copyData copies what is in a file but not its holes, which copy_file_range would fill: seek is
// that of the file, copyRange copies n bytes of it at an offset to the same place in an empty one,
// and truncate gives that one its length. It is errors.ErrUnsupported, and nothing was copied,
// where the file system knows nothing of holes.
func copyData(seek func(offset int64, whence int) (int64, error), copyRange func(at, n int64) error, truncate func(size int64) error) error {
	for at := int64(0); ; {
		data, err := seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // there is only a hole up to the end, wherever that is by now
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
