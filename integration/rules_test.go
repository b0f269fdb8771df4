package integration

import (
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"dav207/server/access"
	"dav207/server/multistatus"
	"dav207/server/resource"
)

// causes are the errors that files and the matrix name.
var causes = map[string]error{
	"EACCES": syscall.EACCES,
	"EIO":    syscall.EIO,
	"ENOSPC": syscall.ENOSPC,
	"EDQUOT": syscall.EDQUOT,
	"ENOENT": syscall.ENOENT,
	"EXDEV":  syscall.EXDEV,
}

// at is an error as a file system returns it: it tells the name it is about.
func at(name string, err error) error {
	return &fs.PathError{Op: "fault", Path: path.Clean(name), Err: err}
}

// rules is a policy made of single refusals. It is complete before the first request comes.
type rules struct{ all []rule }

type rule struct {
	privilege, path string
	property        xml.Name // the zero name: the resource
	err             error
}

// add takes a line such as "deny read /c/secret" or "deny write-properties /file {namespace}local".
func (r *rules) add(line string) error {
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
func (r *rules) Check(_ context.Context, p access.Privilege, path resource.Path) error {
	return r.find(p, path, xml.Name{})
}

// CheckProperty implements access.PropertyPolicy.
func (r *rules) CheckProperty(_ context.Context, p access.Privilege, path resource.Path, property xml.Name) error {
	return r.find(p, path, property)
}

func (r *rules) find(p access.Privilege, path resource.Path, property xml.Name) error {
	for _, n := range r.all {
		if n.privilege == p.String() && n.path == path.String() && n.property == property {
			return n.err
		}
	}
	return nil
}

// parent returns the collection that holds name, with its slash.
func parent(name string) string {
	dir := path.Dir(strings.TrimSuffix(name, "/"))
	if dir == "/" {
		return dir
	}
	return dir + "/"
}

// joined writes a set of names as davtest.Server.Tree does.
func joined(names map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(names)), " ")
}
