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
	return err == nil && strongDate(info, date, time.Now())
}

// strongDate reports whether a date is the Last-Modified of a file, and a strong validator
// (RFC 9110 §8.8.2.2): clients put the parts that they have together with those that they get. The
// date is of a second, in which the file can change more than once. It proves nothing while that
// second lasts: it has to be one before the Date of the answer, and a client uses a date only if it
// got it so. Nor does it if the file changed after that second, which only the time of change can
// exclude, since a time of modification can be set.
func strongDate(info fs.FileInfo, date, now time.Time) bool {
	last := props.LastModified(info)
	c, ok := info.(tree.ChangeTimer)
	if !ok || last.IsZero() || last.Unix() != date.Unix() || last.Unix() >= now.Unix() {
		return false
	}
	changed := c.ChangeTime()
	return !changed.IsZero() && changed.Unix() <= date.Unix()
}
