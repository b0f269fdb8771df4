package props

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// Dates are written as package time writes them.
func TestDates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	times := []time.Time{time.Unix(0, 0), time.Unix(-1, 0), time.Unix(-24*60*60, 0), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Unix(1, 999999999), time.Date(2000, 2, 29, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	for range 10_000 {
		times = append(times, time.Unix(r.Int64N(253402300800+62135596800)-62135596800, r.Int64N(1e9)))
	}
	http11, rfc3339 := newHTTPDates(), newDateTimes()
	for _, at := range times {
		for _, at := range []time.Time{at, at, at.Add(time.Hour), at.Add(-24 * time.Hour)} { // most share their day with the one before
			if !ValidTime(at) {
				continue
			}
			if got, want := string(http11.append(nil, at)), at.UTC().Format(http.TimeFormat); got != want {
				t.Fatalf("HTTP-date %q, want %q", got, want)
			}
			if got, want := string(rfc3339.append(nil, at)), at.UTC().Format("2006-01-02T15:04:05Z"); got != want {
				t.Fatalf("date-time %q, want %q", got, want)
			}
		}
	}
}

func BenchmarkDate(b *testing.B) {
	at := time.Unix(1700000000, 0).UTC()
	buf := make([]byte, 0, 64)
	b.Run("ours", func(b *testing.B) {
		dates := newHTTPDates()
		for b.Loop() {
			buf = dates.append(buf[:0], at)
		}
	})
	b.Run("time", func(b *testing.B) {
		for b.Loop() {
			buf = at.AppendFormat(buf[:0], http.TimeFormat)
		}
	})
}
