package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	real := ""
	rest := segments(p)
	for links := 0; len(rest) > 0; {
		segment := rest[0]
		rest = rest[1:]
		switch segment {
		case "", ".":
			continue
		case "..":
			if real == "" {
				return "", reading("real", name, fs.ErrNotExist)
			}
			real = strings.TrimSuffix(parent(real), string(filepath.Separator))
			continue
		}
		next := filepath.Join(real, segment)
		fi, err := d.root.Lstat(next)
		if err == nil && fi.Mode().Type() == fs.ModeSymlink {
			if links++; links > maxLinks {
				return "", reading("real", name, syscall.ELOOP)
			}
			target, err := d.root.Readlink(next)
			if err != nil || filepath.IsAbs(target) {
				return "", reading("real", name, fs.ErrNotExist)
			}
			rest = append(segments(target), rest...)
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return "", d.reading("real", name, err)
		}
		real = next
	}
	return "/" + filepath.ToSlash(real), nil
}

func segments(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}
