//go:build !linux && unix

package health

func writable(dir string) error { return access(dir) }
