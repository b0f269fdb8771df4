package fsbackend

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
)

// CopyPiece is how many bytes are copied between two checks of the context, in one system call.
const CopyPiece = 64 << 20

// CopyContent copies the open file from, with the info fi, to an empty one. It keeps holes and
// shares blocks where the system can.
func CopyContent(ctx context.Context, to, from *os.File, fi *Info) error {
	if err := copySparse(ctx, to, from, fi); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return copyInPieces(ctx, to, from, math.MaxInt64)
}

// copyInPieces copies n bytes, or all up to the end of r. Between two files of the system it uses
// copy_file_range.
func copyInPieces(ctx context.Context, w io.Writer, r io.Reader, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := io.CopyN(w, r, min(n, CopyPiece))
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
