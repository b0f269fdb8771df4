// Package bench holds the benchmarks: the server by itself, and beside golang.org/x/net/webdav,
// other programs and bare system calls. peers.md has the figures beside other servers.
package bench

import (
	"testing"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
