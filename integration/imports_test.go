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

// allowed lists what each package may import: packages of this module and, after the bar, other
// modules. Every package may import the standard library. The table is the architecture: when the
// test fails, first ask whether the import is right.
//
//	tree        knows no HTTP
//	fsbackend   knows no status codes and no properties
//	multistatus knows no files
//	server      is the only place where they meet
var allowed = map[string]string{
	"server/davpath":     "",
	"server/davxml":      "",
	"server/access":      "server/davpath",
	"server/early":       "",
	"server/forwarded":   "",
	"server/wire":        "server/forwarded",
	"server/middleware":  "server/forwarded server/wire server/access server/early server/multistatus server/digest server/password | golang.org/x/crypto",
	"server/metrics":     "server/middleware | github.com/prometheus/client_golang",
	"server/health":      " | golang.org/x/sys",
	"server/digest":      "",
	"server/password":    " | github.com/tg123/go-htpasswd golang.org/x/crypto",
	"server/limits":      "server/forwarded server/wire server/access server/early server/multistatus",
	"server/pathlock":    "server/davpath",
	"server/locks":       "server/davpath",
	"server/multistatus": "server/davxml",

	"server/multistatus/inspect": "server/multistatus server/wire",

	"server/batch":           "server/davpath server/early server/multistatus server/origin server/reqbody server/wire server/limits | golang.org/x/net",
	"props":                  "fsbackend server/multistatus server/davpath server/access server/davxml",
	"props/boltprops":        "props server/locks server/davpath server/multistatus | go.etcd.io/bbolt",
	"server/davheader":       "server/tree server/davpath server/multistatus",
	"server/interim":         "server/forwarded server/multistatus",
	"server/byterange":       "",
	"server/index":           "fsbackend props",
	"server/origin":          "server/davpath server/forwarded",
	"server/reqbody":         "server/davxml server/multistatus",
	"server/tree":            "fsbackend props server/access server/pathlock server/davpath",
	"server":                 "fsbackend server/reqbody server/origin server/index server/byterange server/interim server/davheader server/tree server/wire props server/access server/early server/locks server/pathlock server/davpath server/multistatus server/davxml",
	"fsbackend":              "server/davpath | github.com/spf13/afero golang.org/x/net golang.org/x/sys",
	"fsbackend/disk":         "fsbackend server/davpath | github.com/spf13/afero golang.org/x/sys",
	"fsbackend/memory":       "fsbackend server/davpath | github.com/spf13/afero",
	"fsbackend/faultfs":      "fsbackend server/davpath",
	"cmd/dav207":             "cmd/dav207/cli cmd/dav207/control cmd/dav207/manual cmd/dav207/serve server/davtest server/davtest/lab server/middleware server/multistatus server/multistatus/inspect | github.com/spf13/pflag golang.org/x/net golang.org/x/term",
	"cmd/dav207/cli":         "server/middleware | github.com/spf13/pflag golang.org/x/sys",
	"cmd/dav207/certificate": "cmd/dav207/cli",
	"cmd/dav207/serve":       "cmd/dav207/certificate cmd/dav207/cli cmd/dav207/config cmd/dav207/control cmd/dav207/folders fsbackend fsbackend/disk fsbackend/memory fsbackend/mounts props props/boltprops server server/access server/access/rules server/batch server/davpath server/health server/limits server/locks server/metrics server/middleware | github.com/coreos/go-systemd github.com/spf13/pflag",
	"integration":            "",
	"fsbackend/mounts":       "fsbackend server/access server/davpath",
	"fsbackend/quota":        "fsbackend server/davpath",
	"cmd/dav207/folders":     "cmd/dav207/config fsbackend fsbackend/disk fsbackend/mounts fsbackend/quota server/access server/davpath server/health",
	"cmd/dav207/config":      "server/access/rules server/davpath | go.yaml.in/yaml/v4",
	"cmd/dav207/control":     "server/davpath server/locks | golang.org/x/sys",
	"cmd/dav207/manual":      " | github.com/spf13/pflag",

	"server/access/rules": "server/access server/davpath",

	// For tests only: nothing above imports one of these but in its tests, and cmd/dav207 for its
	// commands lab and demo.
	"integration/harness":           "fsbackend fsbackend/disk fsbackend/memory server server/access server/davtest server/multistatus server/davpath | golang.org/x/net",
	"server/davxml/xmltest":         "server/davxml",
	"props/propstest":               "props server/davpath",
	"server/multistatus/schematest": "",
	"fsbackend/backendtest":         "fsbackend server/davpath",
	"server/davtest":                "server server/access server/davheader server/davpath server/davxml server/locks server/multistatus props fsbackend/faultfs fsbackend/memory | github.com/bmatcuk/doublestar github.com/spf13/afero golang.org/x/net golang.org/x/tools",
	"server/davtest/lab":            "server/davtest server/middleware server/multistatus",
}

