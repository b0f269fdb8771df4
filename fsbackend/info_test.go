package fsbackend

import (
	"math"
	"strconv"
	"testing"
)

func TestAppend36(t *testing.T) {
	for _, n := range []uint64{0, 1, 35, 36, 1295, 1296, 1234567, 1 << 62, math.MaxUint64} {
		if got, want := string(append36([]byte("a"), n)), "a"+strconv.FormatUint(n, 36); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
