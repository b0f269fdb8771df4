package props

import (
	"net/http"
	"time"
)

// A listing has two dates for each member, and most members share few days. time.Time.AppendFormat
// parses its layout each time: the two dates then take a tenth of a listing in memory.

// dates appends times in one format: the day, the time of day, and a suffix. It caches the text of
// the last day. Not safe for concurrent use.
type dates struct {
	layout, end string // layout is that of the day, end the suffix
	day         int64  // days since 1970; text is its text
	text        []byte
}

// newHTTPDates returns dates that appends HTTP-dates (RFC 9110 §5.6.7).
func newHTTPDates() *dates { return &dates{layout: "Mon, 02 Jan 2006 ", end: " GMT"} }

// ParseHTTPDate parses an HTTP-date (RFC 9110 §5.6.7), also with a day of one digit, which some
// clients send.
func ParseHTTPDate(s string) (time.Time, error) {
	t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 GMT", s)
	if err != nil {
		t, err = http.ParseTime(s)
	}
	return t, err
}

// newDateTimes returns dates that appends date-times (RFC 3339 §5.6).
func newDateTimes() *dates { return &dates{layout: "2006-01-02T", end: "Z"} }

// append appends t, for which ValidTime must hold: the year has four digits.
func (d *dates) append(b []byte, t time.Time) []byte {
	const secondsOfDay = 24 * 60 * 60
	unix := t.Unix()
	day := unix / secondsOfDay
	if unix%secondsOfDay < 0 { // before 1970, where / rounds up
		day--
	}
	if day != d.day || d.text == nil {
		d.day, d.text = day, t.UTC().AppendFormat(d.text[:0], d.layout)
	}
	b = append(b, d.text...)
	second := int(unix - day*secondsOfDay)
	b = append(b, byte('0'+second/36000), byte('0'+second/3600%10), ':',
		byte('0'+second%3600/600), byte('0'+second%3600/60%10), ':',
		byte('0'+second%60/10), byte('0'+second%10))
	return append(b, d.end...)
}
