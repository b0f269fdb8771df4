//go:build !linux

package fsbackend

import (
	"errors"
)

// sparse cannot find out here.
func sparse(*Info) bool { return false }

// CopyData is not supported here.
func CopyData(func(int64, int) (int64, error), func(at, n int64) error, func(int64) error) error {
	return errors.ErrUnsupported
}
