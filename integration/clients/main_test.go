// Package clients tests the server, and the command, with what people use: gowebdav, litmus,
// cadaver, curl, rclone, davfs2 and gvfs, alone and behind nginx; and the thirty requirements that
// clients have, as a table.
//
// A client that is not installed is a skip, or a failure if DAV207_REQUIRE_CLIENTS is 1.
package clients

import (
	"testing"

	"dav207/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
