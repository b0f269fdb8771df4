package fsbackend

import (
	"context"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/webdav"
)

// ETag returns the strong entity tag of a regular file, quotes included, made from the time of modification, the size
// and, where the platform has it, the inode. fi is an info of this package, or what package os says about the same file:
// both give the same tag. It says false for whatever is not a regular file and for infos of other origin.
//
// Renaming a file and changing its mode keep the tag.
func ETag(fi fs.FileInfo) (tag string, ok bool) {
	if t, ok := fi.(webdav.ETager); ok {
		tag, err := t.ETag(context.Background())
		return tag, err == nil
	}
	if !fi.Mode().IsRegular() {
		return "", false
	}
	id, _, ok := identity(fi)
	if !ok {
		return "", false
	}
	return string(appendTag(nil, uint64(fi.ModTime().UnixNano()), uint64(fi.Size()), id.ino)), true
}

// tagger is an info of this package.
type tagger interface {
	// appendTag appends the entity tag; false where there is none.
	appendTag(b []byte) ([]byte, bool)
}

// etager is the ETag of webdav.ETager.
func etager(i tagger) (string, error) {
	tag, ok := i.appendTag(make([]byte, 0, 48))
	if !ok {
		return "", webdav.ErrNotImplemented
	}
	return string(tag), nil
}

// appendTag appends an entity tag that is made of numbers.
func appendTag(b []byte, parts ...uint64) []byte {
	b = append(b, '"')
	for i, p := range parts {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, p, 16)
	}
	return append(b, '"')
}

// fileID tells one file of a host from another. The zero value means that it is not known.
type fileID struct{ dev, ino uint64 }

// info describes what was found on the disk at one moment. A listing has one for each member: hence its times without a zone.
type info struct {
	name  string
	size  int64
	mtime moment
	ctime moment // the zero one where it is not known
	birth moment // the zero one where it is not known
	mode  fs.FileMode
	// direct says that no link was passed on the way, and that the name is the one that Real returns.
	direct bool
	id     fileID
	raw    fs.FileInfo // as package os has it; nil where we asked the system ourselves
}

// moment is a time as the system tells it, in seconds and nanoseconds since 1970.
type moment struct {
	sec  int64
	nsec uint32
}

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{t.Unix(), uint32(t.Nanosecond())}
}

func (m moment) time() time.Time { return time.Unix(m.sec, int64(m.nsec)) }

// known is time for a moment whose zero value says that it is not known.
func (m moment) known() time.Time {
	if m == (moment{}) {
		return time.Time{}
	}
	return m.time()
}

// nano is what UnixNano is.
func (m moment) nano() uint64 { return uint64(m.sec*1e9 + int64(m.nsec)) }

// changedBefore reports whether a file is known to have had its name, content and attributes before
// t.
func changedBefore(fi fs.FileInfo, t time.Time) bool {
	at, known := changeTime(fi)
	return known && at.Before(t)
}

func newInfo(name string, fi fs.FileInfo) *info {
	id, birth, _ := identity(fi)
	ctime, _ := changeTime(fi)
	return &info{name: name, size: fi.Size(), mode: fi.Mode(), mtime: momentOf(fi.ModTime()), ctime: momentOf(ctime),
		birth: momentOf(birth), id: id, raw: fi}
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.mtime.time() }
func (i *info) IsDir() bool        { return i.mode.IsDir() }

func (i *info) Sys() any {
	if i.raw == nil {
		return nil
	}
	return i.raw.Sys()
}

// ETag implements webdav.ETager; for what is not a regular file the error is webdav.ErrNotImplemented.
func (i *info) ETag(context.Context) (string, error) { return etager(i) }

func (i *info) appendTag(b []byte) ([]byte, bool) {
	if !i.mode.IsRegular() {
		return b, false
	}
	return appendTag(b, i.mtime.nano(), uint64(i.size), i.id.ino), true
}

// CreationTime returns the birth time, zero where the file system does not keep it.
func (i *info) CreationTime() time.Time { return i.birth.known() }

// ChangeTime implements tree.ChangeTimer.
func (i *info) ChangeTime() time.Time { return i.ctime.known() }

// Direct implements tree.Directer.
func (i *info) Direct() bool { return i.direct }

// SameFile reports whether other describes the same file, be it an info of ours or of package os.
func (i *info) SameFile(other fs.FileInfo) bool {
	var raw fs.FileInfo = other
	id := fileID{}
	if o, ok := other.(*info); ok {
		raw, id = o.raw, o.id
	} else if other != nil {
		id, _, _ = identity(other)
	}
	if i.id != (fileID{}) || id != (fileID{}) {
		return i.id == id
	}
	return i.raw != nil && raw != nil && os.SameFile(i.raw, raw)
}
