package props

import (
	"net/http"
	"time"
)

// A listing has two dates for each member, most of few days. time.Time.AppendFormat reads its layout anew for each, which takes ten
// times as long.

// dates appends times of which all have the same form: that of a day, the time of the day, and an end. It keeps the last day.
// Years have four digits.
type dates struct {
	layout, end string // layout is the one of the day
	day         int64  // since 1970, of kept
	kept        []byte
}

// newHTTPDates returns dates that are HTTP-dates (RFC 9110 §5.6.7).
func newHTTPDates() *dates { return &dates{layout: "Mon, 02 Jan 2006 ", end: " GMT"} }

// ParseHTTPDate reads an HTTP-date; some clients write the day with one digit.
func ParseHTTPDate(s string) (time.Time, error) {
	t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 GMT", s)
	if err != nil {
		t, err = http.ParseTime(s)
	}
	return t, err
}

// newDateTimes returns dates that are date-times of RFC 3339 §5.6.
func newDateTimes() *dates { return &dates{layout: "2006-01-02T", end: "Z"} }

// append appends a time for which ValidTime holds.
func (d *dates) append(b []byte, t time.Time) []byte {
	const secondsOfDay = 24 * 60 * 60
	unix := t.Unix()
	day := unix / secondsOfDay
	if unix%secondsOfDay < 0 { // before 1970, where / rounds up
		day--
	}
	if day != d.day || d.kept == nil {
		d.day, d.kept = day, t.UTC().AppendFormat(d.kept[:0], d.layout)
	}
	b = append(b, d.kept...)
	second := int(unix - day*secondsOfDay)
	b = append(b, byte('0'+second/36000), byte('0'+second/3600%10), ':',
		byte('0'+second%3600/600), byte('0'+second%3600/60%10), ':',
		byte('0'+second%60/10), byte('0'+second%10))
	return append(b, d.end...)
}
