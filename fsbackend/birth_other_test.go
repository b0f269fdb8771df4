//go:build !linux

package fsbackend_test

func hasBirth(string) bool { return true }
