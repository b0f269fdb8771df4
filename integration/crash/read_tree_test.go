package crash

import (
	"encoding/xml"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dav207/integration/harness"
	"dav207/server/davpath"
)

const everything = `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><lockdiscovery/>` +
	`<p0 xmlns="urn:crash"/><p1 xmlns="urn:crash"/><p2 xmlns="urn:crash"/></prop></propfind>`

// readTree returns the trees and locks below a collection, by the directory of the history. The
// contents are read from the disk, properties and locks with a PROPFIND. It fails the test if the
// disk and the PROPFIND disagree. It returns an error if the server does not answer.
func (a *crashHarness) readTree(below string) (map[string]found, error) {
	a.Helper()
	listing, err := a.propfind(below)
	if err != nil {
		return nil, err
	}
	all := map[string]found{}
	for _, l := range a.histories() {
		all[l.dir] = found{harness.Model{}, map[string]held{}}
	}
	onDisk := a.walk(below)
	var listed []string
	for _, r := range listing {
		name := "/" + strings.Trim(r.Href, "/")
		n, there := onDisk[name]
		if listed = append(listed, name); !there || n.Collection != (r.prop().Type.Collection != nil) ||
			!n.Collection && r.prop().Length != len(contentOf(n.Content)) && !strings.HasPrefix(n.Content, "damaged") {
			a.Errorf("PROPFIND has %+v for %s, on the disk it is %s", r.prop(), name, showNode(onDisk, name))
		}
		dir, rest, _ := strings.Cut(name[1:], "/")
		f, ours := all["/"+dir]
		if name == "/" || !ours {
			continue
		}
		for _, lock := range r.prop().Locks {
			root := strings.TrimSuffix(strings.TrimPrefix(lock.Root, "/"+dir), "/")
			if h := (held{root: root, deep: lock.Depth == "infinity"}); h.covers(strings.TrimSuffix("/"+rest, "/")) {
				f.locks[lock.Token] = h
			} else {
				a.Errorf("%s has the lock %+v, which does not cover it", name, lock)
			}
		}
		if rest != "" {
			n.Colour = r.value()
			f.tree["/"+rest] = n
		}
	}
	for name := range onDisk {
		if !slices.Contains(listed, name) {
			a.Errorf("%s is on the disk but not in the PROPFIND", name)
		}
	}
	return all, nil
}

// walk returns the tree on the disk below a collection.
func (a *crashHarness) walk(below string) harness.Model {
	m := harness.Model{}
	err := filepath.WalkDir(filepath.Join(a.dir, below), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(a.dir, name)
		if err != nil {
			return err
		}
		if davpath.Reserved(d.Name()) {
			if rel != ".dav207" { // the state
				a.Errorf("%s is left over", rel)
			}
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		n := harness.Node{Collection: d.IsDir()}
		if !d.IsDir() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			n.Content = madeOf(string(content))
		}
		m["/"+strings.TrimPrefix(filepath.ToSlash(rel), ".")] = n
		return nil
	})
	if err != nil {
		a.Fatal(err)
	}
	return m
}

// listedResource is a response to the PROPFIND everything.
type listedResource struct {
	Href     string `xml:"DAV: href"`
	Propstat []struct {
		Status string     `xml:"DAV: status"`
		Prop   listedProp `xml:"DAV: prop"`
	} `xml:"DAV: propstat"`
}

type listedProp struct {
	Length int `xml:"DAV: getcontentlength"`
	Type   struct {
		Collection *struct{} `xml:"DAV: collection"`
	} `xml:"DAV: resourcetype"`
	Locks []struct {
		Depth string `xml:"DAV: depth"`
		Token string `xml:"DAV: locktoken>href"`
		Root  string `xml:"DAV: lockroot>href"`
	} `xml:"DAV: lockdiscovery>activelock"`
	P0 *string `xml:"urn:crash p0"`
	P1 *string `xml:"urn:crash p1"`
	P2 *string `xml:"urn:crash p2"`
}

// prop returns the properties with status 200.
func (r *listedResource) prop() listedProp {
	for _, p := range r.Propstat {
		if harness.StatusCode(p.Status) == 200 {
			return p.Prop
		}
	}
	return listedProp{}
}

// value returns the value that dead made the dead properties from, or an error text if they differ.
func (r *listedResource) value() string {
	p := r.prop()
	if p.P0 == nil && p.P1 == nil && p.P2 == nil {
		return ""
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	got := [3]string{text(p.P0), text(p.P1), text(p.P2)}
	if got == dead(got[0]) {
		return got[0]
	}
	for i, s := range got {
		got[i] = s[:min(len(s), 40)]
	}
	return "damaged: " + strings.Join(got[:], ", ")
}

// propfind lists a collection with Depth infinity.
func (a *crashHarness) propfind(below string) ([]listedResource, error) {
	a.Helper()
	var m struct {
		Response []listedResource `xml:"DAV: response"`
	}
	answer, err := a.server.Try("PROPFIND", below, strings.NewReader(everything), "Depth", "infinity")
	if err != nil {
		return nil, err
	}
	if err := xml.Unmarshal([]byte(answer.Body), &m); err != nil || answer.Status != http.StatusMultiStatus {
		a.Errorf("PROPFIND %s = %d, %v\n%s", below, answer.Status, err, answer.Body)
	}
	for _, r := range m.Response {
		for _, p := range r.Propstat {
			if status := harness.StatusCode(p.Status); status != 200 && status != 404 {
				a.Errorf("PROPFIND has %d for %s", status, r.Href)
			}
		}
	}
	return m.Response, nil
}
