package batch

import (
	"errors"
	"strings"
)

// condition is the if of an item (OData JSON Format §19.1): it reports whether the item runs. ok
// has the outcome of each item.
type condition func(ok []bool) bool

var errCondition = errors.New("not a condition")

// maxCondition bounds a condition in bytes, and so how deep it is nested.
const maxCondition = 4096

// parseCondition parses $ID/$succeeded, not, and, or, and parentheses. needs are the items that may
// be named. It returns nil for "".
func parseCondition(s string, needs map[string]int) (condition, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) > maxCondition {
		return nil, errCondition
	}
	p := &conditionParser{rest: s, needs: needs}
	c := p.or()
	if p.skip(); p.failed || p.rest != "" {
		return nil, errCondition
	}
	return c, nil
}

type conditionParser struct {
	rest   string
	needs  map[string]int
	failed bool
}

func (p *conditionParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t") }

// word removes a word, if the rest begins with it.
func (p *conditionParser) word(w string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, w)
	if !ok || rest == "" || !strings.Contains(" \t($", rest[:1]) {
		return false
	}
	p.rest = rest
	return true
}

func (p *conditionParser) or() condition {
	c := p.and()
	for p.word("or") {
		a, b := c, p.and()
		c = func(ok []bool) bool { return a(ok) || b(ok) }
	}
	return c
}

func (p *conditionParser) and() condition {
	c := p.not()
	for p.word("and") {
		a, b := c, p.not()
		c = func(ok []bool) bool { return a(ok) && b(ok) }
	}
	return c
}

func (p *conditionParser) not() condition {
	if p.word("not") {
		c := p.not()
		return func(ok []bool) bool { return !c(ok) }
	}
	return p.operand()
}

func (p *conditionParser) operand() condition {
	p.skip()
	if rest, ok := strings.CutPrefix(p.rest, "("); ok {
		p.rest = rest
		c := p.or()
		p.skip()
		rest, ok = strings.CutPrefix(p.rest, ")")
		p.rest, p.failed = rest, p.failed || !ok
		return c
	}
	id, rest, ok := strings.Cut(strings.TrimPrefix(p.rest, "$"), "/$succeeded")
	n, known := p.needs[id]
	if !ok || !known || !strings.HasPrefix(p.rest, "$") {
		p.rest, p.failed = "", true
	} else {
		p.rest = rest
	}
	return func(ok []bool) bool { return ok[n] }
}
