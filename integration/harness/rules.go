package harness

import (
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/multistatus"
)

// PathError returns err with the name, as a file system does.
func PathError(name string, err error) error {
	return &fs.PathError{Op: "fault", Path: path.Clean(name), Err: err}
}

// Rules is a policy made of single refusals. Add must not be called after the first request.
type Rules struct{ all []rule }

type rule struct {
	privilege, path string
	property        xml.Name // zero for a rule about the resource
	err             error
}

// Add adds a rule such as "deny read /c/secret" or "deny write-properties /file {namespace}local".
func (r *Rules) Add(line string) error {
	f := strings.Fields(line)
	if len(f) < 3 || len(f) > 4 {
		return fmt.Errorf("want a verb, a privilege, a path and perhaps a property")
	}
	n := rule{privilege: f[1], path: path.Clean(f[2])}
	switch f[0] {
	case "deny":
		n.err = fs.ErrPermission
	case "hide":
		n.err = fs.ErrNotExist
	case "conflict":
		n.err = &multistatus.Error{Status: 409}
	default:
		return fmt.Errorf("unknown verb")
	}
	known := false
	for p := access.Read; p <= access.Unlock; p++ {
		known = known || p.String() == n.privilege
	}
	if !known {
		return fmt.Errorf("unknown privilege")
	}
	if len(f) == 4 {
		space, local, ok := strings.Cut(strings.TrimPrefix(f[3], "{"), "}")
		if !ok {
			return fmt.Errorf("want {namespace}local")
		}
		n.property = xml.Name{Space: space, Local: local}
	}
	r.all = append(r.all, n)
	return nil
}

// Check implements access.Policy.
func (r *Rules) Check(_ context.Context, p access.Privilege, path davpath.Path) error {
	return r.find(p, path, xml.Name{})
}

// CheckProperty implements access.PropertyPolicy.
func (r *Rules) CheckProperty(_ context.Context, p access.Privilege, path davpath.Path, property xml.Name) error {
	return r.find(p, path, property)
}

func (r *Rules) find(p access.Privilege, path davpath.Path, property xml.Name) error {
	for _, n := range r.all {
		if n.privilege == p.String() && n.path == path.String() && n.property == property {
			return n.err
		}
	}
	return nil
}

// Parent returns the parent collection of name, with a trailing slash.
func Parent(name string) string {
	dir := path.Dir(strings.TrimSuffix(name, "/"))
	if dir == "/" {
		return dir
	}
	return dir + "/"
}
