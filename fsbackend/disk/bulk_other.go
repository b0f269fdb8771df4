//go:build !linux

package disk

import (
	"context"
	"errors"

	"dav207/server/davpath"
)

// CopyTree implements fsbackend.Bulk: it never begins.
func (b *backend) CopyTree(context.Context, davpath.Path, davpath.Path, func(davpath.Path)) (begun bool) {
	return false
}

// RemoveTree implements fsbackend.Bulk: it removes nothing.
func (b *backend) RemoveTree(context.Context, davpath.Path, func(davpath.Path)) (gone bool) {
	return false
}

// Exceeding implements fsbackend.Bulk: it does not know.
func (b *backend) Exceeding(_ context.Context, p davpath.Path, _, _ int) (davpath.Path, bool, error) {
	return p, false, errors.ErrUnsupported
}
