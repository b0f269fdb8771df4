package disk

import (
	"context"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// maxName is how many bytes a name in a directory has at most.
const maxName = 255

// Exceeding implements fsbackend.Bulk. It goes from directory to directory and looks at no file.
// Where a directory is known to hold no other (see leaf), and no name in it can be too long, its
// names are not read either.
func (b *backend) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (found davpath.Path, ok bool, err error) {
	top, _, err := b.openDir(p)
	if err != nil {
		return p, false, nil
	}
	defer top.Close()
	conn, err := top.SyscallConn()
	if err != nil {
		return p, false, nil
	}
	name := ""
	ctrl := conn.Control(func(fd uintptr) {
		s := excess{ctx: ctx, top: int(fd), bytes: bytes, segments: segments}
		name = s.find()
	})
	if ctrl != nil || name == "" {
		return p, false, ctx.Err() // what was not looked at may exceed
	}
	found, err = davpath.Clean(p.String() + "/" + name)
	return found, err == nil, err
}

// excess is the search for a name below a directory that is too long or too deep. One directory is
// open at a time beside the top.
type excess struct {
	ctx             context.Context
	top             int
	bytes, segments int
	dev             uint64 // the volume whose counts of links are believed, 0 for none
	todo            []below
}

// below is a directory to be looked into: its name relative to the top, and how deep it lies.
type below struct {
	name  string
	depth int
}

func (s *excess) find() string {
	var st unix.Statx_t
	if statx(s.top, "", unix.AT_EMPTY_PATH, &st) == nil && countsLinks(s.top) {
		s.dev = unix.Mkdev(st.Dev_major, st.Dev_minor)
	}
	if s.leaf(&st, 0, 0) {
		return ""
	}
	buf := direntBuffers.Get().(*[direntSize]byte)
	defer direntBuffers.Put(buf)
	for s.todo = []below{{".", 0}}; len(s.todo) > 0 && s.ctx.Err() == nil; {
		last := len(s.todo) - 1
		dir := s.todo[last]
		s.todo = s.todo[:last]
		if found := s.directory(dir, buf[:]); found != "" {
			return found
		}
	}
	return ""
}

// directory looks at the names in dir, and returns one that is too much.
func (s *excess) directory(dir below, buf []byte) (found string) {
	fd, err := openBeneath(s.top, dir.name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	prefix := ""
	if dir.depth > 0 {
		prefix = dir.name + "/"
	}
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return ""
		}
		for name, kind := range dirents(buf[:n]) {
			if dir.depth+1 > s.segments || len(prefix)+len(name)+1 > s.bytes {
				if name := string(name); !davpath.Reserved(name) {
					return prefix + name
				}
				continue
			}
			if kind == unix.DT_DIR || kind == unix.DT_UNKNOWN {
				s.add(fd, string(name), prefix, dir.depth+1)
			}
		}
	}
}

// add puts a member of an open directory on the list of those to be looked into, if it is a
// directory that needs it.
func (s *excess) add(dir int, name, prefix string, depth int) {
	var st unix.Statx_t
	if statx(dir, name, unix.AT_SYMLINK_NOFOLLOW, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR &&
		!davpath.Reserved(name) && !s.leaf(&st, len(prefix)+len(name)+1, depth) {
		s.todo = append(s.todo, below{prefix + name, depth})
	}
}

// leaf reports whether a directory, which adds so many bytes and segments, needs no look: it holds
// no other, which counts a link to it each, and no name can be too long in it.
func (s *excess) leaf(st *unix.Statx_t, bytes, depth int) bool {
	return st.Nlink == 2 && s.dev != 0 && s.dev == unix.Mkdev(st.Dev_major, st.Dev_minor) &&
		bytes+1+maxName <= s.bytes && depth+1 <= s.segments
}

// countsLinks reports whether directories on this volume have a link for each directory in them and
// two more. Some file systems always say 1, as Btrfs does; some always 2.
func countsLinks(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch int64(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.XFS_SUPER_MAGIC:
		return true
	}
	return false
}
