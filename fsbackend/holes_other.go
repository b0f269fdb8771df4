//go:build !linux

package fsbackend

import (
	"errors"
	"io/fs"
)

// sparse never knows here.
func sparse(fs.FileInfo) bool { return false }

func copyData(func(int64, int) (int64, error), func(at, n int64) error, func(int64) error) error {
	return errors.ErrUnsupported
}
