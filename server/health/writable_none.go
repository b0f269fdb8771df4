//go:build !unix

package health

// writable knows no way that leaves nothing behind if the process is killed.
func writable(string) error { return nil }
