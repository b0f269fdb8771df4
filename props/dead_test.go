package props_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"dav207/props"
	"dav207/server/multistatus"
)

// A dead property does not depend on those that were written before it.
func TestDeadProperties(t *testing.T) {
	g := registry()
	f := g.NewFinder(t.Context(), multistatus.XML, props.Query{Kind: props.AllProp}, nil)
	declared := property("urn:p", "p", "<p:x/>")
	declared.Attr = []xml.Attr{{Name: xml.Name{Space: "xmlns", Local: "p"}, Value: "urn:p"}}
	spoken := property("urn:z", "x", "X")
	spoken.Lang = "de"
	several := []props.Property{property("urn:z", "x", "X"), declared, property("urn:z", "x", ""), spoken, property("", "x", "X"), property("DAV:", "x", "X"), property("urn:z", "y", "Y")}
	for i := range 100 {
		several = append(several, property(fmt.Sprint("urn:", i), "x", "X"))
	}
	for range 2 {
		for i := range several {
			for _, dead := range [][]props.Property{several[i : i+1], several[i:min(i+3, len(several))]} {
				found, _, err := f.Find(nil, &file, dead)
				if err != nil {
					t.Fatal(err)
				}
				var want []byte
				for j := range dead {
					if want, err = multistatus.AppendProperty(want, &dead[j]); err != nil {
						t.Fatal(err)
					}
				}
				if !strings.Contains(string(found), string(want)+"</D:prop>") {
					t.Fatalf("got %s, want %s in it", found, want)
				}
			}
		}
	}
	if _, _, err := f.Find(nil, &file, []props.Property{property("urn:z", "no name", "")}); err == nil {
		t.Error("a name that is none: got no error")
	}
	if _, _, err := f.Find(nil, &file, several[:1]); err != nil {
		t.Errorf("after it: %v", err)
	}
}
