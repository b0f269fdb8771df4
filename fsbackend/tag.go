package fsbackend

import "io/fs"

// ETag returns the entity tag of a file from any info about it, also that of an open file: see the function of that
// name.
func (*Disk) ETag(info fs.FileInfo) (tag string, ok bool) { return ETag(info) }

// ETag returns the entity tag of a file from any info about it, also that of an open file, where the back end has what it
// takes: see the function of that name.
func (*FS) ETag(info fs.FileInfo) (tag string, ok bool) { return ETag(info) }
