//go:build !windows

package multistatus

// isDiskFull is for Windows: elsewhere a full volume is syscall.ENOSPC or EDQUOT.
func isDiskFull(error) bool { return false }
