package locks

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Infinite asks for a lock that does not expire. No Table grants that: it is as good as the longest there is.
const Infinite time.Duration = math.MaxInt64

// maxSeconds is the largest value that a timeout may have on the wire (RFC 4918 §10.7).
const maxSeconds = math.MaxUint32

// ParseTimeout returns what the Timeout header of a LOCK request asks for: the first of its TimeTypes that it
// understands, in any mix of case. A number of seconds beyond 2^32-1 is Infinite, and Second-0 is one second, the
// shortest there is. What it does not understand it passes over; if nothing is left, or there is no header, it
// returns 0, which stands for the default.
//
// There is no error, since "the server is not required to honor or even consider these requests" (RFC 4918 §10.7) and the
// response says what was granted: a client with a strange wish gets its lock.
func ParseTimeout(header []string) time.Duration {
	for _, line := range header {
		for wish := range strings.SplitSeq(line, ",") {
			if d := parseTimeType(strings.Trim(wish, " \t")); d > 0 {
				return d
			}
		}
	}
	return 0
}

// parseTimeType returns 0 for what is not a TimeType.
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

// FormatTimeout returns d as a TimeType (RFC 4918 §10.7), such as "Second-3600". Seconds are rounded up and at
// least one, because clients take Second-0 for a lock that they have lost; what a number may not say is "Infinite".
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
