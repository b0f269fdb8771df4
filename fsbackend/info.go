package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/webdav"
)

// Info describes a resource at one moment; later changes of the resource do not change it. *Info is
// an fs.FileInfo.
type Info struct{ Attr }

// Attr is what a back end knows of a resource. Fields that it does not know are zero.
type Attr struct {
	Name    string
	Size    int64
	Mode    fs.FileMode
	ModTime time.Time
	// ChangeTime is the time of the last change of content, attributes or name. The file system
	// keeps it, and no client can set it. Zero if unknown.
	ChangeTime time.Time
	// Birth is the time of creation. Zero if unknown.
	Birth time.Time
	// ID identifies the resource: no other one of any back end of this process has it. Zero if
	// unknown.
	ID ID
	// Version, if not 0, is unique for each content that any file of the back end ever had.
	Version uint64
	// Direct means that there is no link on the way to the resource: its path is its RealPath.
	Direct bool
	// Fixed means that the resource cannot be removed, renamed or replaced, as a mount point. Its
	// members can.
	Fixed bool
	// Underlying is the info of an adapted file system, if there is one. Its entity tag, content
	// type and identity are used.
	Underlying fs.FileInfo
}

// ID is the identity of a resource: Device is that of a volume, or random.
type ID struct{ Device, Inode uint64 }

// InfoOf returns the info for a fs.FileInfo of another file system, package os included, under the
// given name.
func InfoOf(name string, fi fs.FileInfo) *Info {
	if i, ok := fi.(*Info); ok {
		if i.Attr.Name != name {
			renamed := *i
			renamed.Attr.Name = name
			return &renamed
		}
		return i
	}
	i := &Info{Attr{Name: name, Size: fi.Size(), Mode: fi.Mode(), ModTime: fi.ModTime(), Underlying: fi}}
	if fi.IsDir() {
		i.Attr.Mode |= fs.ModeDir
	}
	i.readSys(fi.Sys())
	return i
}

// Name returns the last segment of the path.
func (i *Info) Name() string { return i.Attr.Name }

// Size returns the length of a file in bytes.
func (i *Info) Size() int64 { return i.Attr.Size }

// Mode returns the kind and the permissions.
func (i *Info) Mode() fs.FileMode { return i.Attr.Mode }

// ModTime returns the time of the last modification.
func (i *Info) ModTime() time.Time { return i.Attr.ModTime }

// IsDir reports whether it is a collection.
func (i *Info) IsDir() bool { return i.Attr.Mode.IsDir() }

// Sys returns Sys of the info of the underlying file system.
func (i *Info) Sys() any {
	if i.Underlying == nil {
		return nil
	}
	return i.Underlying.Sys()
}

// IsLink reports whether it is a symbolic link.
func (i *Info) IsLink() bool { return i.Attr.Mode&fs.ModeSymlink != 0 }

// Special reports whether it is none of file, collection and link, such as a pipe or a device.
func (i *Info) Special() bool { return !i.IsDir() && !i.IsLink() && !i.Attr.Mode.IsRegular() }

// ETag returns the entity tag, quoted (RFC 9110 §8.8.3): that of the underlying file system if it
// has one, else one from what is known of the content. It is strong if Version or ID is known. A
// rename and a change of the mode keep the tag.
func (i *Info) ETag(ctx context.Context) (string, error) {
	tag, err := i.AppendETag(ctx, make([]byte, 0, 48))
	return string(tag), err
}

// AppendETag appends ETag to b. With an error it appends nothing.
func (i *Info) AppendETag(ctx context.Context, b []byte) ([]byte, error) {
	if e, ok := i.Underlying.(webdav.ETager); ok {
		if tag, err := e.ETag(ctx); !errors.Is(err, webdav.ErrNotImplemented) {
			if err != nil {
				tag = ""
			}
			return append(b, tag...), err
		}
	}
	number := func(n uint64) { b = strconv.AppendUint(b, n, 16) }
	b = append(b, '"')
	if i.Version != 0 {
		number(i.ID.Device)
		b = append(b, '-')
		number(i.Version)
		return append(b, '"'), nil
	}
	number(uint64(i.Attr.ModTime.UnixNano()))
	b = append(b, '-')
	number(uint64(i.Attr.Size))
	if i.ID != (ID{}) {
		b = append(b, '-')
		number(i.ID.Inode)
	}
	return append(b, '"'), nil
}

// ContentType returns the media type that the underlying file system knows, or
// webdav.ErrNotImplemented.
func (i *Info) ContentType(ctx context.Context) (string, error) {
	if t, ok := i.Underlying.(webdav.ContentTyper); ok {
		return t.ContentType(ctx)
	}
	return "", webdav.ErrNotImplemented
}

// SameFile reports whether both certainly describe one resource.
func (i *Info) SameFile(other *Info) bool {
	if i.ID != (ID{}) || other.ID != (ID{}) {
		return i.ID == other.ID
	}
	return i.Underlying != nil && other.Underlying != nil && os.SameFile(i.Underlying, other.Underlying)
}
