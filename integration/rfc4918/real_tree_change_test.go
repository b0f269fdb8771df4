package rfc4918

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/fsbackend/faultfs"
)

// sameFiles fails the test if two directories on the disk differ in names or contents.
func (g *realTree) sameFiles(a, b string) {
	g.Helper()
	inA, inB := g.disk(a), g.disk(b)
	if len(inA) != len(inB) {
		g.Errorf("%s has %d resources, %s has %d", a, len(inA), b, len(inB))
	}
	for name, info := range inA {
		rel := strings.TrimPrefix(name, "/"+a)
		other, ok := inB["/"+b+rel]
		if !ok {
			g.Errorf("%s has no %s", b, rel)
		}
		if !ok || info.IsDir() {
			continue
		}
		want, err := os.ReadFile(filepath.Join(g.dir, a, rel))
		if err != nil {
			g.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(g.dir, b, rel))
		if err != nil || !bytes.Equal(got, want) || other.Size() != info.Size() {
			g.Errorf("%s in %s is not that of %s: %v", rel, b, a, err)
		}
	}
}

func realTreeCopy(t *testing.T, g *realTree) {
	before := g.list("/src", "infinity")
	g.Want(201, "COPY", "/src", "", "Destination", "dest:/copy")
	g.sameFiles("src", "copy")
	listing := g.list("/copy", "infinity")
	g.checkListing(listing, g.disk("copy"))
	g.checkMarks("/copy", listing)
	if !maps.Equal(before, g.list("/src", "infinity")) {
		t.Error("COPY changed the source")
	}
}

// realTreeCopyPart copies over the copy: members that fail keep the old copy.
func realTreeCopyPart(t *testing.T, g *realTree) {
	defer g.faults.Reset()
	denied := func(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission} }
	g.faults.Fail(faultfs.Open, "/src/fmt/print.go", denied("open", "/src/fmt/print.go"))
	g.faults.Fail(faultfs.Open, "/src/net/http", denied("open", "/src/net/http"))
	token := g.Lock("/copy/go/ast/ast.go", "0")
	if err := os.WriteFile(filepath.Join(g.dir, "copy", "go", "ast", "surplus"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	a := g.Do("COPY", "/src", "", "Destination", "dest:/copy")
	g.CheckFailures(a, map[string]string{
		"/src/fmt/print.go":   "403",
		"/src/net/http/":      "403",
		"/copy/go/ast/ast.go": "423 lock-token-submitted",
	})
	g.faults.Reset()
	g.sameFiles("src", "copy") // the members that failed are the old copy, which is equal; extra members are removed
	g.Want(204, "UNLOCK", "/copy/go/ast/ast.go", "", "Lock-Token", "<"+token+">")
}

func realTreeMove(t *testing.T, g *realTree) {
	before := g.list("/copy", "infinity")
	g.checkMarks("/copy", before)
	g.Want(201, "MOVE", "/copy", "", "Destination", "dest:/moved")
	g.Want(404, "PROPFIND", "/copy", "", "Depth", "0")
	after := g.list("/moved", "infinity")
	if len(after) != len(before) {
		t.Errorf("MOVE of %d resources left %d", len(before), len(after))
	}
	for name, d := range before {
		to := "/moved" + strings.TrimPrefix(name, "/copy")
		if got := after[to]; got != d && name != "/copy/" {
			t.Errorf("%s = %+v, want %+v as before", to, got, d)
		}
	}
	g.checkMarks("/moved", after)
	g.sameFiles("src", "moved")
}

// realTreeMovePart moves a tree with a locked member. The member and its ancestors stay.
func realTreeMovePart(t *testing.T, g *realTree) {
	before := g.disk("moved")
	token := g.Lock("/moved/net/http/server.go", "0")
	a := g.Do("MOVE", "/moved", "", "Destination", "dest:/again")
	g.CheckFailures(a, map[string]string{"/moved/net/http/server.go": "423 lock-token-submitted"})
	kept := []string{"/moved/", "/moved/net/", "/moved/net/http/", "/moved/net/http/server.go"}
	if got := slices.Sorted(maps.Keys(g.disk("moved"))); !slices.Equal(got, kept) {
		t.Errorf("left at the source = %q, want %q", got, kept)
	}
	again := g.disk("again")
	for name := range before {
		_, ok := again["/again"+strings.TrimPrefix(name, "/moved")]
		if stays := name == "/moved/net/http/server.go"; ok == stays {
			t.Errorf("%s is at the destination: %v, want %v", name, ok, !stays)
		}
	}
	g.Want(204, "UNLOCK", "/moved/net/http/server.go", "", "Lock-Token", "<"+token+">")
	g.Want(201, "MOVE", "/moved/net/http/server.go", "", "Destination", "dest:/again/net/http/server.go")
	g.Want(204, "DELETE", "/moved", "")
	g.sameFiles("src", "again")
	g.checkMarks("/again", g.list("/again", "infinity"))
}

func realTreeDelete(t *testing.T, g *realTree) {
	defer g.faults.Reset()
	g.faults.Fail(faultfs.Remove, "/again/fmt/print.go", fs.ErrPermission)
	g.faults.Fail(faultfs.Remove, "/again/unicode/utf8", fs.ErrPermission) // loses its members, but stays
	g.faults.Fail(faultfs.Open, "/again/encoding/json", fs.ErrPermission)  // cannot be listed
	token := g.Lock("/again/runtime", "0")                                 // protects the membership: all members stay
	before := g.disk("again")
	a := g.Do("DELETE", "/again", "")
	want := map[string]string{
		"/again/fmt/print.go":   "403",
		"/again/unicode/utf8/":  "403",
		"/again/encoding/json/": "403",
		"/again/runtime/":       "423 lock-token-submitted",
	}
	g.CheckFailures(a, want)
	stays := func(name string) bool {
		switch name {
		case "/again/", "/again/fmt/", "/again/fmt/print.go", "/again/unicode/", "/again/unicode/utf8/", "/again/encoding/":
			return true
		}
		return strings.HasPrefix(name, "/again/encoding/json/") || strings.HasPrefix(name, "/again/runtime/")
	}
	after := g.disk("again")
	for name := range before {
		if _, ok := after[name]; ok != stays(name) {
			t.Errorf("%s exists: %v, want %v", name, ok, stays(name))
		}
	}
	g.faults.Reset()
	g.checkMarks("/again", g.list("/again", "infinity")) // resources that stay keep their properties
	g.Want(204, "DELETE", "/again", "", "If", "<"+g.At("/again/runtime/")+"> (<"+token+">)")
	if got := slices.Sorted(maps.Keys(g.disk(""))); !slices.ContainsFunc(got, func(s string) bool { return s == "/src/" }) ||
		slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "/again") }) {
		t.Errorf("the last DELETE left %d resources", len(got))
	}
	g.sameFilesAs(goSource(g.TB))
}

// sameFilesAs fails the test if the original tree has changed.
func (g *realTree) sameFilesAs(src string) {
	g.Helper()
	n := 0
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		rel, _ := filepath.Rel(src, path)
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(filepath.Join(g.dir, "src", rel)); err != nil || !bytes.Equal(got, want) {
			g.Errorf("/src/%s has changed: %v", rel, err)
		}
		return nil
	})
	if err != nil || n == 0 {
		g.Errorf("%d files compared: %v", n, err)
	}
}
