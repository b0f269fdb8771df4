package props

import (
	"errors"
	"net/http"
	"time"

	"dav207/fsbackend"
	"dav207/server/multistatus"
)

// LastModified returns the modification time that responses have in Last-Modified and in
// DAV:getlastmodified (RFC 4918 §15.7: they must be the same), and that conditional requests are
// compared with. It returns the zero time if responses should have none.
//
// It is never in the future (RFC 9110 §8.8.2.1). For a file whose modification time is in the
// future it returns the change time (ctime), which is the same in each response. The RFC proposes
// the time of the response: that one would differ each time, and no condition could match.
func LastModified(info *fsbackend.Info) time.Time {
	var passed int64
	return lastModifiedOf(info, &passed)
}

// lastModifiedOf is LastModified for the files of a listing. passed caches the last time read from
// the clock, in seconds since 1970.
func lastModifiedOf(info *fsbackend.Info, passed *int64) time.Time {
	t := info.ModTime()
	if t.Unix() > *passed {
		if *passed = time.Now().Unix(); t.Unix() > *passed {
			t = time.Time{}
			if info.ChangeTime.Unix() <= *passed {
				t = info.ChangeTime
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

// ValidTime reports whether t can be written as an HTTP-date (RFC 9110 §5.6.7) and as a date-time
// (RFC 3339), whose years have four digits. It reports false for the zero time, which stands for an
// unknown time: macOS does not mount a server that sends it.
func ValidTime(t time.Time) bool {
	const year1, year10000 = -62135596800, 253402300800
	unix := t.Unix()
	return year1 < unix && unix < year10000
}
