package props

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// win32CreationTime is the dead property that holds a creation time set by a client, as an
// HTTP-date. Windows sets this property, and reads it from allprop.
var win32CreationTime = Microsoft("Win32CreationTime")

// creation returns the live properties that are the time of creation: that which a client set,
// else that of the file system.
func creation() []Live {
	return []Live{
		{Name: DAV("creationdate"), Prepare: created(newDateTimes), Kept: &Kept{ // §15.1
			Name:   win32CreationTime,
			Append: appendDateTime,
			Parse:  parseDateTime,
		}, plain: true},
		{Name: win32CreationTime, Prepare: created(newHTTPDates), Alias: true, Stored: true, Check: func(value *Property) error {
			_, err := Settable(ParseHTTPDate(text(value)))
			return err
		}},
	}
}

// created returns a Live.Prepare for the creation time. The property is undefined where the file
// system has no creation time: any other time would be wrong.
func created(form func() *dates) func(context.Context) AppendFunc {
	return func(context.Context) AppendFunc {
		dates := form()
		return func(b []byte, r *Resource) ([]byte, error) {
			t := r.Info.Birth
			if !ValidTime(t) {
				return b, ErrUndefined
			}
			return dates.append(b, t), nil
		}
	}
}

// Copied returns the properties of a resource that a COPY gives to the copy: a time of creation is
// "normally re-initialized when a resource is created with a COPY. It should not be set in a COPY"
// (RFC 4918 §15.1).
func Copied(properties []Property) []Property {
	i := index(properties, win32CreationTime)
	if i < 0 {
		return properties
	}
	return slices.Concat(properties[:i], properties[i+1:])
}

func appendDateTime(b []byte, kept *Property) ([]byte, bool) {
	t, err := ParseHTTPDate(text(kept))
	if err != nil || !ValidTime(t) {
		return b, false
	}
	return t.UTC().AppendFormat(b, time.RFC3339), true
}

// dateTime is a date-time of RFC 3339 §5.6, whose letters may be small. time.Parse does not ask for
// as much: it takes hours of one digit, a comma, and an offset of 24 hours.
var dateTime = regexp.MustCompile(
	`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]([01]\d|2[0-3]):[0-5]\d)$`)

// parseDateTime reads a date-time, which is kept to the second. A leap second (RFC 3339 §5.7) is
// refused: it has no name in the times of Unix, so another one would come back.
func parseDateTime(value *Property) ([]byte, error) {
	s := text(value)
	if !dateTime.MatchString(s) {
		return nil, ErrNoTime
	}
	t, err := Settable(time.Parse(time.RFC3339, strings.ToUpper(s)))
	return t.UTC().AppendFormat(nil, http.TimeFormat), err
}
