package server

import (
	"net/http"
	"time"
)

// ifRange reports whether the Range of a request counts (RFC 9110 §13.1.5): whether there is no
// If-Range, or one that names the entity tag or the time of the file as it is now. Both are
// compared exactly; two values, or one that cannot be read, name nothing.
func ifRange(head http.Header, tag string, modified time.Time) bool {
	values := head["If-Range"]
	if len(values) != 1 {
		return len(values) == 0
	}
	if etag, rest, ok := entityTag(values[0]); ok {
		return rest == "" && etag == tag // tag is strong, so a weak one is never equal
	}
	date, err := http.ParseTime(values[0])
	return err == nil && !modified.IsZero() && modified.Truncate(time.Second).Equal(date)
}
