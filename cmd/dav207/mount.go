package main

import (
	"fmt"
	"strings"
)

// mountHints returns, for each client system, a line on how to mount the server at base, which ends
// with a slash.
func mountHints(base string) string {
	rest := strings.TrimPrefix(base, "http")
	return fmt.Sprintf(`  Windows     net use * %s
  macOS       Finder, Go > Connect to Server: %s
  GNOME, KDE  gio mount dav%s   or in Dolphin: webdav%s
  Linux       sudo mount -t davfs %s /mnt   (davfs2)
`, base, base, rest, rest, base)
}
