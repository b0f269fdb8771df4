//go:build !unix

package fsbackend

import (
	"io/fs"
	"os"
)

func formerOf(fi fs.FileInfo) *former { return &former{perm: fi.Mode().Perm()} }

func chown(*os.File, fs.FileInfo, *former) {}
