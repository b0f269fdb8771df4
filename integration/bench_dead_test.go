package integration

import (
	"fmt"
	"path/filepath"
	"testing"

	"dav207/props/boltprops"
	"dav207/server"
)

// BenchmarkDeadProperties lists 1,000 files on a disk with durable state: without dead properties, and with two on each.
func BenchmarkDeadProperties(b *testing.B) {
	for _, n := range []int{0, 2} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := manyFiles(b, 1000)
			state, err := boltprops.Open(filepath.Join(b.TempDir(), "state"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer state.Close()
			h := server.New(diskTree(b, dir), &server.Options{Props: state})
			if n > 0 {
				for i := range 1000 {
					bench(b, h, 207, "PROPPATCH", fmt.Sprintf("/files/file-%06d.txt", i), `<propertyupdate xmlns="DAV:"><set><prop>`+
						`<author xmlns="urn:example:bench">Somebody or other</author><colour xmlns="urn:example:bench">blue</colour></prop></set></propertyupdate>`)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				bench(b, h, 207, "PROPFIND", "/files/", "", "Depth", "1")
			}
		})
	}
}
