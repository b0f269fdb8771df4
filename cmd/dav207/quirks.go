package main

import (
	"fmt"
	"slices"
	"strings"

	"dav207/server"
)

// quirks is a flag that collects what is left out for some clients: NAME, or NAME=WORD for those with that word in
// their User-Agent.
type quirks map[server.Quirk][]string

// String implements pflag.Value.
func (q quirks) String() string {
	var all []string
	for name, agents := range q {
		all = append(all, string(name))
		for _, a := range agents {
			all = append(all, string(name)+"="+a)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (q quirks) collects() {}

// Type implements pflag.Value.
func (q quirks) Type() string { return "NAME" }

// Set implements pflag.Value.
func (q quirks) Set(s string) error {
	name, agent, named := strings.Cut(s, "=")
	if !slices.Contains(server.Quirks(), server.Quirk(name)) {
		var known []string
		for _, k := range server.Quirks() {
			known = append(known, string(k))
		}
		return fmt.Errorf("must be %s", strings.Join(known, " or "))
	}
	if named && agent == "" {
		return fmt.Errorf("must have a word of the User-Agent after the %q, or none", "=")
	}
	agents, on := q[server.Quirk(name)]
	switch {
	case !named || on && agents == nil:
		q[server.Quirk(name)] = nil // those that are known to need it
	default:
		q[server.Quirk(name)] = append(agents, agent)
	}
	return nil
}
