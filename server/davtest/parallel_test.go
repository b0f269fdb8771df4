package davtest_test

import (
	"fmt"
	"testing"
	"time"

	"dav207/server/davtest"
)

// TestParallelServers runs 60 servers at the same time, each with a tree, faults, locks and a clock of
// its own: none sees anything of another one.
func TestParallelServers(t *testing.T) {
	for i := range 60 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			member, status := fmt.Sprintf("/c/%d", i), 400+i%18
			srv := davtest.New(t, &davtest.Options{Tree: "-- /c/x --\n-- " + member + " --\n", TLS: i%10 == 0})
			srv.Fail("DELETE", member, status).Condition("reason").Times(1)
			srv.Wire("GET", member).ContentType(fmt.Sprintf("text/x-%d", i))
			for range 2 {
				token := srv.Lock("/c/x", "Depth: 0", "Timeout: Second-60")
				exchange{"PUT", "/c/x", "", "x", "423 lock-token-submitted(/c/x)"}.run(t, srv)
				srv.Send("PUT", "/c/x", "x", "If: (<"+token+">)")
				srv.Journal().Sent("PUT", "/c/x")[1:].MustSubmit(t, token)
				srv.Advance(time.Minute)
				exchange{"DELETE", "/c/", "", "", fmt.Sprintf("207 %s=%d reason", member, status)}.run(t, srv)
				if got := srv.Do("GET", member).Header.Get("Content-Type"); got != fmt.Sprintf("text/x-%d", i) {
					t.Errorf("Content-Type = %q", got)
				}
				if got, want := srv.Names(), "/ /c/ "+member; got != want {
					t.Errorf("names = %q, want %q", got, want)
				}
				exchange{"DELETE", "/c/", "", "", "204"}.run(t, srv)
				srv.Reset()
				srv.Fail("DELETE", member, status).Condition("reason").Times(1)
				srv.Wire("GET", member).ContentType(fmt.Sprintf("text/x-%d", i))
			}
			srv.RemoveFaults()
		})
	}
}
