package props

import (
	"context"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"dav207/server/davxml"
)

// Standard returns the live properties of RFC 4918 §15 that need no more than a look at the resource. etag makes the
// entity tag of a file, setTime is the Set of DAV:getlastmodified, which is protected if it is nil. Those that speak of
// locks are the server's to add.
func Standard(etag func(ctx context.Context, info fs.FileInfo) (string, error), setTime SetFunc) []Live {
	return []Live{
		{Name: DAV("creationdate"), Append: creationDate},                  // §15.1
		{Name: DAV("displayname"), Append: displayName, Stored: true},      // §15.2
		{Name: DAV("getcontentlanguage"), Stored: true},                    // §15.3
		{Name: DAV("getcontentlength"), Append: onFiles(contentLength)},    // §15.4
		{Name: DAV("getcontenttype"), Append: onFiles(contentType)},        // §15.5
		{Name: DAV("getetag"), Append: onFiles(entityTag(etag))},           // §15.6
		{Name: DAV("getlastmodified"), Append: lastModified, Set: setTime}, // §15.7
		{Name: DAV("resourcetype"), Append: resourceType},                  // §15.9
	}
}

type appendFunc = func(ctx context.Context, b []byte, r Resource) ([]byte, error)

// onFiles makes a property undefined for collections.
func onFiles(f appendFunc) appendFunc {
	return func(ctx context.Context, b []byte, r Resource) ([]byte, error) {
		if r.Info.IsDir() {
			return b, ErrUndefined
		}
		return f(ctx, b, r)
	}
}

// creationDate is undefined where the file system does not know: another time would be a lie.
func creationDate(_ context.Context, b []byte, r Resource) ([]byte, error) {
	c, ok := r.Info.(interface{ CreationTime() time.Time })
	if !ok || c.CreationTime().IsZero() {
		return b, ErrUndefined
	}
	return c.CreationTime().UTC().AppendFormat(b, "2006-01-02T15:04:05Z"), nil
}

// displayName is what some clients show instead of the last segment of the URL, so that is what it is until somebody
// sets another.
func displayName(_ context.Context, b []byte, r Resource) ([]byte, error) {
	return davxml.EscapeText(b, r.Path.Name()), nil
}

func contentLength(_ context.Context, b []byte, r Resource) ([]byte, error) {
	return strconv.AppendInt(b, r.Info.Size(), 10), nil
}

func contentType(_ context.Context, b []byte, r Resource) ([]byte, error) {
	return append(b, ContentType(r.Path.Name())...), nil
}

func entityTag(etag func(context.Context, fs.FileInfo) (string, error)) appendFunc {
	return func(ctx context.Context, b []byte, r Resource) ([]byte, error) {
		tag, err := etag(ctx, r.Info)
		return davxml.EscapeText(b, tag), err
	}
}

// lastModified is undefined for times that RFC 9110 §5.6.7 clients trip over.
func lastModified(_ context.Context, b []byte, r Resource) ([]byte, error) {
	t := r.Info.ModTime().UTC()
	if t.Year() < 1970 || t.Year() > 9999 {
		return b, ErrUndefined
	}
	return t.AppendFormat(b, http.TimeFormat), nil
}

func resourceType(_ context.Context, b []byte, r Resource) ([]byte, error) {
	if r.Info.IsDir() {
		b = append(b, "<D:collection/>"...)
	}
	return b, nil
}
