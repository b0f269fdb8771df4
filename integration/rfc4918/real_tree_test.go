package rfc4918

import (
	"bytes"
	"encoding/xml"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
)

// realTree is a copy of the source of the Go toolchain that runs the test, served below a prefix:
// about 12,000 files in 1,300 directories with real names.
type realTree struct {
	*harness.Site
	dir    string
	faults *faultfs.FS
}

// goSource returns the directory with the source of the toolchain.
func goSource(t testing.TB) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no go command here: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src")
}

// TestRealTree lists, patches, copies, moves and deletes the whole tree over HTTP and compares the
// answers with the disk. Each step uses the tree that the previous one left.
func TestRealTree(t *testing.T) {
	if testing.Short() {
		t.Skip("copies the source tree of Go several times")
	}
	src := goSource(t)
	if _, err := os.Stat(src); err != nil {
		t.Skipf("the toolchain has no source here: %v", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	faults := faultfs.New(harness.DiskTree(t, dir, nil))
	g := &realTree{harness.Serve(t, faults, &server.Options{Prefix: "/go tree"}), dir, faults}
	for _, step := range []struct {
		name string
		test func(*testing.T, *realTree)
	}{
		{"PROPFIND Depth infinity", realTreeInfinity},
		{"PROPFIND Depth 1", realTreeOne},
		{"PROPPATCH", realTreePatch},
		{"COPY", realTreeCopy},
		{"COPY in part", realTreeCopyPart},
		{"MOVE", realTreeMove},
		{"MOVE in part", realTreeMovePart},
		{"DELETE in part", realTreeDelete},
	} {
		start := time.Now()
		ok := t.Run(step.name, func(t *testing.T) {
			s := *g.Site
			s.TB = t
			step.test(t, &realTree{&s, g.dir, g.faults})
		})
		if !ok {
			t.FailNow()
		}
		t.Logf("%s: %v", step.name, time.Since(start).Round(time.Millisecond))
	}
	harness.NoTemps(t, dir)
}

// disk returns the files on the disk below a name, by the decoded names that the server uses.
func (g *realTree) disk(name string) map[string]fs.FileInfo {
	g.Helper()
	found := map[string]fs.FileInfo{}
	err := filepath.WalkDir(filepath.Join(g.dir, name), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(g.dir, path)
		key := "/" + filepath.ToSlash(rel)
		if d.IsDir() {
			key += "/"
		}
		found[key] = info
		return err
	})
	if err != nil {
		g.Fatal(err)
	}
	return found
}

// described holds the properties of a resource in a PROPFIND.
type described struct {
	size, modified, etag, mark string
	collection                 bool
}

const realTreeProps = `<propfind xmlns="DAV:" xmlns:t="urn:dav207:test"><prop><resourcetype/><getcontentlength/>` +
	`<getlastmodified/><getetag/><t:mark/></prop></propfind>`

// list returns a listing by decoded name, which it decodes as a stream. It fails the test if a name
// occurs twice or before its collection.
func (g *realTree) list(name, depth string) map[string]described {
	g.Helper()
	r, err := http.NewRequest("PROPFIND", g.At(name), strings.NewReader(realTreeProps))
	if err != nil {
		g.Fatal(err)
	}
	r.Header.Set("Depth", depth)
	resp, err := g.Client.Do(r)
	if err != nil {
		g.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMultiStatus {
		g.Fatalf("PROPFIND %s = %s", name, resp.Status)
	}
	found := map[string]described{}
	for d := xml.NewDecoder(resp.Body); ; {
		token, err := d.Token()
		if err == io.EOF {
			return found
		}
		if err != nil {
			g.Fatalf("PROPFIND %s: %v after %d responses", name, err, len(found))
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "response" {
			continue
		}
		var resp harness.Response
		if err := d.DecodeElement(&resp, &start); err != nil {
			g.Fatal(err)
		}
		path, err := url.PathUnescape(resp.Href)
		if err != nil {
			g.Fatal(err)
		}
		path, ok = strings.CutPrefix(path, g.Prefix)
		if !ok || resp.Href != g.Href(path) {
			g.Errorf("the href %q is not the RFC 3986 form of %q", resp.Href, path)
		}
		if _, twice := found[path]; twice {
			g.Errorf("%s is listed twice", path)
		}
		parent := strings.TrimSuffix(path, "/")
		parent = parent[:strings.LastIndexByte(parent, '/')+1]
		if _, ok := found[parent]; !ok && len(found) > 0 {
			g.Errorf("%s is listed before its collection", path)
		}
		found[path] = describe(g, &resp)
	}
}

func describe(t testing.TB, r *harness.Response) described {
	var d described
	for _, p := range r.Propstat {
		if harness.StatusCode(p.Status) != http.StatusOK {
			continue
		}
		for _, prop := range p.Prop.List {
			switch prop.XMLName.Local {
			case "resourcetype":
				d.collection = strings.Contains(prop.Inner, "collection")
			case "getcontentlength":
				d.size = prop.Inner
			case "getlastmodified":
				d.modified = prop.Inner
			case "getetag":
				d.etag = prop.Inner
			case "mark":
				d.mark = prop.Inner
			}
		}
	}
	if r.Status != "" {
		t.Errorf("%s = %s, want properties", r.Href, r.Status)
	}
	return d
}

// checkListing fails the test if a listing and the disk differ.
func (g *realTree) checkListing(listing map[string]described, disk map[string]fs.FileInfo) {
	g.Helper()
	if len(listing) != len(disk) {
		g.Errorf("%d resources are listed, %d are on the disk", len(listing), len(disk))
	}
	for name, info := range disk {
		got, ok := listing[name]
		if !ok {
			g.Errorf("%s is not listed", name)
			continue
		}
		want := described{modified: info.ModTime().UTC().Format(http.TimeFormat), collection: info.IsDir(), etag: got.etag, mark: got.mark}
		if !info.IsDir() {
			want.size = strconv.FormatInt(info.Size(), 10)
		}
		if got != want || (got.etag == "") != info.IsDir() {
			g.Errorf("%s is listed as %+v, want %+v", name, got, want)
		}
	}
}

func realTreeInfinity(t *testing.T, g *realTree) {
	listing, disk := g.list("/src", "infinity"), g.disk("src")
	g.checkListing(listing, disk)
	t.Logf("%d resources", len(listing))
}

func realTreeOne(t *testing.T, g *realTree) {
	disk := g.disk("src")
	whole := g.list("/src", "infinity")
	seen := map[string]described{"/src/": whole["/src/"]}
	for name, info := range disk {
		if !info.IsDir() {
			continue
		}
		for member, d := range g.list(name, "1") {
			if member == name {
				continue
			}
			if rest := strings.TrimSuffix(strings.TrimPrefix(member, name), "/"); strings.Contains(rest, "/") {
				t.Errorf("%s is listed in %s with Depth 1", member, name)
			}
			seen[member] = d
		}
	}
	if !maps.Equal(seen, whole) {
		t.Error("the listings of all collections with Depth 1 are not, together, the one with Depth infinity")
	}
}

// checkMarks fails the test unless every directory below name has the mark of its path in /src and
// no file has one.
func (g *realTree) checkMarks(name string, listing map[string]described) {
	g.Helper()
	n := 0
	for path, d := range listing {
		want := ""
		if d.collection {
			n++
			want = "/src/" + strings.TrimPrefix(path, name+"/")
		}
		if got := markOf(d.mark); got != want {
			g.Errorf("the mark of %s is %q, want %q", path, got, want)
		}
	}
	if n == 0 {
		g.Errorf("%s has no collections", name)
	}
}

// markOf returns the value of the property mark, with any prefix.
func markOf(inner string) string {
	d := xml.NewDecoder(strings.NewReader(inner))
	var text strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return text.String()
		}
		if c, ok := token.(xml.CharData); ok {
			text.Write(c)
		}
	}
}

func realTreePatch(t *testing.T, g *realTree) {
	before := g.list("/src", "infinity")
	for name, d := range before {
		if !d.collection {
			continue
		}
		var value bytes.Buffer
		xml.EscapeText(&value, []byte(name))
		body := `<propertyupdate xmlns="DAV:" xmlns:t="urn:dav207:test"><set><prop><t:mark>` +
			`<t:name>` + value.String() + `</t:name></t:mark></prop></set></propertyupdate>`
		a := g.Want(207, "PROPPATCH", name, body)
		rs := harness.DecodeMultistatus(t, a.Body)
		if len(rs) != 1 || len(rs[0].Propstat) != 1 || harness.StatusCode(rs[0].Propstat[0].Status) != 200 || rs[0].Href != g.Href(name) {
			t.Fatalf("PROPPATCH %s: %s", name, a.Body)
		}
	}
	after := g.list("/src", "infinity")
	g.checkMarks("/src", after)
	for name, d := range after {
		d.mark = ""
		if before[name] != d {
			t.Errorf("PROPPATCH changed %s from %+v to %+v", name, before[name], d)
		}
	}
}
