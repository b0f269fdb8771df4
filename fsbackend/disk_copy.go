package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"
)

// copyPiece is how much of a file is copied between two looks at the context: the system copies it in one go.
const copyPiece = 64 << 20

// CopyFile copies the content and the permissions of the regular file src to dst, replacing a file there in one step, whose
// owner is kept; the rest is as with Stage. Copying a file onto itself, by whatever name, is fs.ErrInvalid.
func (d *Disk) CopyFile(ctx context.Context, src, dst string) error {
	from, fi, err := d.openSource(src)
	if err != nil {
		return d.reading("copy", src, err)
	}
	defer from.Close()
	if fi.IsDir() {
		return reading("copy", src, syscall.EISDIR)
	}
	if there, err := d.describe("copy", dst, true); err == nil && sameFile(there, fi) {
		return creating("copy", dst, fs.ErrInvalid)
	}
	to, err := d.stage(dst, fi)
	if err != nil {
		return d.creating("copy", dst, err)
	}
	defer to.Close()
	if err := copyFile(ctx, to.file, from, fi); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return creating("copy", dst, err)
	}
	return to.commit(ctx)
}

// copyFile copies all of the open file from, which fi describes, to an empty one. Holes stay holes
// where the system can find them.
func copyFile(ctx context.Context, to, from *os.File, fi fs.FileInfo) error {
	if sparse(fi) {
		err := copyData(from.Seek, func(at, n int64) error {
			if _, err := from.Seek(at, io.SeekStart); err != nil {
				return err
			}
			if _, err := to.Seek(at, io.SeekStart); err != nil {
				return err
			}
			return copyPieces(ctx, to, from, n)
		}, to.Truncate)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if _, err := from.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return copyPieces(ctx, to, from, math.MaxInt64)
}

// copyPieces copies n bytes, or all up to the end of r. Between two files of the system this is
// copy_file_range, which shares the blocks where it can.
func copyPieces(ctx context.Context, w io.Writer, r io.Reader, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := io.CopyN(w, r, min(n, copyPiece))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		n -= done
	}
	return nil
}
