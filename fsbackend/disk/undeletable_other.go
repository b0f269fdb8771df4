//go:build !linux && !darwin && !freebsd

package disk

import (
	"context"
	"iter"

	"dav207/server/davpath"
)

// Undeletable implements fsbackend.Bulk: nothing is known here.
func (b *backend) Undeletable(context.Context, davpath.Path) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}
