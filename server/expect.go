package server

import (
	"errors"

	"dav207/server/davpath"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// checkHead refuses a request whose client waits for 100 Continue before it sends the body (RFC 9110
// §10.1.1), for everything that its head decides. The method checks the same again once it has the
// body, since things may have changed. For other clients it does so only then: what is wrong with a
// body that is there comes first.
func (h *Handler) checkHead(q *request, m *method) error {
	if m.head == nil || q.Header.Get("Expect") == "" || q.body.ended {
		return nil
	}
	return m.head(q)
}

// looking calls check while no other request changes what the claims are about.
func (h *Handler) looking(q *request, check func(*tree.Tree) error, claims ...pathlock.Range) error {
	release, err := h.reserve(q, claims...)
	if err != nil {
		return err
	}
	defer release()
	return check(h.treeFor(q))
}

// errUnchanged ends an operation that is only checked.
var errUnchanged = errors.New("nothing stands in the way")

// untilChange runs an operation of the engine until its first change, and returns what stands in the
// way of the operation as a whole.
func untilChange(t *tree.Tree, operation func(tree.Report) error) error {
	before := t.Before
	t.Before = func() error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		return errUnchanged
	}
	err := operation(func(davpath.Path, bool, error) {})
	if errors.Is(err, errUnchanged) || errors.Is(err, tree.ErrPartial) { // the status of a part is no refusal
		return nil
	}
	return err
}
