//go:build !windows

package multistatus

func fullVolume(error) bool { return false }
