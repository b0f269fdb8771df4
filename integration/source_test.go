package integration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of .github/CONTRIBUTING.md. They hold for all code but that of tests.
const (
	maxLines      = 60  // of a function
	maxComplexity = 15  // cyclomatic, of a function
	maxColumns    = 100 // of a line that is a comment; a tab has four
	maxFiles      = 16  // of code in a directory; variants of a build tag are one
)

// notYet names the directories in which a limit does not hold yet. A directory that is listed here
// and keeps the limit fails the test: the lists only get shorter.
var notYet = map[string][]string{
	"function": {},
	"comment":  {},
	"files":    {},
}

// TestSource holds all product code to the limits above. A function that exceeds one of the first
// two needs a sentence in its doc comment that begins with "One piece:" and gives the reason.
func TestSource(t *testing.T) {
	exceeded := map[string]map[string]bool{}
	files := map[string][]string{}
	report := func(limit, dir, problem string) {
		if exceeded[limit] == nil {
			exceeded[limit] = map[string]bool{}
		}
		exceeded[limit][dir] = true
		if !slices.Contains(notYet[limit], dir) {
			t.Error(problem)
		}
	}
	eachGoFile(t, func(file, rel string) error {
		if strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, rel, source, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(rel)
		files[dir] = append(files[dir], path.Base(rel))
		for _, problem := range largeFunctions(fset, parsed) {
			report("function", dir, problem)
		}
		for _, problem := range wideComments(fset, parsed, source) {
			report("comment", dir, problem)
		}
		return nil
	})
	for dir, names := range files {
		if n := countFiles(names); n > maxFiles {
			report("files", dir, fmt.Sprintf("%s has %d files of code, want at most %d", dir, n, maxFiles))
		}
	}
	for limit, dirs := range notYet {
		for _, dir := range dirs {
			if !exceeded[limit][dir] {
				t.Errorf("%s keeps the limit %q: take it out of notYet", dir, limit)
			}
		}
	}
}

// onePiece matches the sentence that excuses a large function.
var onePiece = regexp.MustCompile(`(?:^|[.!?]\s+|\n\n)One piece: \S`)

// largeFunctions returns a line for each function that is too long or too complex and has no
// excuse. A function literal counts as part of the declaration that it stands in.
func largeFunctions(fset *token.FileSet, file *ast.File) (problems []string) {
	for _, decl := range file.Decls {
		name, doc := "a declaration", (*ast.CommentGroup)(nil)
		var parts []ast.Node
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name, doc, parts = d.Name.Name, d.Doc, []ast.Node{d}
		case *ast.GenDecl:
			doc, parts = d.Doc, outerLiterals(d)
		}
		for _, part := range parts {
			start := fset.Position(part.Pos())
			lines := fset.Position(part.End()).Line - start.Line + 1
			paths := complexity(part)
			if (lines > maxLines || paths > maxComplexity) && !onePiece.MatchString(doc.Text()) {
				problems = append(problems, fmt.Sprintf("%s: %s has %d lines and complexity %d, want %d and %d, or a comment that begins with \"One piece:\"",
					start, name, lines, paths, maxLines, maxComplexity))
			}
		}
	}
	return problems
}

// outerLiterals returns the function literals of a declaration, without those inside of others.
func outerLiterals(decl *ast.GenDecl) (literals []ast.Node) {
	ast.Inspect(decl, func(n ast.Node) bool {
		_, found := n.(*ast.FuncLit)
		if found {
			literals = append(literals, n)
		}
		return !found
	})
	return literals
}

// complexity returns the cyclomatic complexity: one more than the number of branches.
func complexity(node ast.Node) int {
	n := 1
	ast.Inspect(node, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// wideComments returns a line for each line that is too wide and holds nothing but a comment.
// Directives such as //go:build cannot be wrapped and are left out.
func wideComments(fset *token.FileSet, file *ast.File, source []byte) (problems []string) {
	lines := strings.Split(string(source), "\n")
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:") {
				continue
			}
			first, last := fset.Position(comment.Pos()), fset.Position(comment.End())
			for i := first.Line; i <= last.Line; i++ {
				line := strings.TrimSuffix(lines[i-1], "\r")
				if i == first.Line && strings.TrimSpace(line[:first.Column-1]) != "" {
					continue // it follows code
				}
				if width := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); width > maxColumns {
					problems = append(problems, fmt.Sprintf("%s:%d: the comment has %d columns, want at most %d", first.Filename, i, width, maxColumns))
				}
			}
		}
	}
	return problems
}

// buildTags matches the end of the name of a file that is one of several variants.
var buildTags = regexp.MustCompile(`_(linux|windows|bsd|other|unix)\.go$`)

