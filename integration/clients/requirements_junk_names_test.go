package clients

import (
	"slices"
	"strings"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
)

// junk has a name of each kind that macOS and Windows create, in several spellings.
var junk = []string{"._x", "._.", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".metadata_never_index", "Thumbs.db", "THUMBS.DB",
	"desktop.ini", "Desktop.ini"}

// noJunk has similar names that must stay visible. LibreOffice reads its .~lock files.
var noJunk = []string{".~lock.doc.odt#", ".hidden", "Thumbs.db.txt", "x._y"}

// Requirement 28.
func testJunk(t *testing.T) {
	for mode, opts := range map[string]*server.Options{"keep": nil, "hide": {HideJunk: true}} {
		srv := harness.NewServer(t, opts)
		srv.Put("/c/", "/c/real")
		listed := 2
		for _, name := range append(noJunk, junk...) {
			looked := srv.Files.Fail(faultfs.Stat, "/c/"+name, nil).Do(nil)
			if got := srv.Do("PROPFIND", "/c/"+name, "Depth: 0").StatusCode; got != 404 {
				t.Errorf("%s: PROPFIND %s = %d, want 404", mode, name, got)
			}
			if got := looked.Calls(); got != 1 {
				t.Errorf("%s: %d stat calls for %s, which does not exist", mode, got, name)
			}
			if got := srv.Send("PUT", "/c/"+name, "x").StatusCode; got != 201 {
				t.Errorf("%s: PUT %s = %d, want 201", mode, name, got)
			}
			if got := srv.Do("GET", "/c/"+name).StatusCode; got != 200 {
				t.Errorf("%s: GET %s = %d, want 200", mode, name, got)
			}
			if mode == "keep" || slices.Contains(noJunk, name) {
				listed++
			}
		}
		for _, depth := range []string{"1", "infinity"} {
			if got := len(srv.Do("PROPFIND", "/c/", "Depth: "+depth).Responses); got != listed {
				t.Errorf("%s: Depth %s lists %d, want %d", mode, depth, got, listed)
			}
		}
		if got := strings.Count(string(srv.Do("GET", "/c/").Body), "<a href="); got != listed { // and one for the parent
			t.Errorf("%s: the index has %d links, want %d", mode, got, listed)
		}
	}
	for _, sc := range junkScripts {
		t.Run(sc.rule, func(t *testing.T) {
			p := harness.StartScript(t, &server.Options{HideJunk: true})
			p.Server.Put(strings.Fields(sc.tree)...)
			for _, st := range sc.steps {
				p.Step(st)
			}
			if got := p.Server.Names(); got != sc.left {
				t.Errorf("it leaves %s, want %s", got, sc.left)
			}
		})
	}
}

// junkScripts run with junk hidden.
var junkScripts = []struct {
	rule, tree string
	steps      []harness.Step
	left       string // the tree at the end
}{
	{"Finder copies a file and its twin", "/c/", []harness.Step{
		{"PUT /c/._f", "201"},
		{"LOCK /c/._f | exclusive | Depth: 0 | as t", "200"},
		{"PUT /c/._f | If: (<{t}>)", "204"},
		{"UNLOCK /c/._f | Lock-Token: <{t}>", "204"},
		{"HEAD /c/._f", "200"},
		{"MOVE /c/._f | Destination: /c/._g", "201"},
	}, "/ /c/ /c/._g"},
	{"what is there already is kept, and new content of it, too", "/c/._f /c/.Trashes/1/f", []harness.Step{
		{"PROPFIND /c/._f | Depth: 0 | body: " + `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "207 /c/._f=200[resourcetype]"},
		{"PUT /c/._f", "204"},
		{"PROPPATCH /c/._f", "207 /c/._f=200"},
		{"MKCOL /c/._f", "405"},
		{"PUT /c/.Trashes/1/g", "201"},
	}, "/ /c/ /c/.Trashes/ /c/.Trashes/1/ /c/.Trashes/1/f /c/.Trashes/1/g /c/._f"},
	{"COPY takes it along", "/c/._f /c/f", []harness.Step{{"COPY /c/ | Destination: /d/", "201"}},
		"/ /c/ /c/._f /c/f /d/ /d/._f /d/f"},
	{"MOVE does", "/c/._f /c/f", []harness.Step{{"MOVE /c/ | Destination: /d/", "201"}}, "/ /d/ /d/._f /d/f"},
	{"a collection that looks empty can be removed", "/c/._f /c/.DS_Store", []harness.Step{
		{`PROPFIND /c/ | Depth: 1 | body: <propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "207 /c/=200[resourcetype]"},
		{"DELETE /c/", "204"},
	}, "/"},
	{"but no member that is locked by another user", "/c/._f", []harness.Step{
		{"LOCK /c/._f | exclusive", "200"},
		{"DELETE /c/", "207 /c/._f=423 lock-token-submitted(/c/._f)"},
	}, "/ /c/ /c/._f"},
	{"a real file never goes for a name that is junk", "/f /g", []harness.Step{
		{"MOVE /f | Destination: /.DS_Store", "201"},
		{"GET /.DS_Store", "200"},
		{"COPY /g | Destination: /._g", "201"},
		{"MOVE /.DS_Store | Destination: /f", "201"},
	}, "/ /._g /f /g"},
	{"what programs save documents through is no junk", "/letter", []harness.Step{
		{"MKCOL /.TemporaryItems", "201"},
		{"PUT /.TemporaryItems/letter", "201"},
		{"MOVE /.TemporaryItems/letter | Destination: /letter", "204"},
		{"DELETE /.TemporaryItems", "204"},
	}, "/ /letter"},
}
