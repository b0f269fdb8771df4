// Package crash tests the tree that is left when the command is killed, the disk is full, or a
// write fails: it compares the tree with the history of requests and answers. It also tests that a
// server under load for a long time does not leak, and that attackers neither harm an honest user
// nor leave anything behind.
//
// -crash sets how often TestCrash kills the server, -soak how long TestSoak and TestHostile run.
package crash

import (
	"testing"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
