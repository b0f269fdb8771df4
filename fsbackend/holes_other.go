//go:build !linux

package fsbackend

import (
	"context"
	"errors"
	"os"
)

// copySparse cannot find holes here.
func copySparse(context.Context, *os.File, *os.File, *Info) error { return errors.ErrUnsupported }
