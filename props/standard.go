package props

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"dav207/server/davxml"
)

// Standard returns the live properties of RFC 4918 §15 except those of locks. setTime is the
// Live.Set of DAV:getlastmodified and of the property that Windows has for it. If it is nil both
// are protected.
func Standard(setTime SetFunc) []Live {
	return append(creation(), []Live{
		{Name: DAV("displayname"), Prepare: displayName, Stored: true, Check: onlyText},  // §15.2
		{Name: DAV("getcontentlanguage"), Stored: true, Check: languageTags},             // §15.3
		{Name: DAV("getcontentlength"), Prepare: contentLength, plain: true},             // §15.4
		{Name: DAV("getcontenttype"), Prepare: contentType, plain: true},                 // §15.5
		{Name: DAV("getetag"), Prepare: entityTag},                                       // §15.6
		{Name: DAV("getlastmodified"), Prepare: lastModified, Set: setTime, plain: true}, // §15.7
		{Name: DAV("resourcetype"), Prepare: resourceType},                               // §15.9
		{Name: Microsoft("Win32LastModifiedTime"), Alias: true, Prepare: lastModified, Set: setTime},
		{Name: DAV("iscollection"), Alias: true, Prepare: boolean(func(r *Resource) bool { return r.Info.IsDir() })},
		// Windows asks for this. Hidden there, and with IIS, is what has the attribute. A leading
		// dot is none: CreateFile with CREATE_ALWAYS would fail over a .gitignore that is hidden.
		{Name: DAV("ishidden"), Alias: true, Prepare: boolean(func(*Resource) bool { return false }), Kept: &Kept{Name: Microsoft("Win32FileAttributes"), Append: func(b []byte, attributes *Property) ([]byte, bool) {
			const hidden = 2
			bits, err := strconv.ParseUint(text(attributes), 16, 32)
			if err != nil {
				return b, false
			}
			return append(b, flag(bits&hidden != 0)), true
		}}},
	}...)
}

// flag returns a boolean as Windows writes it.
func flag(is bool) byte {
	if is {
		return '1'
	}
	return '0'
}

// boolean returns a Live.Prepare for a boolean.
func boolean(is func(*Resource) bool) func(context.Context) AppendFunc {
	return func(context.Context) AppendFunc {
		return func(b []byte, r *Resource) ([]byte, error) { return append(b, flag(is(r))), nil }
	}
}

// displayName is the last segment of the path until a client sets another value: some clients show
// it instead of the URL. The root has none, for clients would show an empty name.
func displayName(context.Context) AppendFunc {
	return func(b []byte, r *Resource) ([]byte, error) {
		if r.Path.IsRoot() {
			return b, ErrUndefined
		}
		return davxml.EscapeText(b, r.Path.Name()), nil
	}
}

// contentLength is undefined for collections, as are contentType and entityTag.
func contentLength(context.Context) AppendFunc {
	return func(b []byte, r *Resource) ([]byte, error) {
		if r.Info.IsDir() {
			return b, ErrUndefined
		}
		return strconv.AppendInt(b, r.Info.Size(), 10), nil
	}
}

func contentType(context.Context) AppendFunc {
	return func(b []byte, r *Resource) ([]byte, error) {
		if r.Info.IsDir() {
			return b, ErrUndefined
		}
		return append(b, ContentType(r.Path.Name())...), nil
	}
}

func entityTag(ctx context.Context) AppendFunc {
	return func(b []byte, r *Resource) ([]byte, error) {
		if r.Info.IsDir() {
			return b, ErrUndefined
		}
		from := len(b)
		b, err := r.Info.AppendETag(ctx, b)
		for _, c := range b[from:] {
			if c == '&' || c == '<' || c == '>' || c < ' ' || c > '~' { // only of a back end of other authors
				return davxml.EscapeText(b[:from], string(b[from:])), err
			}
		}
		return b, err
	}
}

// lastModified is undefined where LastModified returns the zero time.
func lastModified(context.Context) AppendFunc {
	dates := newHTTPDates()
	var passed int64
	return func(b []byte, r *Resource) ([]byte, error) {
		modified := lastModifiedOf(r.Info, &passed)
		if modified.IsZero() {
			return b, ErrUndefined
		}
		return dates.append(b, modified), nil
	}
}

// text returns the content of a property, without surrounding white space.
func text(value *Property) string { return strings.TrimSpace(string(value.InnerXML)) }

// onlyText returns an error if a property of type #PCDATA has elements (RFC 4918 §17).
func onlyText(value *Property) error {
	if bytes.IndexByte(value.InnerXML, '<') >= 0 {
		return errors.New("elements in a property that is text")
	}
	return nil
}

// languageTags returns an error if the value cannot be that of a Content-Language header (RFC 9110
// §8.5): GET sends it there (RFC 4918 §15.3).
func languageTags(value *Property) error {
	for tag := range bytes.SplitSeq(value.InnerXML, []byte{','}) {
		if !languageTag.Match(bytes.TrimSpace(tag)) {
			return errors.New("not a list of language tags")
		}
	}
	return nil
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,8}$`)

func resourceType(context.Context) AppendFunc {
	return func(b []byte, r *Resource) ([]byte, error) {
		if r.Info.IsDir() {
			b = append(b, "<D:collection/>"...)
		}
		return b, nil
	}
}
