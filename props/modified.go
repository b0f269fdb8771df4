package props

import (
	"errors"
	"io/fs"
	"net/http"
	"time"

	"dav207/server/multistatus"
)

// LastModified returns the time of the last modification as every answer gives it: Last-Modified,
// DAV:getlastmodified (RFC 4918 §15.7 wants these to be the same), and what conditions by date are
// compared with. The zero time means that none is given.
//
// It is never later than now (RFC 9110 §8.8.2.1). A file whose own time is still to come has the
// time of its last change instead, which stays the same until the file changes or that time has
// passed. The time of the answer, which the RFC proposes, would be another one in each answer: no
// condition that gives it back could ever hold.
func LastModified(info fs.FileInfo) time.Time {
	var passed int64
	return lastModifiedOf(info, &passed)
}

// lastModifiedOf is LastModified for many files: passed is a second that is known not to be in the
// future.
func lastModifiedOf(info fs.FileInfo, passed *int64) time.Time {
	t := info.ModTime()
	if t.Unix() > *passed {
		if *passed = time.Now().Unix(); t.Unix() > *passed {
			t = time.Time{}
			if c, ok := info.(interface{ ChangeTime() time.Time }); ok && c.ChangeTime().Unix() <= *passed {
				t = c.ChangeTime()
			}
		}
	}
	if !ValidTime(t) {
		return time.Time{}
	}
	return t
}

// ErrNoTime refuses a value that is not a time, or one that cannot be given back (RFC 4918 §9.2.1).
var ErrNoTime = &multistatus.Error{
	Status:      http.StatusConflict,
	Err:         errors.New("not a time that can be kept"),
	Description: "The value is not a time in the form of the property, or one that cannot be kept, such as a leap second.",
}

var errToCome = &multistatus.Error{
	Status:      http.StatusConflict,
	Err:         errors.New("a time that is still to come"),
	Description: "A time that is still to come cannot be set.",
}

// Settable takes what a parser returns, and refuses the times that would not be given back. Those
// still to come are among them, even by a second: no answer may have a Last-Modified that is later
// than its Date (RFC 9110 §8.8.2.1), and times of creation follow the same rule.
func Settable(t time.Time, err error) (time.Time, error) {
	switch {
	case err != nil || !ValidTime(t):
		return t, ErrNoTime
	case t.Unix() > time.Now().Unix():
		return t, errToCome
	}
	return t, nil
}

// ValidTime reports whether t can be given as an HTTP-date (RFC 9110 §5.6.7) and a date-time of RFC
// 3339, whose years have four digits. The zero time, with all of its second, is that of a back end
// that knows none: macOS cannot mount what shows it.
func ValidTime(t time.Time) bool {
	const year1, year10000 = -62135596800, 253402300800
	unix := t.Unix()
	return year1 < unix && unix < year10000
}
