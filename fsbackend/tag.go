package fsbackend

import "io/fs"

// AppendETag implements tree.Tagger: it appends the entity tag of a file from any info about it, also that of an open file. See
// ETag.
func (*Disk) AppendETag(b []byte, info fs.FileInfo) (tagged []byte, ok bool) {
	return appendETag(b, info)
}

// AppendETag implements tree.Tagger: it appends the entity tag of a file from any info about it, also that of an open file, where
// the back end has what it takes. See ETag.
func (*FS) AppendETag(b []byte, info fs.FileInfo) (tagged []byte, ok bool) {
	return appendETag(b, info)
}

func appendETag(b []byte, fi fs.FileInfo) ([]byte, bool) {
	if i, ours := fi.(tagger); ours {
		return i.appendTag(b)
	}
	tag, ok := ETag(fi)
	return append(b, tag...), ok
}
