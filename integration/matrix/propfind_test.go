package matrix

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

func TestMatrixPropfind(t *testing.T) {
	w := newTree(tree...)
	for _, depth := range []string{"0", "1", "infinity"} {
		for _, target := range []string{"/c/", "/c/m"} {
			for _, name := range slices.Sorted(maps.Keys(w)) {
				for _, f := range faults(name) {
					if f.name == "/" && f.cause == vanished {
						continue // the root does not vanish
					}
					t.Run(harness.NoSlash("PROPFIND "+depth+" "+target+" "+f.String()), func(t *testing.T) {
						t.Parallel()
						c := newCell(t, w, f)
						m := newModel(w, f)
						want := m.expectPropfind(target, depth)
						got := c.srv.Send("PROPFIND", target, `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "Depth: "+depth)
						c.check(t, got, want, m.Tree)
						if len(got.Responses) > 0 && got.Responses[0].Href != target {
							t.Errorf("the first response is for %s, want %s", got.Responses[0].Href, target)
						}
					})
				}
			}
		}
	}
}

// expectPropfind returns the expected answer to a PROPFIND of resourcetype (§9.1).
//   - Each resource in scope has one response: with its properties, or with the names of the
//     requested properties and the status of the failure ("If there is an error retrieving a
//     property, then a proper error result MUST be included in the response"; §14.22: "Groups
//     together a prop and status element"). If a collection cannot be listed its properties have that
//     status, and its members have no response.
//   - Locks do not affect reading (§7).
//   - A resource that vanished has no response.
//   - If the Request-URI fails, its status is that of the request.
func (m *model) expectPropfind(target, depth string) string {
	responses := map[string]string{}
	m.find(target, depth, responses)
	if len(responses) == 0 {
		return "404"
	}
	if m.href(target) != target && responses[m.href(target)] != "" || !strings.HasPrefix(responses[target], "200") {
		return m.outcome()
	}
	out := "207"
	failed := m.outcome()
	for _, href := range slices.Sorted(maps.Keys(responses)) {
		said := responses[href]
		if said == failed {
			status, condition, _ := strings.Cut(failed, " ")
			said = strings.TrimSuffix(status+"[resourcetype] "+condition, " ")
		}
		out += " " + href + "=" + said
	}
	return out
}

func (m *model) find(name, depth string, responses map[string]string) {
	listed := strings.HasSuffix(name, "/") && depth != "0"
	if m.fails(name, stat, unreadable) || listed && m.fails(name, "open", "list") {
		responses[m.href(name)] = m.outcome()
		return
	}
	if m.vanishes(name, stat) || listed && m.vanishes(name, "open", "list") {
		return
	}
	responses[name] = "200[resourcetype]"
	if !listed {
		return
	}
	if depth == "1" {
		depth = "0"
	}
	for _, member := range m.Members(name) {
		m.find(member, depth, responses)
	}
}
