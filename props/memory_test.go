package props_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"dav207/props"
	"dav207/props/propstest"
	"dav207/server/davpath"
)

func TestMemory(t *testing.T) {
	propstest.Test(t, func(*testing.T) props.Store { return &props.Memory{} })
}

func TestMemoryFull(t *testing.T) {
	s := &props.Memory{Max: 1 << 20}
	propstest.TestFull(t, s, func() props.Store { return s })
}

// A PROPPATCH beyond the limits is refused as a whole (RFC 4918 §9.2), with the error that becomes
// 507.
func TestMemoryLimits(t *testing.T) {
	p := davpath.Must("/p")
	for _, tt := range []struct {
		name    string
		changes []props.Change
	}{
		{"too many", func() (c []props.Change) {
			for i := range 4097 {
				c = append(c, props.Change{Property: property("urn:t", fmt.Sprint("p", i), "")})
			}
			return
		}()},
		{"too large", []props.Change{{Property: property("urn:t", "x", string(make([]byte, 4<<20)))}}},
		{"an attribute too large", []props.Change{{Property: props.Property{XMLName: xml.Name{Space: "urn:t", Local: "x"},
			Attr: []xml.Attr{{Name: xml.Name{Local: "a"}, Value: string(make([]byte, 4<<20))}}}}}},
		{"the namespace of an attribute too large", []props.Change{{Property: props.Property{XMLName: xml.Name{Space: "urn:t", Local: "x"},
			Attr: []xml.Attr{{Name: xml.Name{Space: string(make([]byte, 4<<20)), Local: "a"}}}}}}},
		{"a language too large", []props.Change{{Property: props.Property{XMLName: xml.Name{Space: "urn:t", Local: "x"}, Lang: string(make([]byte, 4<<20))}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s props.Memory
			if err := s.Patch(t.Context(), p, []props.Change{{Property: property("urn:t", "before", "1")}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Patch(t.Context(), p, tt.changes); !errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Patch: got %v, want %v", err, syscall.EDQUOT)
			}
			if got, _ := s.Get(t.Context(), p); len(got) != 1 {
				t.Errorf("after the refusal there are %d properties, want the 1 from before", len(got))
			}
			if err := s.Patch(t.Context(), p, []props.Change{{Remove: true, Property: property("urn:t", "before", "")}}); err != nil {
				t.Errorf("removing: %v", err)
			}
		})
	}
}
