//go:build !linux && !darwin && !freebsd

package fsbackend

import (
	"context"
	"iter"
)

// Unremovable knows nothing on this platform.
func (d *Disk) Unremovable(context.Context, string) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}
