//go:build !unix

package disk

import (
	"io/fs"
	"os"
)

const openFlags = 0

// owner is whom a file belongs to, which is not known here.
type owner struct{}

func ownerOf(fs.FileInfo) owner { return owner{} }

func chown(*os.File, fs.FileInfo, owner) {}
