package props_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/multistatus"
)

func property(space, local, value string) props.Property {
	return props.Property{XMLName: xml.Name{Space: space, Local: local}, InnerXML: []byte(value)}
}

// propertyRules refuses the properties that it names.
type propertyRules struct {
	access.Policy
	deny map[string]error
}

func (r propertyRules) CheckProperty(_ context.Context, p access.Privilege, _ davpath.Path, n xml.Name) error {
	return r.deny[fmt.Sprint(p, " ", n.Local)]
}

func live(name, value string, hidden bool) props.Live {
	return props.Live{Name: props.DAV(name), Hidden: hidden, Prepare: func(context.Context) props.AppendFunc {
		return func(b []byte, _ *props.Resource) ([]byte, error) {
			switch value {
			case "undefined":
				return append(b, "left over"...), props.ErrUndefined
			case "broken":
				return append(b, "left over"...), errors.New("broken")
			}
			return append(b, value...), nil
		}
	}}
}

func names(spec string) (out []xml.Name) {
	for _, f := range strings.Fields(spec) {
		if local, ok := strings.CutPrefix(f, "z:"); ok {
			out = append(out, xml.Name{Space: "urn:z", Local: local})
		} else {
			out = append(out, props.DAV(f))
		}
	}
	return
}

// show writes propstats as "200: a=1 b; 404: c".
func show(stats []multistatus.Propstat) string {
	var out []string
	for _, s := range stats {
		line := fmt.Sprint(s.Status, ":")
		for _, p := range s.Prop {
			line += " " + p.XMLName.Local
			if len(p.InnerXML) > 0 {
				line += "=" + string(p.InnerXML)
			}
		}
		if s.Error != nil {
			line += " (" + s.Error.Name.Local + ")"
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func registry() *props.Registry {
	g := &props.Registry{}
	stored := live("named", "made", false)
	stored.Stored = true
	g.Register(live("a", "1", false), live("quota", "2", true), live("none", "undefined", false), live("bad", "broken", true),
		stored, props.Live{Name: props.DAV("only"), Stored: true})
	return g
}

var file = props.Resource{Path: davpath.Must("/f"), Info: &fsbackend.Info{Attr: fsbackend.Attr{Name: "f", Size: 1}}}

// find reads what f finds as a client does, and shows it.
func find(t *testing.T, f *props.Finder, r props.Resource, dead []props.Property) string {
	t.Helper()
	found, _, err := f.Find(nil, &r, dead)
	if err != nil {
		t.Fatal(err)
	}
	return propstats(t, found)
}

// formats are those in which properties are written.
var formats = []multistatus.Format{multistatus.XML, multistatus.JSON}

// propstats reads the propstats of a response as a client does, and shows them.
func propstats(t *testing.T, found []byte) string {
	t.Helper()
	decode, body := multistatus.Decode, `<D:multistatus xmlns:D="DAV:"><D:response><D:href>/</D:href>`+
		string(found)+`</D:response></D:multistatus>`
	if found[0] == '{' {
		decode, body = multistatus.DecodeJSON, `{"responses":[{"href":"/","propstats":[`+string(found)+`]}]}`
	}
	responses, err := decode(strings.NewReader(body))
	if err != nil || len(responses) != 1 {
		t.Fatalf("%v in %s", err, found)
	}
	return show(responses[0].Propstat)
}

func TestFind(t *testing.T) {
	dead := []props.Property{property("urn:z", "x", "X"), property("urn:z", "y", "Y")}
	named := append([]props.Property{property("DAV:", "named", "mine")}, dead...)
	refuse := map[string]error{"read a": fs.ErrPermission, "read x": fs.ErrPermission}
	for _, tt := range []struct {
		rule  string
		kind  props.Kind
		names string
		dead  []props.Property
		deny  map[string]error
		want  string
	}{
		{"9.1.3 found and unknown ones, in the order asked for", props.Prop, "z:y a z:q none", dead, nil, "200: y=Y a=1; 404: q none"},
		{"9.1.3 those that may not be read stand beside them", props.Prop, "a z:y z:x z:q", dead, refuse, "200: y=Y; 403: a x; 404: q"},
		{"9.1 a name asked for twice is answered once", props.Prop, "a a z:x z:x z:q z:q", dead, nil, "200: a=1 x=X; 404: q"},
		{"14.24 an empty prop has one empty propstat", props.Prop, "", dead, nil, "200:"},
		{"9.1.4 propname names all that there are", props.PropName, "", dead, nil, "200: a quota named x y; 500: bad"},
		{"9.1.5 allprop: the live ones but hidden ones, and the dead ones", props.AllProp, "", dead, nil, "200: a=1 named=made x=X y=Y"},
		{"9.1.5 allprop and what may not be read", props.AllProp, "", dead, refuse, "200: named=made y=Y; 403: a x"},
		{"9.1.6 include adds hidden ones, and says what is unknown", props.AllProp, "quota z:x z:q none", dead, nil,
			"200: a=1 quota=2 named=made x=X y=Y; 404: none q"},
		{"a property that fails has its own status", props.Prop, "a bad", nil, nil, "200: a=1; 500: bad"},
		{"15.2 what a client stored takes the place of what is made", props.Prop, "named", named, nil, "200: named=mine"},
		{"15.2 also in allprop, once", props.AllProp, "", named, nil, "200: a=1 named=mine x=X y=Y"},
		{"15.3 a property that is only stored is unknown until then", props.Prop, "only", nil, nil, "404: only"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var policy access.PropertyPolicy
			if tt.deny != nil {
				policy = propertyRules{deny: tt.deny}
			}
			for _, format := range formats {
				f := registry().NewFinder(t.Context(), format, props.Query{Kind: tt.kind, Names: names(tt.names)}, policy)
				for range 2 { // a Finder is used for one resource after another
					if got := find(t, f, file, tt.dead); got != tt.want {
						t.Errorf("got  %s\nwant %s", got, tt.want)
					}
				}
			}
		})
	}
}

// A resource that cannot be described has one propstat: "If there is an error retrieving a
// property, then a proper error result MUST be included in the response" (RFC 4918 §9.1), which is
// that of each property asked for (§14.22).
func TestFail(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		kind  props.Kind
		names string
		err   error
		want  string
	}{
		{"9.1.3 each one asked for, once", props.Prop, "a z:q quota a", fs.ErrPermission, "403: a q quota"},
		{"14.22 no value is promised that may not be there", props.Prop, "none bad only", fs.ErrPermission, "403: none bad only"},
		{"14.24 an empty prop has one empty propstat", props.Prop, "", fs.ErrPermission, "403:"},
		{"9.1.4 propname: the live ones", props.PropName, "", errors.New("broken"), "500: a quota none bad named only"},
		{"9.1.5 allprop: the live ones but hidden ones", props.AllProp, "", fs.ErrPermission, "403: a none named only"},
		{"9.1.6 and those included", props.AllProp, "quota z:q", fs.ErrPermission, "403: a quota none named only q"},
		{"14.22 the condition is the propstat's", props.Prop, "a", syscall.ENOSPC, "507: a (sufficient-disk-space)"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for _, format := range formats {
				f := registry().NewFinder(t.Context(), format, props.Query{Kind: tt.kind, Names: names(tt.names)}, nil)
				said, err := f.Fail(nil, multistatus.AsError(tt.err))
				if err != nil {
					t.Fatal(err)
				}
				if got := propstats(t, said); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

// A resource of which a property cannot be read is not a success; one that lacks a property is.
func TestFindOutcome(t *testing.T) {
	for _, tt := range []struct {
		names string
		want  int
	}{{"a none z:q", 200}, {"none", 200}, {"a bad", 500}, {"a refused", 403}, {"bad none refused", 403}, {"a hidden", 200}} {
		policy := propertyRules{deny: map[string]error{"read refused": fs.ErrPermission, "read hidden": fs.ErrNotExist}}
		f := registry().NewFinder(t.Context(), multistatus.XML, props.Query{Names: names(tt.names)}, policy)
		dead := []props.Property{property("DAV:", "refused", "x"), property("DAV:", "hidden", "x")}
		for range 2 {
			if _, outcome, err := f.Find(nil, &file, dead); outcome != tt.want || err != nil {
				t.Errorf("Find of %q: outcome, err = %v, %v, want %v", tt.names, outcome, err, tt.want)
			}
		}
	}
}

// The properties found for a resource must not depend on the resources before it.
func TestFindIsDeterministic(t *testing.T) {
	query := props.Query{Names: names("z:q a z:x")}
	g := registry()
	refuse := propertyRules{deny: map[string]error{"read x": fs.ErrPermission}}
	dead := []props.Property{property("urn:z", "x", "X")}
	f := g.NewFinder(t.Context(), multistatus.XML, query, refuse)
	first := find(t, f, file, dead)
	find(t, f, file, nil)
	if again := find(t, f, file, dead); again != first || first != "200: a=1; 403: x; 404: q" {
		t.Errorf("first %s, again %s", first, again)
	}
}

func TestDead(t *testing.T) {
	for _, tt := range []struct {
		kind  props.Kind
		names string
		want  bool
	}{
		{props.Prop, "a quota", false}, {props.Prop, "a named", true}, {props.Prop, "z:x", true}, {props.Prop, "", false},
		{props.AllProp, "", true}, {props.PropName, "", true},
	} {
		f := registry().NewFinder(t.Context(), multistatus.XML, props.Query{Kind: tt.kind, Names: names(tt.names)}, nil)
		if got := f.NeedsDead(); got != tt.want {
			t.Errorf("NeedsDead of %d %q = %v, want %v", tt.kind, tt.names, got, tt.want)
		}
	}
}
