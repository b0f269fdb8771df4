package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Real returns the name under which a resource is found without passing a link: one file then has one name, whatever
// links lead to it. What does not exist yet keeps the rest of its name. Links that lead out are fs.ErrNotExist.
func (d *Disk) Real(_ context.Context, name string) (string, error) {
	p, ok := host(name)
	if !ok {
		return "", reading("real", name, fs.ErrNotExist)
	}
	real := p
	if err := d.probe(p, true); p == "." || err != nil && !missing(err) {
		if real, err = d.walk(p, true); err != nil {
			return "", d.reading("real", name, err)
		}
	}
	return "/" + filepath.ToSlash(real), nil
}

// errOwn is what a link that leads to the server's own files is to walk.
var errOwn = errors.New("a link to the server's own files")

// walk goes along p, segment by segment, and returns the name of what it leads to without a link in it; where follow is
// false, the last one is not followed. A link that leads out is d.escapes, one that leads to the server's own files errOwn.
func (d *Disk) walk(p string, follow bool) (real string, err error) {
	rest := segments(p)
	for links := 0; len(rest) > 0; {
		segment := rest[0]
		stop := !follow && len(rest) == 1
		rest = rest[1:]
		switch segment {
		case "", ".":
			continue
		case "..":
			if real == "" {
				return "", d.escapes
			}
			real = strings.TrimSuffix(parent(real), string(filepath.Separator))
			continue
		}
		next := filepath.Join(real, segment)
		fi, err := d.root.Lstat(next)
		if err == nil && fi.Mode().Type() == fs.ModeSymlink && !stop {
			if links++; links > maxLinks {
				return "", syscall.ELOOP
			}
			target, err := d.root.Readlink(next)
			if err != nil || filepath.IsAbs(target) {
				return "", d.escapes
			}
			onward := segments(target)
			if slices.ContainsFunc(onward, own) {
				return "", errOwn
			}
			rest = append(onward, rest...)
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return "", err
		}
		real = next
	}
	return real, nil
}

func segments(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}

// admit refuses, with errOwn, a name that a link leads to the server's own files; where follow is false the last segment is not
// followed. All that a name can lead to stands in itself, which the caller answers for, or in a link on the way: so only those
// are looked at, and a name without links costs one question where the system can answer it.
func (d *Disk) admit(p string, follow bool) error {
	if d.direct(p, follow) {
		return nil
	}
	if _, err := d.walk(p, follow); err == errOwn {
		return err
	}
	return nil // whatever else is wrong will show
}
