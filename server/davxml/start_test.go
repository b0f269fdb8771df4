package davxml

import (
	"errors"
	"strings"
	"testing"
)

// TestParseStart: of a malformed document the children of the root that are complete are returned.
func TestParseStart(t *testing.T) {
	for _, tt := range []struct {
		body, children string
		root           bool
		err            error
	}{
		{"<r><a/><b>x</b></r>", "a b", true, nil},
		{"<r><a/><b>x</b>", "a b", true, ErrMalformed},
		{"<r><a/><b>x", "a", true, ErrMalformed},
		{"<r><a/><b><c/>x</d></b><e/></r>", "a", true, ErrMalformed},
		{"<r><a/><b>&</b><e/></r>", "a", true, ErrMalformed},
		{"<r><a/></r>x", "a", true, ErrMalformed},
		{"<r>", "", true, ErrMalformed},
		{"<r", "", false, ErrMalformed},
		{"", "", false, ErrEmpty},
	} {
		root, err := ParseStart([]byte(tt.body), nil)
		var names []string
		if root != nil {
			for _, c := range root.Children {
				names = append(names, c.Name.Local)
			}
		}
		if got := strings.Join(names, " "); !errors.Is(err, tt.err) || (root != nil) != tt.root || got != tt.children {
			t.Errorf("ParseStart(%s) = %v with %q, %v, want %q, %v", tt.body, root, got, err, tt.children, tt.err)
		}
	}
}
