package fsbackend

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// CopyTree implements tree.TreeCopier, in the manner of CopyMembers. Each directory is opened and read once; its members are not
// looked at, since it tells which of them are files and which are directories, and a file is looked at when it is open.
// Helpers take directories of their own: two who make files in one directory wait for each other. Both together make COPY of
// 10,000 files of 4 KiB take 0.082 s where one collection after the other took 0.104 s, and cp -r 0.093 s.
func (d *Disk) CopyTree(ctx context.Context, src, dst string, left func(name string)) (begun bool) {
	path, err := davpath.Clean(src)
	if err != nil || d.Sync { // see CopyMembers
		return false
	}
	to, err := davpath.Clean(dst)
	if err != nil {
		return false
	}
	from, _, err := d.openDirectory(src)
	if err != nil {
		return false
	}
	defer from.Close()
	into, _, err := d.openDirectory(dst)
	if err != nil {
		return false
	}
	defer into.Close()
	c := treeCopy{ctx: ctx, crew: newCrew()}
	withDescriptors(from, into, func(from, into int) {
		if s, ok := c.source(from, ".", path, to, 0); ok {
			begun = true
			c.fill(into, s)
		}
	})
	slices.SortFunc(c.left, davpath.Path.Compare)
	for _, p := range c.left {
		left(p.String())
	}
	return begun
}

// copyDepth bounds how many directories are open one in another, on each side; what lies deeper is left.
const copyDepth = 64

// treeCopy is a copy of all that is below a directory.
type treeCopy struct {
	ctx  context.Context
	crew crew
	mu   sync.Mutex
	left []davpath.Path
}

// source is a directory that is being copied.
type source struct {
	dir       *os.File
	members   []fs.DirEntry
	path, dst davpath.Path
	depth     int
}

// source opens and reads the directory called base in the open directory at.
func (c *treeCopy) source(at int, base string, path, dst davpath.Path, depth int) (s source, ok bool) {
	if depth > copyDepth || c.ctx.Err() != nil {
		return s, false
	}
	fd, err := openMember(at, base)
	if err != nil {
		return s, false
	}
	s = source{dir: os.NewFile(uintptr(fd), base), path: path, dst: dst, depth: depth}
	s.members, err = s.dir.ReadDir(-1)
	if err == nil && !slices.ContainsFunc(s.members, func(m fs.DirEntry) bool {
		return !isSegment(m.Name()) || dst.Child(m.Name()).TooLong()
	}) {
		return s, true
	}
	s.dir.Close()
	return s, false
}

// fill copies the members of s into an open directory, and closes s.
func (c *treeCopy) fill(into int, s source) {
	defer s.dir.Close()
	from := int(s.dir.Fd())
	var helpers sync.WaitGroup
	var files []string
	for _, m := range s.members {
		switch name := m.Name(); {
		case davpath.Reserved(name): // no member
		case m.IsDir():
			c.crew.share(&helpers, func() { c.directory(from, into, name, s) })
		case m.Type().IsRegular():
			files = append(files, name)
		default:
			c.leave(s.path.Child(name))
		}
	}
	copied := make([]bool, len(files))
	m := membersCopy{ctx: c.ctx, from: from, into: into}
	m.all(c.crew, files, copied)
	for i, name := range files {
		if !copied[i] {
			c.leave(s.path.Child(name))
		}
	}
	helpers.Wait()
}

// directory copies the directory called base in the open directory from, which s is, into another one.
func (c *treeCopy) directory(from, into int, base string, s source) {
	path := s.path.Child(base)
	members, ok := c.source(from, base, path, s.dst.Child(base), s.depth+1)
	if !ok { // a collection that cannot be listed is not made either
		c.leave(path)
		return
	}
	if unix.Mkdirat(into, base, 0o777) != nil {
		members.dir.Close()
		c.leave(path)
		return
	}
	to, err := openMember(into, base)
	if err != nil {
		members.dir.Close()
		unix.Unlinkat(into, base, unix.AT_REMOVEDIR)
		c.leave(path)
		return
	}
	defer unix.Close(to)
	c.fill(to, members)
}

func (c *treeCopy) leave(p davpath.Path) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(c.left, p)
}

func openMember(at int, base string) (int, error) {
	return unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}
