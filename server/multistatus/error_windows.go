package multistatus

import (
	"errors"
	"syscall"
)

// isDiskFull reports whether err is one of Windows' own errors for a full volume, which are not
// syscall.ENOSPC.
func isDiskFull(err error) bool {
	const handleDiskFull, diskFull, diskQuotaExceeded = syscall.Errno(39), syscall.Errno(112), syscall.Errno(1295)
	return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull) || errors.Is(err, diskQuotaExceeded)
}
