package davtest_test

import (
	"context"
	"errors"
	"strings"

	"dav207/props"
	"dav207/server/davpath"
)

// brokenProps is a store that fails in the middle of a listing.
type brokenProps struct{ props.Memory }

func (*brokenProps) Get(context.Context, davpath.Path) ([]props.Property, error) { return nil, nil }

func (*brokenProps) Members(context.Context, davpath.Path) props.Members { return brokenMembers{} }

type brokenMembers struct{}

func (brokenMembers) Get(name string) ([]props.Property, error) {
	if name > strings.Repeat("n", 40)+"ux" {
		return nil, errors.New("the store is broken")
	}
	return nil, nil
}
