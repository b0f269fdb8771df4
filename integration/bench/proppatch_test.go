package bench

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
)

// twoProperties returns the body of a PROPPATCH of two properties, with other values for each i.
func twoProperties(i int) string {
	return fmt.Sprintf(`<propertyupdate xmlns="DAV:"><set><prop><author xmlns="urn:example:bench">Somebody or other %d</author>`+
		`<colour xmlns="urn:example:bench">blue %d</colour></prop></set></propertyupdate>`, i, i)
}

// setTwo sets two properties on each of the first n members of a collection. It writes them to the
// store in large batches instead of one request each.
func setTwo(b *testing.B, store props.Store, dir string, n int) {
	b.Helper()
	var ops []props.Op
	for i := range n {
		p, err := davpath.Clean(dir + "/" + memberName(i))
		if err != nil {
			b.Fatal(err)
		}
		ops = append(ops, props.Set{Path: p, Properties: []props.Property{
			{XMLName: xml.Name{Space: "urn:example:bench", Local: "author"}, InnerXML: []byte("Somebody or other")},
			{XMLName: xml.Name{Space: "urn:example:bench", Local: "colour"}, InnerXML: []byte("blue")},
		}})
		if len(ops) == 10_000 || i == n-1 {
			if err := store.Update(b.Context(), ops...); err != nil {
				b.Fatal(err)
			}
			ops = ops[:0]
		}
	}
}

// BenchmarkProppatch sets two properties over 1 and 4 connections, beside a block that is written
// and synced. The server syncs the properties before it answers.
func BenchmarkProppatch(b *testing.B) {
	const n = 16
	dir := manyFiles(b, n)
	h := durable(b, dir)
	block, err := os.Create(filepath.Join(b.TempDir(), "block"))
	if err != nil {
		b.Fatal(err)
	}
	defer block.Close()
	value := 0
	patch := func(conns int) func() error {
		all := dial(b, h, conns)
		return func() error {
			value += n
			return parallel(all, n/conns, func(c *conn, of, i int) error {
				_, err := c.do("PROPPATCH", "/files/"+memberName(of*n/conns+i), twoProperties(value+of*n/conns+i))
				return err
			})
		}
	}
	contest(b, "patch", n,
		side{name: "one", run: patch(1)},
		side{name: "four", run: patch(4)},
		side{name: "block", bare: true, run: func() error {
			for i := range n {
				if _, err := block.WriteAt(make([]byte, 4096), int64(i)*4096); err != nil {
					return err
				}
				if err := block.Sync(); err != nil {
					return err
				}
			}
			return nil
		}})
}
