//go:build !linux && !darwin && !freebsd

package fsbackend

import (
	"context"
	"errors"
)

// Space is not known on this platform: errors.ErrUnsupported.
func (d *Disk) Space(context.Context, string) (used, available uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
