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

// maxLinks bounds a chain of links; os.Root gives up much earlier on those inside of a path.
const maxLinks = 40

// errReservedLink is the error of a link that leads to the server's own files.
var errReservedLink = errors.New("a link to the server's own files")

// readlink returns what the link h leads to as a name relative to the root. It is not cleaned: only
// os.Root knows where ".." leads when there are links in front of it.
func (b *backend) readlink(h string) (string, error) {
	target, err := b.root.Readlink(h)
	if err != nil {
		return "", err
	}
	if filepath.IsAbs(target) {
		return "", b.escapes
	}
	for len(target) > 1 && os.IsPathSeparator(target[len(target)-1]) {
		target = target[:len(target)-1]
	}
	return parent(h) + target, nil
}

// resolve follows the links that h itself is, and returns the name of what they lead to and its
// info; the info is nil if nothing is there. A link that leads nowhere is an error.
func (b *backend) resolve(h string) (string, fs.FileInfo, error) {
	for n := range maxLinks {
		fi, err := b.root.Lstat(h)
		switch {
		case errors.Is(err, fs.ErrNotExist) && n == 0:
			return h, nil, nil
		case errors.Is(err, fs.ErrNotExist):
			return h, nil, fs.ErrPermission
		case err != nil:
			return h, nil, err
		case fi.Mode().Type() != fs.ModeSymlink:
			return h, fi, nil
		}
		if h, err = b.readlink(h); err != nil {
			return h, nil, err
		}
	}
	return h, nil, syscall.ELOOP
}

// RealPath implements fsbackend.Backend. A link that leads out is fs.ErrNotExist.
func (b *backend) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) {
	h, ok := host(p)
	if !ok {
		return p, fsbackend.ReadError("real", p, fs.ErrNotExist)
	}
	if p.IsRoot() || b.noLinks(h, true) {
		return p, nil
	}
	real, err := b.realName(h, true)
	if err != nil {
		return p, b.readError("real", p, err)
	}
	return davpath.Clean(filepath.ToSlash(real))
}

// noLinks reports whether h is known to lead through no link, or to nothing before it comes to one.
func (b *backend) noLinks(h string, follow bool) bool {
	err := b.openPath(h, follow)
	return err == nil || missing(err)
}

// realName goes along h, segment by segment, and returns the name of what it leads to without a
// link in it. Unless follow, the last one is not followed. A link that leads out is b.escapes,
// one that leads to the server's own files errReservedLink.
func (b *backend) realName(h string, follow bool) (real string, err error) {
	rest := segments(h)
	for links := 0; len(rest) > 0; {
		segment := rest[0]
		last := len(rest) == 1
		rest = rest[1:]
		switch segment {
		case "", ".":
			continue
		case "..":
			if real == "" {
				return "", b.escapes
			}
			real = strings.TrimSuffix(parent(real), string(filepath.Separator))
			continue
		}
		next := filepath.Join(real, segment)
		fi, err := b.root.Lstat(next)
		switch {
		case err == nil && fi.Mode().Type() == fs.ModeSymlink && (follow || !last):
			if links++; links > maxLinks {
				return "", syscall.ELOOP
			}
			onward, err := b.target(next)
			if err != nil {
				return "", err
			}
			rest = append(onward, rest...)
			continue
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return "", err
		}
		real = next
	}
	return real, nil
}

// target returns the segments of what the link h leads to.
func (b *backend) target(h string) ([]string, error) {
	target, err := b.root.Readlink(h)
	if err != nil || filepath.IsAbs(target) {
		return nil, b.escapes
	}
	onward := segments(target)
	if slices.ContainsFunc(onward, ownName) {
		return nil, errReservedLink
	}
	return onward, nil
}

func segments(h string) []string {
	return strings.FieldsFunc(h, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}

// checkNoReservedLink returns errReservedLink if a link on the way to h leads to the server's own
// files. Unless follow, the last segment is not followed. All that a name can lead to stands in
// itself, for which the caller is responsible, or in a link: so only links are looked at, and a
// name without links costs one system call where there is openat2.
func (b *backend) checkNoReservedLink(h string, follow bool) error {
	if err := b.openPath(h, follow); err == nil || missing(err) || errors.Is(err, syscall.EACCES) {
		return nil
	}
	if _, err := b.realName(h, follow); err == errReservedLink {
		return err
	}
	return nil // whatever else is wrong will show
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
