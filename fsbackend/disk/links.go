package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// maxLinks bounds how many links a name leads through.
const maxLinks = 40

// errBrokenLink is the error of a link that leads to nothing, or to the server's own files.
var errBrokenLink = errors.New("a broken link")

// RealPath implements fsbackend.Backend. A link that leads out is fs.ErrNotExist.
func (b *backend) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) {
	h, ok := host(p)
	if !ok {
		return p, fsbackend.ReadError("real", p, fs.ErrNotExist)
	}
	real, err := b.realName(h, true)
	if err != nil {
		return p, b.readError("real", p, err)
	}
	return davpath.Clean(filepath.ToSlash(real))
}

// realName goes along h, segment by segment, and returns the name of what it leads to without a
// link in it. Unless follow, the last one is not followed. A link that leads out is b.escapes, one
// that leads to the server's own files errBrokenLink. All that a name can lead to stands in
// itself, for which the caller is responsible, or in a link: so only links are looked at, and a
// name without links costs one system call where there is openat2.
func (b *backend) realName(h string, follow bool) (real string, err error) {
	if b.noLinks(h, follow) {
		return h, nil
	}
	real = "."
	rest := segments(h)
	isDir := true // what real leads to
	for links := 0; len(rest) > 0; {
		segment := rest[0]
		rest = rest[1:]
		if segment == ".." {
			switch {
			case real == ".":
				return "", b.escapes
			case !isDir:
				return "", fs.ErrNotExist
			}
			real = filepath.Dir(real)
			continue
		}
		next := filepath.Join(real, segment)
		fi, err := b.root.Lstat(next)
		switch {
		case err == nil && fi.Mode().Type() == fs.ModeSymlink && (follow || len(rest) > 0):
			if links++; links > maxLinks {
				return "", syscall.ELOOP
			}
			onward, err := b.target(next)
			if err != nil {
				return "", err
			}
			rest = append(onward, rest...)
			continue
		case err != nil && !notThere(err):
			return "", err
		}
		real, isDir = next, err == nil && fi.IsDir()
	}
	return real, nil
}

// notThere reports whether an error says that there is nothing at a name, or below a file.
func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// target returns the segments of what the link h leads to.
func (b *backend) target(h string) ([]string, error) {
	target, err := b.root.Readlink(h)
	if err != nil || filepath.IsAbs(target) {
		return nil, b.escapes
	}
	onward := segments(target)
	if slices.ContainsFunc(onward, ownName) {
		return nil, errBrokenLink
	}
	return onward, nil
}

// segments returns the segments of h but those of one dot.
func segments(h string) []string {
	all := strings.FieldsFunc(h, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
	return slices.DeleteFunc(all, func(segment string) bool { return segment == "." })
}

// ownName reports whether a segment of a link leads to the server's own files.
func ownName(segment string) bool {
	return davpath.Reserved(segment) || runtime.GOOS == "windows" && shortName(segment)
}

// shortName reports whether Windows may know the server's own files by this name, too: NTFS gives a
// name of eight characters to each that has another form, from its first letters or, where many
// begin alike, from two of them and a checksum.
func shortName(segment string) bool {
	stem, number, ok := strings.Cut(strings.ToUpper(strings.TrimRight(segment, ". ")), "~")
	if !ok || number == "" || len(stem) < 2 || len(stem) > 6 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	sum, ok := strings.CutPrefix(stem, "DA")
	return ok && (strings.HasPrefix("V207", sum) || strings.Trim(sum, "0123456789ABCDEF") == "")
}
