package disk

import (
	"context"
	"io/fs"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// CopyFile implements fsbackend.Backend. It copies the permissions, too, and keeps the owner of a
// file that is replaced.
func (b *backend) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h, ok := host(src)
	if !ok {
		return fsbackend.ReadError("copy", src, fs.ErrNotExist)
	}
	from, fi, err := b.openFile(h)
	if err != nil {
		return b.readError("copy", src, err)
	}
	defer from.Close()
	if fi.IsDir() {
		return fsbackend.ReadError("copy", src, syscall.EISDIR)
	}
	if there, err := b.describe("copy", dst, true); err == nil && there.SameFile(fi) {
		return fsbackend.CreateError("copy", dst, fs.ErrInvalid)
	}
	to, err := b.create(dst, fi)
	if err != nil {
		return b.createError("copy", dst, err)
	}
	defer to.Close()
	if err = to.open(); err == nil {
		err = copyRest(ctx, to.file, from)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return b.createError("copy", dst, err)
	}
	_, err = to.Commit(ctx)
	return err
}
