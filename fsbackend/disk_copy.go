package fsbackend

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// copyPiece is how much of a file is copied between two looks at the context: the system copies it in one go.
const copyPiece = 64 << 20

// CopyFile copies the content and the permissions of the regular file src to dst, replacing a file there in one step, whose
// owner is kept; the rest is as with Stage. Copying a file onto itself, by whatever name, is fs.ErrInvalid.
func (d *Disk) CopyFile(ctx context.Context, src, dst string, ready func(fs.FileInfo) error) error {
	p, ok := host(src)
	if !ok {
		return reading("copy", src, fs.ErrNotExist)
	}
	if err := d.admit(p, true); err != nil {
		return d.reading("copy", src, err)
	}
	from, fi, err := d.open(p, os.O_RDONLY, 0)
	if err != nil {
		return d.reading("copy", src, err)
	}
	defer from.Close()
	if fi.IsDir() {
		return reading("copy", src, syscall.EISDIR)
	}
	if q, ok := host(dst); ok {
		if there, err := d.root.Stat(q); err == nil && os.SameFile(fi, there) {
			return creating("copy", dst, fs.ErrInvalid)
		}
	}
	to, err := d.stage(dst, fi)
	if err != nil {
		return d.creating("copy", dst, err)
	}
	defer to.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Between two files of the system this is copy_file_range, which shares the blocks where it can.
		_, err := io.CopyN(to.file, from, copyPiece)
		if err == io.EOF {
			break
		}
		if err != nil {
			return creating("copy", dst, err)
		}
	}
	if err := whenReady(to, ready); err != nil {
		return err
	}
	return to.commit(ctx)
}

// whenReady tells who a file that was written aside will be.
func whenReady(to interface{ Stat() (fs.FileInfo, error) }, ready func(fs.FileInfo) error) error {
	if ready == nil {
		return nil
	}
	fi, err := to.Stat()
	if err != nil {
		return err
	}
	return ready(fi)
}
