package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed says which package may import which: first those of this module, then, after the bar,
// modules of others. The standard library is open to all. It is a statement of what the house looks
// like: a failure here is a reason to ask whether the import is right, not to add a line.
//
//	tree        knows no HTTP
//	fsbackend   knows no status codes and no properties
//	multistatus knows no files
//	server      is the only place where they meet
var allowed = map[string]string{
	"server/resource":    "",
	"server/davxml":      "",
	"server/access":      "server/resource",
	"server/early":       "",
	"server/forwarded":   "",
	"server/wire":        "server/forwarded",
	"server/middleware":  "server/forwarded server/wire server/access server/early | golang.org/x/crypto",
	"server/reserve":     "server/resource",
	"server/locks":       "server/resource",
	"server/multistatus": "server/davxml",
	"props":              "server/multistatus server/resource server/access server/davxml",
	"props/boltprops":    "props server/locks server/resource server/multistatus | go.etcd.io/bbolt",
	"server/tree":        "props server/access server/reserve server/resource | golang.org/x/net",
	"server":             "server/tree server/forwarded server/wire props server/access server/early server/locks server/reserve server/resource server/multistatus server/davxml | golang.org/x/net",
	"fsbackend":          "server/resource | github.com/spf13/afero golang.org/x/net golang.org/x/sys",
	"fsbackend/faultfs":  "| golang.org/x/net",
	"cmd/dav207":         "server server/access server/locks server/middleware server/resource props props/boltprops fsbackend fsbackend/faultfs | github.com/spf13/afero github.com/spf13/pflag golang.org/x/net golang.org/x/sys golang.org/x/term",
	"integration":        "",

	// For tests only: nothing above imports one of these but in its tests.
	"integration/harness":   "fsbackend server server/access server/davtest server/multistatus server/resource | golang.org/x/net",
	"server/davxml/xmltest": "server/davxml",
	"props/propstest":       "props server/resource",
	"fsbackend/backendtest": "| golang.org/x/net",
	"server/davtest":        "server server/access server/locks server/multistatus fsbackend fsbackend/faultfs",
}

// clientsOnly are modules that the tests of one package alone may import.
var clientsOnly = map[string]string{
	"github.com/studio-b12/gowebdav": "integration/clients",
}

// withoutHTTP are packages that must not know that there is HTTP.
var withoutHTTP = []string{"server/resource", "server/davxml", "server/access", "server/reserve", "server/locks", "server/tree",
	"fsbackend", "fsbackend/faultfs"}

const module = "dav207"

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		rel, err := filepath.Rel("..", file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		seen[pkg] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if problem := judge(pkg, imported, strings.HasSuffix(file, "_test.go")); problem != "" {
				t.Errorf("%s imports %s: %s", rel, imported, problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("the table speaks of %s, which is not there", pkg)
		}
	}
}

// judge says what is wrong with an import, "" for nothing. Every build is looked at, whatever the
// system is that runs this test.
func judge(pkg, imported string, test bool) string {
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	if !isOurs && !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		if !test && inModule(imported, "net/http") && slices.Contains(withoutHTTP, pkg) {
			return "it knows no HTTP"
		}
		return "" // the standard library
	}
	for m, only := range clientsOnly {
		if inModule(imported, m) && (pkg != only || !test) {
			return "only tests in " + only + " may"
		}
	}
	if test {
		return ""
	}
	edges, known := allowed[pkg]
	if !known {
		return "the package is not in the table"
	}
	own, foreign, _ := strings.Cut(edges, "|")
	if isOurs && slices.Contains(strings.Fields(own), ours) {
		return ""
	}
	if !isOurs && slices.ContainsFunc(strings.Fields(foreign), func(m string) bool { return inModule(imported, m) }) {
		return ""
	}
	return "not one of its edges"
}

func inModule(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

// The edges must lead downwards, whatever the table says: a package that is reached from itself
// could not be understood, or used, alone.
func TestImportsHaveNoCircle(t *testing.T) {
	state := map[string]int{} // 1 on the way, 2 done
	var visit func(pkg string, way []string)
	visit = func(pkg string, way []string) {
		if way = append(way, pkg); state[pkg] == 1 {
			t.Errorf("a circle: %s", strings.Join(way, " → "))
		}
		if state[pkg] != 0 {
			return
		}
		state[pkg] = 1
		own, _, _ := strings.Cut(allowed[pkg], "|")
		for _, next := range strings.Fields(own) {
			if _, ok := allowed[next]; !ok {
				t.Errorf("%s may import %s, which the table does not have", pkg, next)
			}
			visit(next, way)
		}
		state[pkg] = 2
	}
	for pkg := range allowed {
		visit(pkg, nil)
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		pkg, imported string
		test, ok      bool
	}{
		{"server/tree", "net/http", false, false},
		{"server/tree", "io/fs", false, true},
		{"server", "net/http", false, true},
		{"server/tree", module + "/props", false, true},
		{"server/tree", module + "/server", false, false},
		{"server/tree", module + "/server/multistatus", false, false},
		{"fsbackend", module + "/props", false, false},
		{"fsbackend", "github.com/spf13/aferox", false, false},
		{"fsbackend", "github.com/spf13/afero/mem", false, true},
		{"server", module + "/server/davtest", false, false},
		{"server", module + "/server/davtest", true, true},
		{"server", "github.com/studio-b12/gowebdav", true, false},
		{"integration/clients", "github.com/studio-b12/gowebdav", true, true},
		{"integration/harness", "github.com/studio-b12/gowebdav", false, false},
		{"integration/harness", module + "/server/davtest", false, true},
		{"server", module + "/integration/harness", false, false},
		{"server/new", module + "/server", false, false},
	} {
		if got := judge(tt.pkg, tt.imported, tt.test); (got == "") != tt.ok {
			t.Errorf("judge(%s, %s, %t) = %q", tt.pkg, tt.imported, tt.test, got)
		}
	}
}
