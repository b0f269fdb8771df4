package props

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"time"

	"dav207/server/davxml"
)

// Standard returns the live properties of RFC 4918 §15 that need no more than a look at the resource. etag makes the
// entity tag of a file, setTime is the Set of DAV:getlastmodified, which is protected if it is nil. Those that speak of
// locks are the server's to add.
func Standard(etag func(ctx context.Context, info fs.FileInfo) (string, error), setTime SetFunc) []Live {
	return []Live{
		{Name: DAV("creationdate"), Append: creationDate},                              // §15.1
		{Name: DAV("displayname"), Append: displayName, Stored: true, Check: onlyText}, // §15.2
		{Name: DAV("getcontentlanguage"), Stored: true, Check: languageTags},           // §15.3
		{Name: DAV("getcontentlength"), Append: onFiles(contentLength)},                // §15.4
		{Name: DAV("getcontenttype"), Append: onFiles(contentType)},                    // §15.5
		{Name: DAV("getetag"), Append: onFiles(entityTag(etag))},                       // §15.6
		{Name: DAV("getlastmodified"), Append: lastModified, Set: setTime},             // §15.7
		{Name: DAV("resourcetype"), Append: resourceType},                              // §15.9
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
	if !ok || !Dated(c.CreationTime()) {
		return b, ErrUndefined
	}
	return appendDateTime(b, c.CreationTime().UTC()), nil
}

// displayName is what some clients show instead of the last segment of the URL, so that is what it is until somebody
// sets another. The root has none here: an empty one would be shown.
func displayName(_ context.Context, b []byte, r Resource) ([]byte, error) {
	if r.Path.IsRoot() {
		return b, ErrUndefined
	}
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

// lastModified is undefined for times that clients trip over: see Dated.
func lastModified(_ context.Context, b []byte, r Resource) ([]byte, error) {
	if !Dated(r.Info.ModTime()) {
		return b, ErrUndefined
	}
	return appendHTTPDate(b, r.Info.ModTime().UTC()), nil
}

// Dated reports whether a time can be given as a Last-Modified (RFC 9110 §5.6.7): one before 1970 or in its first second is that
// of a file system that knows none, and breaks clients.
func Dated(t time.Time) bool { return t.Unix() > 0 && t.UTC().Year() <= 9999 }

// onlyText refuses elements in a property that is #PCDATA (RFC 4918 §17).
func onlyText(value *Property) error {
	if bytes.IndexByte(value.InnerXML, '<') >= 0 {
		return errors.New("elements in a property that is text")
	}
	return nil
}

// languageTags accepts what can stand in a Content-Language header (RFC 9110 §8.5), since GET gives it there (RFC 4918 §15.3).
func languageTags(value *Property) error {
	for tag := range bytes.SplitSeq(value.InnerXML, []byte{','}) {
		if !languageTag.Match(bytes.TrimSpace(tag)) {
			return errors.New("not a list of language tags")
		}
	}
	return nil
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}$`)

func resourceType(_ context.Context, b []byte, r Resource) ([]byte, error) {
	if r.Info.IsDir() {
		b = append(b, "<D:collection/>"...)
	}
	return b, nil
}
