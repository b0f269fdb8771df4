package davtest_test

import (
	"context"
	"errors"
	"iter"
	"strings"

	"dav207/props"
	"dav207/server/resource"
)

// brokenProps is a store that fails in the middle of a listing.
type brokenProps struct{ props.Memory }

func (*brokenProps) Get(context.Context, props.Resource) ([]props.Property, error) { return nil, nil }

func (*brokenProps) Members(_ context.Context, p resource.Path) iter.Seq2[props.Entry, error] {
	return func(yield func(props.Entry, error) bool) {
		if yield(props.Entry{Path: p.Child(strings.Repeat("n", 40) + "ux")}, nil) {
			yield(props.Entry{}, errors.New("the store is broken"))
		}
	}
}
