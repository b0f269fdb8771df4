package server

import (
	"io/fs"
	"net/http"
	"time"

	"dav207/props"
	"dav207/server/tree"
)

// ifRange reports whether the Range of a request for a file, of which info is a look, counts
// (RFC 9110 §13.1.5): whether there is no If-Range, or one that names the entity tag or the time of
// the file as it is now. Both are compared exactly; two values, or one that cannot be read, name
// nothing.
func ifRange(head http.Header, tag string, info fs.FileInfo) bool {
	values := head["If-Range"]
	if len(values) != 1 {
		return len(values) == 0
	}
	if etag, rest, ok := entityTag(values[0]); ok {
		return rest == "" && etag == tag // tag is strong, so a weak one is never equal
	}
	date, err := http.ParseTime(values[0])
	return err == nil && strongDate(info, date)
}

// strongDate reports whether a date is the Last-Modified of a file, and a strong validator
// (RFC 9110 §8.8.2.2): clients put the parts that they have together with those that they get. A
// client uses a date so only if it got it in a later second. The date proves nothing then if the
// file changed after the second of the date; and a time of modification can be set, so that only
// the time of change excludes that.
func strongDate(info fs.FileInfo, date time.Time) bool {
	last := props.LastModified(info)
	c, ok := info.(tree.ChangeTimer)
	if !ok || last.IsZero() || last.Unix() != date.Unix() {
		return false
	}
	changed := c.ChangeTime()
	return !changed.IsZero() && changed.Unix() <= date.Unix()
}
