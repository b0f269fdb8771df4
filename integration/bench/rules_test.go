package bench

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
)

// ruled are the policies that these benchmarks compare with none: one rule for everything, or with
// it such a rule for each of 1,000 paths.
var ruled = []struct{ name, rule string }{
	{"none", ""},
	{"one", "-"},
	{"members", "deny write on /files/file-%06d.txt"},
	{"absent", "hide on /files/absent-%06d.txt"},
	{"elsewhere", "hide on /other/%d/**"},
	{"wildcards", "deny write on /*/dir%d/**"},
	{"properties", "deny read on /files/file-%06d.txt of {x:}secret"},
}

// BenchmarkRules lists a collection with each of the policies.
func BenchmarkRules(b *testing.B) {
	propname := struct{ name, body string }{"propname", `<propfind xmlns="DAV:"><propname/></propfind>`}
	for _, n := range []int{1, 1000, 10_000} {
		onDisk := filled(b, n, false)
		for _, tree := range []string{"disk", "memory"} {
			for _, query := range append(queries, propname) {
				b.Run(fmt.Sprintf("%d/%s/%s", n, tree, query.name), func(b *testing.B) {
					if n > 1000 && testing.Short() {
						b.Skip("10,000 files")
					}
					files := memory.New(nil).Backend()
					if tree == "disk" {
						files = harness.DiskTree(b, onDisk(), nil)
					} else {
						fill(b, server.New(files, nil), n, false)
					}
					times := max(1, 1000/n) // one listing of a file would be too short to measure
					contestRules(b, files, "entry", (n+1)*times, func(h http.Handler) side {
						return side{run: func() error {
							for range times {
								serve(b, h, 207, "PROPFIND", "/files/", query.body, "Depth", "1")
							}
							return nil
						}}
					})
				})
			}
		}
	}
}

// BenchmarkRulesRequest gets and replaces a file a hundred times with each of the policies.
func BenchmarkRulesRequest(b *testing.B) {
	const times = 100
	for _, tree := range []string{"disk", "memory"} {
		files := memory.New(nil).Backend()
		if tree == "disk" {
			files = harness.DiskTree(b, b.TempDir(), nil)
		}
		fill(b, server.New(files, nil), 1, false)
		serve(b, server.New(files, nil), 201, "PUT", "/files/x", "x")
		for _, r := range []struct {
			method string
			status int
		}{{"GET", 200}, {"PUT", 204}, {"OPTIONS", 200}} {
			b.Run(tree+"/"+r.method, func(b *testing.B) {
				contestRules(b, files, "request", times, func(h http.Handler) side {
					return side{run: func() error {
						for range times {
							serve(b, h, r.status, r.method, "/files/x", "content")
						}
						return nil
					}}
				})
			})
		}
	}
}

// BenchmarkRulesTree copies and removes a tree of 1,000 files, a hundred in each collection, with
// each of the policies. Those that refuse something there, if only to members that are absent, make
// the server ask for each member.
func BenchmarkRulesTree(b *testing.B) {
	for _, tree := range []string{"disk", "memory"} {
		for _, method := range []string{"COPY", "DELETE"} {
			b.Run(tree+"/"+method, func(b *testing.B) {
				files := memory.New(nil).Backend()
				if tree == "disk" {
					files = harness.DiskTree(b, newTree(b, 1000), nil)
				} else {
					fill(b, server.New(files, nil), 1000, true)
				}
				contestRules(b, files, "file", 1000, func(h http.Handler) side {
					copies := func() error { serve(b, h, 201, "COPY", "/files/", "", "Destination", "/copy/"); return nil }
					deletes := func() error { serve(b, h, 204, "DELETE", "/copy/", ""); return nil }
					if method == "COPY" {
						return side{run: copies, undo: deletes}
					}
					return side{prepare: copies, run: deletes}
				})
			})
		}
	}
}

// contestRules runs a contest between the policies.
func contestRules(b *testing.B, files fsbackend.Backend, thing string, n int, prepare func(http.Handler) side) {
	var sides []side
	for _, p := range ruled {
		h := server.New(files, &server.Options{Policy: policyOf(b, p.rule)})
		s := prepare(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(access.WithPrincipal(r.Context(), "ann", "staff")))
		}))
		s.name = p.name
		sides = append(sides, s)
	}
	contest(b, thing, n, sides...)
}

// policyOf returns a policy with a rule for everything and 1,000 like rule, unless that is "-".
func policyOf(b *testing.B, rule string) access.Policy {
	b.Helper()
	if rule == "" {
		return nil
	}
	list := []rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}
	for i := 0; i < 1000 && rule != "-"; i++ {
		r := rules.Rule{Who: []string{"bob", "@staff"}, Hide: strings.HasPrefix(rule, "hide")}
		for word := range strings.FieldsSeq(rule) {
			switch {
			case word == "read" || word == "write":
				r.Deny = []string{word}
			case strings.HasPrefix(word, "/"):
				r.Path = fmt.Sprintf(word, i)
			case strings.HasPrefix(word, "{"):
				r.Property = word
			}
		}
		list = append(list, r)
	}
	l, err := rules.Compile(list, nil)
	if err != nil {
		b.Fatal(err)
	}
	return l
}
