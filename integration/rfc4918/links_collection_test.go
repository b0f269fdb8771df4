package rfc4918

import (
	"testing"

	"dav207/integration/harness"
)

// A collection that is locked with its members locks what their URLs name, also where one of them
// is a link (RFC 4918 §6.1: "For a collection that is locked with a depth-infinity lock L, all
// member resources are indirectly locked"). Its token is accepted for the target of a member that
// is a link, and required for every change through the link.
func TestLinksInALockedCollection(t *testing.T) {
	for _, name := range []string{"/c/lf", "/c/l/f"} {
		s, _ := harness.ServeDir(t, nil, "/k/f", "/c/lf -> ../k/f", "/c/l -> ../k")
		token := s.Lock("/c/", "infinity")
		if got, want := harness.OneLine(t, s.Do("PUT", name, "x")), "423 lock-token-submitted(/c/)"; got != want {
			t.Errorf("PUT %s = %s, want %s", name, got, want)
		}
		if got := harness.OneLine(t, s.Do("PUT", name, "x", "If", "(<"+token+">)")); got != "204" {
			t.Errorf("PUT %s with the token = %s, want 204", name, got)
		}
	}
}

// A lock conflict is answered before conditions are evaluated, because it is the answer without
// them (RFC 9110 §13.2.1).
func TestLockConflictBeforeConditions(t *testing.T) {
	s, _ := harness.ServeDir(t, nil, "/f")
	s.Lock("/f", "0")
	if got, want := harness.OneLine(t, s.Do("LOCK", "/f", harness.LockBody, "If-Match", `"wrong"`)), "423 no-conflicting-lock(/f)"; got != want {
		t.Errorf("LOCK = %s, want %s", got, want)
	}
}
