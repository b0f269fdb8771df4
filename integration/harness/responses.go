package harness

import (
	"slices"
	"strings"
)

// SortResponses brings the responses of an answer, as davtest writes it, into the order of their
// hrefs, which is free.
func SortResponses(answer string) string {
	status, rest, _ := strings.Cut(answer, " /")
	if rest == "" {
		return answer
	}
	parts := strings.Split(rest, " /")
	slices.Sort(parts)
	return status + " /" + strings.Join(parts, " /")
}

// NoSlash replaces the slashes in the name of a subtest.
func NoSlash(s string) string { return strings.ReplaceAll(s, "/", "∕") }
