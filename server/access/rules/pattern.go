package rules

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The wildcards of a pattern.
const (
	anyOne     = "*"
	anyNumber  = "**"
	userName   = "{user}"
	everything = "/**"
)

// fold returns a name for which two names are equal that differ in case only.
func fold(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToUpper(name) // of the letters that are equal the least
	}
	return strings.Map(func(r rune) rune {
		least := r
		for c := unicode.SimpleFold(r); c != r; c = unicode.SimpleFold(c) {
			least = min(least, c)
		}
		return least
	}, name)
}

// match reports whether a pattern matches names, one of which is compared with a segment by one.
// Only the last ** has to be tried with other lengths.
func match(pattern, names []string, one func(segment, name string) bool) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(names) {
		switch {
		case p < len(pattern) && pattern[p] == anyNumber:
			star, from = p, n
			p++
		case p < len(pattern) && one(pattern[p], names[n]):
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(s string) bool { return s != anyNumber })
}
