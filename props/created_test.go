package props

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A time of creation is set by a date-time of RFC 3339 §5.6, and by nothing else that packages of
// dates read (RFC 4918 §15.1). It comes back as the same second, in UTC; "" stands for a refusal.
func TestDateTimes(t *testing.T) {
	for _, tt := range []struct{ rule, value, want string }{
		{"§5.8, an example", "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50Z"},
		{"§5.8, with an offset", "1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"},
		{"§5.8, an offset of minutes", "1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27Z"},
		{"§4.3, an unknown offset", "1996-12-19T16:39:57-00:00", "1996-12-19T16:39:57Z"},
		{"§5.6, small letters", "1994-11-06t08:49:37z", "1994-11-06T08:49:37Z"},
		{"§5.6, secfrac has any number of digits", "1994-11-06T08:49:37.99999999999999999999Z", "1994-11-06T08:49:37Z"},
		{"§5.6, the largest offset", "1994-11-06T08:49:37+23:59", "1994-11-05T08:50:37Z"},
		{"white space around it", "\n 1994-11-06T08:49:37Z\t", "1994-11-06T08:49:37Z"},
		{"§5.7, a leap day", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
		{"the first second that is no zero time", "0001-01-01T00:00:01Z", "0001-01-01T00:00:01Z"},

		// A leap second is one of RFC 3339, and has no name in the times of a file system.
		{"§5.8, a leap second", "1990-12-31T23:59:60Z", ""},
		{"§5.8, a leap second with an offset", "1990-12-31T15:59:60-08:00", ""},
		{"§5.7, the 60th second elsewhere", "1994-11-06T08:49:60Z", ""},
		{"§5.6, time-hour = 2DIGIT", "1994-11-06T8:49:37Z", ""},
		{"§5.6, date-mday = 2DIGIT", "1994-11-6T08:49:37Z", ""},
		{"§5.6, time-second = 2DIGIT", "1994-11-06T08:49:7Z", ""},
		{"§5.6, date-fullyear = 4DIGIT", "01994-11-06T08:49:37Z", ""},
		{"§5.6, a sign of the year", "+1994-11-06T08:49:37Z", ""},
		{`§5.6, time-secfrac = "." 1*DIGIT, no comma`, "1994-11-06T08:49:37,5Z", ""},
		{"§5.6, at least one digit", "1994-11-06T08:49:37.Z", ""},
		{"§5.6, time-hour = 00-23", "1994-11-06T24:00:00Z", ""},
		{"§5.6, in the offset", "1994-11-06T08:49:37+24:00", ""},
		{"§5.6, time-minute = 00-59", "1994-11-06T08:60:00Z", ""},
		{"§5.6, in the offset", "1994-11-06T08:49:37+00:60", ""},
		{"§5.6, an offset without minutes", "1994-11-06T08:49:37+01", ""},
		{"§5.6, an offset without a colon", "1994-11-06T08:49:37+0100", ""},
		{"§5.6, no offset", "1994-11-06T08:49:37", ""},
		{"§5.6, seconds are not left out", "1994-11-06T08:49Z", ""},
		{"§5.6, a space", "1994-11-06 08:49:37Z", ""},
		{"§5.7, no leap day", "1900-02-29T00:00:00Z", ""},
		{"§5.7, no month", "1994-13-06T08:49:37Z", ""},
		{"digits of ASCII (RFC 2234 §6.1)", "１９９４-11-06T08:49:37Z", ""},
		{"something after it", "1994-11-06T08:49:37Z 1", ""},
		{"the zero time", "0001-01-01T00:00:00Z", ""},
		{"the year 0", "0000-06-01T00:00:00Z", ""},
		{"a year of five digits in UTC", "9999-12-31T23:59:59-00:01", ""},
		{"a time to come", time.Now().Add(time.Minute).UTC().Format(time.RFC3339), ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			kept, err := parseDateTime(&Property{InnerXML: []byte(tt.value)})
			if tt.want == "" {
				if refused := conflict(err); !errors.Is(refused, ErrNoTime) && !errors.Is(refused, errToCome) {
					t.Errorf("%q is kept as %s, %v", tt.value, kept, err)
				}
				return
			}
			got, ok := appendDateTime(nil, &Property{InnerXML: kept})
			if err != nil || !ok || string(got) != tt.want {
				t.Errorf("%q is kept as %s, %v, and comes back as %s, want %s", tt.value, kept, err, got, tt.want)
			}
		})
	}
}

// FuzzDateTime: what is accepted is a date-time of RFC 3339 §5.6, and comes back as its second.
func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"1994-11-06T08:49:37Z", "1994-11-06t10:49:37.25+02:00", "1990-12-31T23:59:60Z", "1994-11-06T8:49:37,5Z",
		"9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01"} {
		f.Add(s)
	}
	exact := regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})$`)
	f.Fuzz(func(t *testing.T, s string) {
		kept, err := parseDateTime(&Property{InnerXML: []byte(s)})
		if err != nil {
			if e := conflict(err); !errors.Is(e, ErrNoTime) && !errors.Is(e, errToCome) {
				t.Errorf("%q is refused with %v", s, e)
			}
			return
		}
		upper := strings.ToUpper(strings.TrimSpace(s))
		at, err := time.Parse(time.RFC3339, upper)
		if !exact.MatchString(upper) || err != nil {
			t.Fatalf("%q is kept as %s", s, kept)
		}
		if !strings.HasSuffix(string(kept), at.UTC().Format(http.TimeFormat)) {
			t.Errorf("%q is kept as %s", s, kept)
		}
		if got, ok := appendDateTime(nil, &Property{InnerXML: kept}); !ok || string(got) != at.UTC().Format(time.RFC3339) {
			t.Errorf("%q comes back as %s", s, got)
		}
	})
}
