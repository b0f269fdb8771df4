package fsbackend

import (
	"context"
	"os"
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// RemoveTree implements tree.TreeRemover. Each directory is opened once and its members are removed through its handle,
// without a look at each: the system itself tells that one is a directory. A link is never followed, be it put in the place of a
// directory meanwhile.
func (d *Disk) RemoveTree(ctx context.Context, name string, went func(name string)) bool {
	p, ok := host(name)
	if !ok || p == "." || d.Sync && d.unsettled(ctx) == nil || d.admit(p, false) != nil {
		return false
	}
	parent, _, err := d.openFile(dirOf(p))
	if err != nil {
		return false
	}
	defer parent.Close()
	conn, err := parent.SyscallConn()
	if err != nil {
		return false
	}
	c := clearing{ctx: ctx, crew: newCrew()}
	gone := false
	conn.Control(func(at uintptr) { gone = c.directory(int(at), baseOf(p), clean(name), 0) })
	if gone {
		c.went = []string{clean(name)}
	}
	slices.Sort(c.went)
	for _, name := range c.went {
		if p, ok := host(name); ok {
			d.removed(ctx, p) // an error can come only where it is not noted for later
		}
		if !gone {
			went(name)
		}
	}
	return gone
}

// clearDepth bounds how many directories are open one in another; what lies deeper is left.
const clearDepth = 64

// clearing removes what is below a directory.
type clearing struct {
	ctx  context.Context
	crew crew
	mu   sync.Mutex
	went []string // what was removed from directories that stay
}

// directory removes the directory called base in the open directory at, and reports whether it is gone.
func (c *clearing) directory(at int, base, name string, depth int) bool {
	fd, err := unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	members, err := f.Readdirnames(-1)
	if err != nil {
		return false
	}
	slices.Sort(members)
	gone := make([]bool, len(members))
	var helpers sync.WaitGroup
	for i, member := range members {
		if c.ctx.Err() != nil {
			break
		}
		if davpath.Reserved(member) { // it is not for us to judge
			continue
		}
		switch err := unix.Unlinkat(fd, member, 0); {
		case err == nil, err == unix.ENOENT: // by us or by somebody else
			gone[i] = true
		case err == unix.EISDIR && depth < clearDepth:
			c.crew.share(&helpers, func() { gone[i] = c.directory(fd, member, path.Join(name, member), depth+1) })
		}
	}
	helpers.Wait()
	if !slices.Contains(gone, false) && unix.Unlinkat(at, base, unix.AT_REMOVEDIR) == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, member := range members {
		if gone[i] {
			c.went = append(c.went, path.Join(name, member))
		}
	}
	return false
}
