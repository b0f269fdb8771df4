package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Quirk is something that this server leaves out for clients that break on it. None is on by default: see Options.Quirks.
type Quirk string

const (
	// NoLockRoot leaves DAV:lockroot out of what is told of locks, although RFC 4918 §14.1 wants it there: Office 2000 and 2003
	// open documents for reading only where they meet it, for RFC 2518 did not have it (sabre/dav has the same
	// switch, hideLockRoot, for that reason). Later ones are not known to mind.
	NoLockRoot Quirk = "no-lockroot"
	// NoQuota answers as if quota-available-bytes and quota-used-bytes (RFC 4331) were not known: macOS 15.4 and later takes a
	// minute and a half to mount some servers that tell them (seen by the makers of Cryptomator and copyparty; which values
	// do it nobody has said). Without them Finder shows no free space.
	NoQuota Quirk = "no-quota"
)

// quirkAgents are, for each quirk there is, words of the User-Agent of the clients that it is for.
var quirkAgents = map[Quirk][]string{
	NoLockRoot: {"Microsoft Office", "MSOffice", "Microsoft Data Access Internet Publishing Provider"},
	NoQuota:    {"WebDAVFS/", "WebDAVLib/"},
}

// Quirks returns the names of all there are.
func Quirks() []Quirk { return []Quirk{NoLockRoot, NoQuota} }

// quirk is one that is on, for the clients whose User-Agent holds one of some words, in any mix of case.
type quirk struct {
	name   Quirk
	agents []string
}

// quirksOf makes a list of those that Options.Quirks switches on. It panics where one is not known.
func quirksOf(on map[Quirk][]string) []quirk {
	var all []quirk
	for name, agents := range on {
		known, ok := quirkAgents[name]
		if !ok {
			panic(fmt.Sprintf("server: there is no quirk %q", name))
		}
		if len(agents) == 0 {
			agents = known
		}
		all = append(all, quirk{name, lower(agents)})
	}
	return all
}

func lower(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ToLower(w)
	}
	return out
}

type quirksKey struct{}

// withQuirks puts the quirks that are for the client of a request into its context.
func (h *Handler) withQuirks(ctx context.Context, head http.Header) context.Context {
	if len(h.quirks) == 0 {
		return ctx
	}
	agent := strings.ToLower(head.Get("User-Agent"))
	var own []Quirk
	for _, q := range h.quirks {
		if slices.ContainsFunc(q.agents, func(w string) bool { return strings.Contains(agent, w) }) {
			own = append(own, q.name)
		}
	}
	if own == nil {
		return ctx
	}
	return context.WithValue(ctx, quirksKey{}, own)
}

// isFor reports whether a quirk is for the client of the request with this context.
func (q Quirk) isFor(ctx context.Context) bool {
	own, _ := ctx.Value(quirksKey{}).([]Quirk)
	return slices.Contains(own, q)
}
