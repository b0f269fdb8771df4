//go:build !unix

package fsbackend

const openFlags = 0
