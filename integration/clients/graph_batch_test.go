package clients

import (
	"slices"
	"testing"

	"dav207/integration/harness"
)

// npmGraph is the package that TestGraphBatch uses, in the version that .ci/run installs.
const npmGraph = "@microsoft/microsoft-graph-client@3.0.7"

// TestGraphBatch runs testdata/graph-batch.mjs: batches that Microsoft's client for Graph makes,
// sends and reads, as its documentation shows.
func TestGraphBatch(t *testing.T) {
	node, script := npmScript(t, "graph-batch.mjs", npmGraph)
	eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
		c := &client{TB: t, path: limited(t), dir: t.TempDir(), env: []string{"NODE_NO_WARNINGS=1"}}
		if said := c.run(limit, node, script, s.At("/")); said != "" {
			t.Errorf("the session prints %s", said)
		}
		if got, want := s.Tree("/"), []string{"/", "/a.json", "/d.json"}; !slices.Equal(got, want) {
			t.Errorf("the tree is %q, want %q", got, want)
		}
	}, "--prefix", "/v1.0")
}
