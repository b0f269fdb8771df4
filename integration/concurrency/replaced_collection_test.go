package concurrency

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dav207/integration/harness"
)

// A client that reads while a collection is replaced is shown the old one or the new one (RFC 4918
// §9.8.4, §9.9.3), and never that nothing is there, which is so between two renames. A listing leaves
// out what went meanwhile, and reports nothing as missing.
func TestReadersOfReplacedCollection(t *testing.T) {
	for _, b := range harness.Backends {
		for _, tt := range []struct {
			rule  string
			round [][3]string // method, name and destination
			reads []string    // method and name
		}{
			{"MOVE over a collection", [][3]string{{"MKCOL", "/s"}, {"PUT", "/s/f"}, {"MOVE", "/s", "/c"}},
				[]string{"GET /c/f", "PROPFIND /c/f", "PROPFIND /c", "PROPFIND /", "GET /"}},
			{"COPY of a file over a collection and back", [][3]string{{"COPY", "/file", "/c"}, {"COPY", "/coll", "/c"}},
				[]string{"PROPFIND /c", "PROPFIND /"}},
		} {
			t.Run(harness.NoSlash(b.Name+" "+tt.rule), func(t *testing.T) {
				files, _ := b.Open(t)
				s := harness.Serve(t, files, nil)
				for _, r := range []string{"MKCOL /c", "PUT /c/f", "PUT /file", "MKCOL /coll"} {
					method, name, _ := strings.Cut(r, " ")
					s.Want(201, method, name, "")
				}
				var over atomic.Bool
				var readers sync.WaitGroup
				for _, read := range tt.reads {
					method, name, _ := strings.Cut(read, " ")
					readers.Go(func() {
						n, wrong := 0, map[string]int{}
						for ; !over.Load(); n++ {
							a := s.Do(method, name, "", "Depth", "infinity")
							switch {
							case a.Status != 200 && a.Status != 207:
								wrong[fmt.Sprint(a.Status)]++
							case strings.Contains(a.Body, "</D:href><D:status>"):
								wrong[a.Body]++
							case name == "/" && !strings.Contains(a.Body, "/c</") && !strings.Contains(a.Body, "/c/</") && !strings.Contains(a.Body, `"./c/"`),
								name == "/" && method == "PROPFIND" && tt.round[0][0] == "MKCOL" && !strings.Contains(a.Body, "/c/f</"):
								wrong["not all of /c"]++ // RFC 4918 §9.1: "a 'response' XML element for each member URL"
							}
						}
						if len(wrong) > 0 {
							t.Errorf("%s: of %d answers there are %v", read, n, wrong)
						}
					})
				}
				for range 300 {
					for _, r := range tt.round {
						if a := s.Do(r[0], r[1], "", "Destination", "dest:"+r[2], "Depth", "infinity"); a.Status/100 != 2 {
							t.Errorf("%s = %d %s", r, a.Status, a.Body)
						}
					}
				}
				over.Store(true)
				readers.Wait()
			})
		}
	}
}
