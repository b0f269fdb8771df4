// Package crash tests what is left when the command is killed, the disk is full, or a write fails,
// and what a server that runs for a long time uses. It compares that with the history of what
// clients sent and what was answered.
//
// -crash says how often TestCrash kills the server, -soak how long TestSoak takes.
package crash

import (
	"testing"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
