package props

import "time"

// A listing has two dates for each member. time.Time.AppendFormat reads its layout anew for each, which takes four times as
// long.

// appendHTTPDate appends a time in UTC as an HTTP-date (RFC 9110 §5.6.7). Its year has four digits.
func appendHTTPDate(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	b = append(b, t.Weekday().String()[:3]...)
	b = append(b, ", "...)
	b = append(two(b, day), ' ')
	b = append(b, month.String()[:3]...)
	b = append(b, ' ')
	b = append(two(two(b, year/100), year%100), ' ')
	return append(appendClock(b, t), " GMT"...)
}

// appendDateTime appends a time in UTC as the date-time of RFC 3339 §5.6. Its year has four digits.
func appendDateTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	b = append(two(two(b, year/100), year%100), '-')
	b = append(two(b, int(month)), '-')
	b = append(two(b, day), 'T')
	return append(appendClock(b, t), 'Z')
}

func appendClock(b []byte, t time.Time) []byte {
	hour, min, sec := t.Clock()
	b = append(two(b, hour), ':')
	b = append(two(b, min), ':')
	return two(b, sec)
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10%10), byte('0'+n%10)) }
