// Package clients tests the server and the command with real clients, alone and behind nginx:
// gowebdav, litmus, cadaver, curl, rclone, davfs2, gvfs and others. It also has a table of the
// thirty requirements of clients.
//
// If a client is not installed its tests are skipped, or fail if DAV207_REQUIRE_CLIENTS is 1.
package clients

import (
	"testing"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