// countFiles returns the number of files of code among names.
func countFiles(names []string) int {
	bases := map[string]bool{}
	for _, name := range names {
		bases[buildTags.ReplaceAllString(name, ".go")] = true
	}
	return len(bases)
}

func TestLargeFunctions(t *testing.T) {
	long := "func f() {" + strings.Repeat("\n", maxLines) + "}"
	branches := func(n int) string { return "func f(a int) {" + strings.Repeat("if a > 0 {};", n) + "}" }
	for _, tt := range []struct {
		what, source string
		want         int
	}{
		{"as long as may be", "func f() {" + strings.Repeat("\n", maxLines-1) + "}", 0},
		{"too long", long, 1},
		{"too long, with a reason", "// f is long. One piece: a table in order.\n" + long, 0},
		{"a reason on a line of its own", "// f is long.\n// One piece: a table in order.\n" + long, 0},
		{"a reason in a paragraph of its own", "// f is long\n//\n// One piece: a table in order.\n" + long, 0},
		{"no reason behind the words", "// f is long. One piece:\n" + long, 1},
		{"the words within a sentence", "// f is in One piece: long.\n" + long, 1},
		{"the words within the function", "func f() {\n// One piece: a table.\n" + strings.Repeat("\n", maxLines) + "}", 1},
		{"as complex as may be", branches(maxComplexity - 1), 0},
		{"too complex", branches(maxComplexity), 1},
		{"conditions", "func f(a bool) bool { return a" + strings.Repeat("&& a || a", 8) + "}", 1},
		{"cases, of which the default counts nothing",
			"func f(a int) { switch a {" + strings.Repeat("case 1:\n", maxComplexity-1) + "default:\n}}", 0},
		{"one case more", "func f(a int) { switch a {" + strings.Repeat("case 1:\n", maxComplexity) + "}}", 1},
		{"loops", "func f(a []int) {" + strings.Repeat("for range a {}; for {};", 8) + "}", 1},
		{"select", "func f(a chan int) { select {" + strings.Repeat("case <-a:\n", maxComplexity) + "}}", 1},
		{"a literal in a function", "func g() { _ = " + strings.Replace(branches(maxComplexity), "func f", "func", 1) + "}", 1},
		{"a literal in a variable", "var f = " + strings.Replace(long, "func f", "func", 1), 1},
		{"a literal in a variable, with a reason",
			"// One piece: a table.\nvar f = " + strings.Replace(long, "func f", "func", 1), 0},
		{"two functions", long + "\n" + strings.Replace(long, "func f", "func g", 1), 2},
	} {
		t.Run(tt.what, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "x.go", "package x\n"+tt.source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if got := largeFunctions(fset, file); len(got) != tt.want {
				t.Errorf("found %q, want %d", got, tt.want)
			}
		})
	}
}

func TestWideComments(t *testing.T) {
	wide := func(columns int) string { return "//" + strings.Repeat("ä", columns-2) }
	for _, tt := range []struct {
		what, source string
		want         int
	}{
		{"as wide as may be", wide(maxColumns), 0},
		{"too wide", wide(maxColumns + 1), 1},
		{"a tab has four columns", "func f() {\n\t" + wide(maxColumns-3) + "\n}", 1},
		{"a tab and what is left", "func f() {\n\t" + wide(maxColumns-4) + "\n}", 0},
		{"behind code", "var a = 1 " + wide(maxColumns), 0},
		{"two lines of a block", "/*\n" + wide(maxColumns+1) + "\n" + wide(maxColumns+2) + "\n*/", 2},
		{"in a string", "var a = `\n" + wide(maxColumns+1) + "\n`", 0},
		{"a directive", "//go:generate " + strings.Repeat("x", maxColumns), 0},
	} {
		t.Run(tt.what, func(t *testing.T) {
			source := []byte("package x\n" + tt.source + "\n")
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "x.go", source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if got := wideComments(fset, file, source); len(got) != tt.want {
				t.Errorf("found %q, want %d", got, tt.want)
			}
		})
	}
}

func TestCountFiles(t *testing.T) {
	for _, tt := range []struct {
		names string
		want  int
	}{
		{"a.go b.go", 2},
		{"a.go a_linux.go", 1},
		{"a_unix.go a_windows.go a_bsd.go a_other.go", 1},
		{"a_linux.go b_linux.go", 2},
		{"a_stat.go a.go", 2},
		{"linux.go windows.go", 2},
	} {
		if got := countFiles(strings.Fields(tt.names)); got != tt.want {
			t.Errorf("countFiles(%s) = %d, want %d", tt.names, got, tt.want)
		}
	}
}
