package serve

import (
	"net"
	"testing"
)

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true}, {"0.0.0.0:1", "127.0.0.1:1", true}, {"127.0.0.1:1", "[::]:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false}, {"127.0.0.1:1", "192.0.2.1:1", false},
	} {
		var addrs [2]net.Addr
		for i, s := range []string{tt.a, tt.b} {
			var err error
			if addrs[i], err = net.ResolveTCPAddr("tcp", s); err != nil {
				t.Fatal(err)
			}
		}
		if got := overlap(addrs[0], addrs[1]); got != tt.want {
			t.Errorf("overlap(%s, %s) = %t", tt.a, tt.b, got)
		}
	}
}
