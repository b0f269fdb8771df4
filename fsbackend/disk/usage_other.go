//go:build !linux && !darwin && !freebsd

package disk

import (
	"context"
	"errors"

	"dav207/server/davpath"
)

// Usage implements fsbackend.Backend.
func (b *backend) Usage(context.Context, davpath.Path) (used, free uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
