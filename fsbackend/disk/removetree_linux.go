package disk

import (
	"context"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// RemoveTree implements fsbackend.Bulk. Each directory is opened once and its members are removed
// through its handle, without a look at each: the system itself tells that one is a directory. A
// link is never followed, even if it takes the place of a directory meanwhile.
func (b *backend) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) bool {
	h, ok := host(p)
	if !ok || p.IsRoot() || b.sync && b.batchOf(ctx) == nil || b.checkNoReservedLink(h, false) != nil {
		return false
	}
	parent, _, err := b.openFile(dirOf(h))
	if err != nil {
		return false
	}
	defer parent.Close()
	conn, err := parent.SyscallConn()
	if err != nil {
		return false
	}
	r := treeRemoval{ctx: ctx, workers: newWorkers()}
	gone := false
	conn.Control(func(at uintptr) { gone = r.directory(int(at), baseOf(h), p, 0) })
	if gone {
		r.removed = []davpath.Path{p}
	}
	slices.SortFunc(r.removed, davpath.Path.Compare)
	for _, p := range r.removed {
		b.removed(ctx, hostOf(p)) // an error can come only without a batch
		if !gone {
			removed(p)
		}
	}
	return gone
}

// maxOpenDirs bounds how many directories are open one in another; what lies deeper is left.
const maxOpenDirs = 64

// treeRemoval removes what is below a directory.
type treeRemoval struct {
	ctx     context.Context
	workers workers
	mu      sync.Mutex
	removed []davpath.Path // from directories that stay
}

// directory removes the directory called base in the open directory at, and reports whether it is
// gone.
func (r *treeRemoval) directory(at int, base string, p davpath.Path, depth int) bool {
	fd, err := openMember(at, base)
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
	var group sync.WaitGroup
	for i, member := range members {
		if r.ctx.Err() != nil {
			break
		}
		if davpath.Reserved(member) {
			continue
		}
		switch err := unix.Unlinkat(fd, member, 0); {
		case err == nil, err == unix.ENOENT: // by us or by somebody else
			gone[i] = true
		case err == unix.EISDIR && depth < maxOpenDirs:
			r.workers.share(&group, func() { gone[i] = r.directory(fd, member, p.Child(member), depth+1) })
		}
	}
	group.Wait()
	if !slices.Contains(gone, false) && unix.Unlinkat(at, base, unix.AT_REMOVEDIR) == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, member := range members {
		if gone[i] {
			r.removed = append(r.removed, p.Child(member))
		}
	}
	return false
}
