package disk

import "testing"

// otherUser returns a function that runs another one as a user who is not root; nil where that is
// not possible.
func otherUser(t *testing.T) func(func()) { return func(f func()) { asNobody(t, f) } }