// clientsOnly names modules that only the tests of one package may import.
var clientsOnly = map[string]string{
	"github.com/studio-b12/gowebdav": "integration/clients",
	"github.com/chromedp/chromedp":   "integration/clients",
}

// withoutHTTP names the packages that must not import net/http.
var withoutHTTP = []string{"server/davpath", "server/davxml", "server/access", "server/access/rules", "server/pathlock", "server/locks", "server/tree",
	"fsbackend", "fsbackend/disk", "fsbackend/memory", "fsbackend/faultfs", "fsbackend/mounts", "fsbackend/quota"}

const module = "dav207"

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	eachGoFile(t, func(file, rel string) error {
		pkg := path.Dir(rel)
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
			if problem := importProblem(pkg, imported, strings.HasSuffix(rel, "_test.go")); problem != "" {
				t.Errorf("%s imports %s: %s", rel, imported, problem)
			}
		}
		return nil
	})
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("the table has %s, which does not exist", pkg)
		}
	}
}

// eachGoFile calls visit for every Go file of the module, whatever its build tags are. rel is the
// name from the root of the module, with slashes.
func eachGoFile(t *testing.T, visit func(file, rel string) error) {
	t.Helper()
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
		return visit(file, filepath.ToSlash(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// importProblem returns what is wrong with an import of pkg, or "". test is true for an import of a
// test file.
func importProblem(pkg, imported string, test bool) string {
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	if !isOurs && !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		if !test && inModule(imported, "net/http") && slices.Contains(withoutHTTP, pkg) {
			return "the package must not know HTTP"
		}
		return "" // the standard library
	}
	for m, only := range clientsOnly {
		if inModule(imported, m) && (pkg != only || !test) {
			return "only tests in " + only + " may import it"
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
	return "the table does not allow it"
}

func inModule(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

// The table itself must not allow an import cycle: packages in a cycle cannot be understood alone.
func TestImportsHaveNoCycle(t *testing.T) {
	state := map[string]int{} // 1 on the way, 2 done
	var visit func(pkg string, way []string)
	visit = func(pkg string, way []string) {
		if way = append(way, pkg); state[pkg] == 1 {
			t.Errorf("import cycle: %s", strings.Join(way, " → "))
		}
		if state[pkg] != 0 {
			return
		}
		state[pkg] = 1
		own, _, _ := strings.Cut(allowed[pkg], "|")
		for _, next := range strings.Fields(own) {
			if _, ok := allowed[next]; !ok {
				t.Errorf("%s may import %s, which is not in the table", pkg, next)
			}
			visit(next, way)
		}
		state[pkg] = 2
	}
	for pkg := range allowed {
		visit(pkg, nil)
	}
}

func TestImportProblem(t *testing.T) {
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
		if got := importProblem(tt.pkg, tt.imported, tt.test); (got == "") != tt.ok {
			t.Errorf("importProblem(%s, %s, %t) = %q", tt.pkg, tt.imported, tt.test, got)
		}
	}
}
