package locks

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Infinite requests a lock that does not expire. A Table grants its MaxTimeout instead.
const Infinite time.Duration = math.MaxInt64

// maxSeconds is the largest value of the header (RFC 4918 §10.7).
const maxSeconds = math.MaxUint32

// ParseTimeout returns the first valid TimeType in the lines of a Timeout header, in any case. More
// than 2^32-1 seconds are Infinite, and Second-0 is one second. If there is no valid one it returns
// 0, for which a Table grants the default.
//
// It returns no error: "the server is not required to honor or even consider these requests"
// (RFC 4918 §10.7), and the response contains the timeout that was granted.
func ParseTimeout(header []string) time.Duration {
	for _, line := range header {
		for timeType := range strings.SplitSeq(line, ",") {
			if d := parseTimeType(strings.Trim(timeType, " \t")); d > 0 {
				return d
			}
		}
	}
	return 0
}

// parseTimeType returns 0 if s is not a TimeType.
func parseTimeType(s string) time.Duration {
	if strings.EqualFold(s, "Infinite") {
		return Infinite
	}
	const second = "Second-"
	if len(s) <= len(second) || !strings.EqualFold(s[:len(second)], second) {
		return 0
	}
	var n int64
	for _, c := range []byte(s[len(second):]) {
		if c < '0' || '9' < c {
			return 0
		}
		n = min(n*10+int64(c-'0'), maxSeconds+1) // saturates, however many digits follow
	}
	if n > maxSeconds {
		return Infinite
	}
	return time.Duration(max(n, 1)) * time.Second
}

// FormatTimeout returns d as a TimeType (RFC 4918 §10.7), such as "Second-3600". It rounds up to
// whole seconds, at least one, because clients take Second-0 for an expired lock. More than 2^32-1
// seconds are "Infinite".
func FormatTimeout(d time.Duration) string {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	if n > maxSeconds {
		return "Infinite"
	}
	return "Second-" + strconv.FormatInt(max(n, 1), 10)
}
