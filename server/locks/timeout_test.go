package locks

import (
	"testing"
	"time"
)

func TestParseTimeout(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		header []string
		want   time.Duration
	}{
		{"10.7 no header", nil, 0},
		{"10.7 seconds", []string{"Second-3600"}, time.Hour},
		{"10.7 infinite", []string{"Infinite"}, Infinite},
		{"9.10.7 the example", []string{"Infinite, Second-4100000000"}, Infinite},
		{"10.7 the first in the list", []string{"Second-4100000000, Infinite"}, 4100000000 * time.Second},
		{"10.7 the largest", []string{"Second-4294967295"}, 4294967295 * time.Second},
		{"10.7 more than 2^32-1", []string{"Second-4294967296"}, Infinite},
		{"10.7 more than 64 bits", []string{"Second-99999999999999999999999999"}, Infinite},
		{"10.7 1*DIGIT, leading zeros", []string{"Second-00000000000000000000000060"}, time.Minute},
		{"10.7 zero is the shortest", []string{"Second-0"}, time.Second},
		{"RFC 2616 §2.1 literals in any case", []string{"sECOND-5"}, 5 * time.Second},
		{"RFC 2616 §2.1 literals in any case", []string{"INFINITE"}, Infinite},
		{"RFC 2616 §2.1 empty elements of a list", []string{" , ,\tSecond-5 ,"}, 5 * time.Second},
		{"10.7 lines are one list", []string{"Extend-5", "Second-7"}, 7 * time.Second},
		{"10.7 unknown forms are skipped", []string{"Extend-5, Second-x, Second--1, Second-7"}, 7 * time.Second},
		{"10.7 no LWS within", []string{"Second- 5"}, 0},
		{"10.7 a sign is no digit", []string{"Second-+5"}, 0},
		{"10.7 overflow with garbage behind", []string{"Second-99999999999999999999999999x"}, 0},
		{"10.7 no digits", []string{"Second-"}, 0},
		{"10.7 other words", []string{"Infinity", "3600", ""}, 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := ParseTimeout(tt.header); got != tt.want {
				t.Errorf("ParseTimeout(%q) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

func TestFormatTimeout(t *testing.T) {
	for _, tt := range []struct {
		rule string
		d    time.Duration
		want string
	}{
		{"10.7 seconds", time.Hour, "Second-3600"},
		{"rounded up", 59*time.Minute + 59*time.Second + 1, "Second-3600"},
		{"never Second-0", 0, "Second-1"},
		{"never Second-0", time.Nanosecond, "Second-1"},
		{"never negative", -time.Hour, "Second-1"},
		{"10.7 the largest", maxSeconds * time.Second, "Second-4294967295"},
		{"10.7 more than 2^32-1", maxSeconds*time.Second + 1, "Infinite"},
		{"10.7 infinite", Infinite, "Infinite"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := FormatTimeout(tt.d); got != tt.want {
				t.Errorf("FormatTimeout(%v) = %q, want %q", tt.d, got, tt.want)
			}
		})
	}
}

func FuzzParseTimeout(f *testing.F) {
	for _, s := range []string{"", "Infinite", "Second-1", "Second-0", "Infinite, Second-4100000000", "Second-99999999999999999999",
		"Second--1", "second-7,x", ",,", "Second-\xff",
		"Second-180", "Second-600", "Second-1800", "Second-3600", "Second-4100000000"} { // sent by clients
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		d := ParseTimeout([]string{a, b})
		switch {
		case d == 0 || d == Infinite:
		case d < time.Second || d > maxSeconds*time.Second || d%time.Second != 0:
			t.Fatalf("ParseTimeout(%q, %q) = %v, out of range", a, b, d)
		}
		if joined := ParseTimeout([]string{a + "," + b}); joined != d {
			t.Errorf("as one line %q = %v, want %v as with two", a+","+b, joined, d)
		}
		if d == 0 {
			return
		}
		if back := ParseTimeout([]string{FormatTimeout(d)}); back != d {
			t.Errorf("%v came back as %v from %q", d, back, FormatTimeout(d))
		}
	})
}
