package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
)

// BenchmarkRules lists a collection of 1,000 members without a policy, with one rule, and with rules
// for 1,000 paths: each a member of the collection that may not be written, or not be seen by
// others, each elsewhere, or each on a subtree behind a wildcard.
func BenchmarkRules(b *testing.B) {
	const n = 1000
	onDisk := filled(b, n, false)
	for _, tree := range []string{"disk", "memory"} {
		files := memory.New(nil).Backend()
		if tree == "disk" {
			files = harness.DiskTree(b, onDisk(), nil)
		} else {
			fill(b, server.New(files, nil), n, false)
		}
		for _, query := range queries {
			b.Run(tree+"/"+query.name, func(b *testing.B) {
				var sides []side
				for _, policy := range []struct{ name, path string }{
					{"none", ""}, {"one", "-"}, {"members", "/files/file-%06d.txt"}, {"hidden", "hide /files/file-%06d.txt"},
					{"elsewhere", "/other/%d/**"}, {"wildcards", "/*/dir%d/**"},
				} {
					h := server.New(files, &server.Options{Policy: policyOf(b, policy.path, n)})
					as := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						h.ServeHTTP(w, r.WithContext(access.WithPrincipal(r.Context(), "ann", "staff")))
					})
					sides = append(sides, side{name: policy.name, run: func() error {
						serve(b, as, 207, "PROPFIND", "/files/", query.body, "Depth", "1")
						return nil
					}})
				}
				contest(b, "entry", n+1, sides...)
			})
		}
	}
}

// policyOf returns a policy with a rule for everything and n for the paths of a format, unless it
// is "-".
func policyOf(b *testing.B, format string, n int) access.Policy {
	b.Helper()
	if format == "" {
		return nil
	}
	list := []rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}
	for i := 0; i < n && format != "-"; i++ {
		if others, ok := strings.CutPrefix(format, "hide "); ok {
			path := fmt.Sprintf(others, i)
			list = append(list, rules.Rule{Who: []string{"everybody"}, Hide: true, Path: path},
				rules.Rule{Who: []string{"@staff"}, Allow: []string{"all"}, Path: path + "/**"})
			continue
		}
		list = append(list, rules.Rule{Who: []string{"bob", "@staff"}, Deny: []string{"write"}, Path: fmt.Sprintf(format, i)})
	}
	l, err := rules.Compile(list, nil)
	if err != nil {
		b.Fatal(err)
	}
	return l
}
