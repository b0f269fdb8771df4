package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// CopyTree implements fsbackend.Bulk. Each directory is opened and read once; its members are not
// looked at, since it tells which of them are files and which are directories, and a file is
// looked at when it is open. A copy is written without a name and gets its own when it is whole:
// nobody sees half of it, a killed process leaves nothing, and what already has the name is not
// touched. Two who make files in one directory wait for each other, so workers take directories
// of their own. COPY of 10,000 files of 4 KiB takes 0.082 s, one file after the other 0.6 s, and
// cp -r 0.093 s.
//
// It does not begin with Options.Sync, since the wait for the disk is what costs then.
func (b *backend) CopyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) (begun bool) {
	if b.sync {
		return false
	}
	from, _, err := b.openDir(src)
	if err != nil {
		return false
	}
	defer from.Close()
	into, _, err := b.openDir(dst)
	if err != nil {
		return false
	}
	defer into.Close()
	c := treeCopy{ctx: ctx, workers: newWorkers()}
	withDescriptors(from, into, func(from, into int) {
		if s, ok := c.source(from, ".", src, dst, 0); ok {
			begun = true
			c.fill(into, s)
		}
	})
	slices.SortFunc(c.left, davpath.Path.Compare)
	for _, p := range c.left {
		left(p)
	}
	return begun
}

// withDescriptors keeps two files open while use works with their descriptors.
func withDescriptors(a, b *os.File, use func(a, b int)) {
	first, err := a.SyscallConn()
	if err != nil {
		return
	}
	second, err := b.SyscallConn()
	if err != nil {
		return
	}
	first.Control(func(a uintptr) {
		second.Control(func(b uintptr) { use(int(a), int(b)) })
	})
}

// treeCopy is a copy of all that is below a directory.
type treeCopy struct {
	ctx     context.Context
	workers workers
	mu      sync.Mutex
	left    []davpath.Path
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
	if depth > maxOpenDirs || c.ctx.Err() != nil {
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
	var group sync.WaitGroup
	var files []string
	for _, m := range s.members {
		switch name := m.Name(); {
		case davpath.Reserved(name): // no member
		case m.IsDir():
			c.workers.share(&group, func() { c.directory(from, into, name, s) })
		case m.Type().IsRegular():
			files = append(files, name)
		default:
			c.leave(s.path.Child(name))
		}
	}
	copied := make([]bool, len(files))
	m := filesCopy{ctx: c.ctx, from: from, into: into}
	m.all(c.workers, files, copied)
	for i, name := range files {
		if !copied[i] {
			c.leave(s.path.Child(name))
		}
	}
	group.Wait()
}

// directory copies the directory called base in the open directory from, which s is, into another
// one.
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

// openMember opens a directory in a directory, and follows no link.
func openMember(at int, base string) (int, error) {
	return unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// filesCopy is a copy of files from one open directory into another.
type filesCopy struct {
	ctx        context.Context
	from, into int
	// kept is a mode, with the kind of file, that was seen to come through the umask and what the
	// directory has instead of it: to set it again for each file took a twentieth of the copy.
	kept atomic.Uint32
}

const (
	// filesPerWorker is how many files are worth a worker.
	filesPerWorker = 32
	// copyBuffer is the size up to which a file is read and written: that is cheaper than a copy
	// inside of the file system, which has to find out where the file ends.
	copyBuffer = 32 << 10
)

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

func (c *filesCopy) all(w workers, names []string, copied []bool) {
	var group sync.WaitGroup
	for i := 0; i < len(names); i += filesPerWorker {
		some := names[i:min(i+filesPerWorker, len(names))]
		w.share(&group, func() { c.some(some, copied[i:]) })
	}
	group.Wait()
}

// some copies files one after the other.
func (c *filesCopy) some(names []string, copied []bool) {
	buffer := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buffer)
	for i, name := range names {
		if c.ctx.Err() != nil {
			return
		}
		copied[i] = isSegment(name) && c.file(name, buffer[:])
	}
}

// file copies one file, and reports whether it could.
func (c *filesCopy) file(name string, buffer []byte) bool {
	from, err := unix.Openat(c.from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if unix.Fstat(from, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	perm := st.Mode & 0o777
	to, err := unix.Openat(c.into, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, perm)
	if err != nil {
		return false
	}
	defer unix.Close(to)
	now, err := unix.TimeToTimespec(fsbackend.NewTime())
	return err == nil && c.content(from, to, &st, buffer) &&
		c.mode(to, perm) &&
		unix.UtimesNanoAt(to, "", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, now}, unix.AT_EMPTY_PATH) == nil &&
		link(to, c.into, name) == nil
}

// mode gives the new file the mode of the old one: the umask is for new files.
func (c *filesCopy) mode(file int, perm uint32) bool {
	if c.kept.Load() == perm|unix.S_IFREG {
		return true
	}
	var st unix.Stat_t
	if unix.Fstat(file, &st) == nil && st.Mode&0o777 == perm {
		c.kept.Store(perm | unix.S_IFREG)
		return true
	}
	return unix.Fchmod(file, perm) == nil
}

// content copies what is in a file, which was looked at.
func (c *filesCopy) content(from, to int, st *unix.Stat_t, buffer []byte) bool {
	if fsbackend.FewerBlocks(st.Blocks, st.Size) {
		err := fsbackend.CopyData(func(offset int64, whence int) (int64, error) { return unix.Seek(from, offset, whence) },
			func(at, n int64) error { return c.data(from, to, at, n) },
			func(size int64) error { return unix.Ftruncate(to, size) })
		if err != errors.ErrUnsupported {
			return err == nil
		}
		if _, err := unix.Seek(from, 0, io.SeekStart); err != nil {
			return false
		}
	}
	if st.Size > int64(len(buffer)) {
		for done := int64(0); c.ctx.Err() == nil; {
			n, err := unix.CopyFileRange(from, nil, to, nil, fsbackend.CopyPiece, 0)
			if err != nil {
				return false
			}
			if n == 0 {
				return done > 0
			}
			done += int64(n)
		}
		return false
	}
	for done := int64(0); ; {
		n, err := unix.Read(from, buffer)
		if err != nil {
			return false
		}
		for rest := buffer[:n]; len(rest) > 0; {
			w, err := unix.Write(to, rest)
			if err != nil {
				return false
			}
			rest = rest[w:]
		}
		done += int64(n)
		if n == 0 || n < len(buffer) && done == st.Size {
			return true
		}
	}
}

// data copies n bytes at an offset to the same place.
func (c *filesCopy) data(from, to int, at, n int64) error {
	into := at
	for n > 0 {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		done, err := unix.CopyFileRange(from, &at, to, &into, int(min(n, fsbackend.CopyPiece)), 0)
		if err != nil {
			return err
		}
		if done == 0 {
			return nil // somebody cut it off
		}
		n -= int64(done)
	}
	return nil
}

// link gives the open file, which has no name, one in the directory dir. Something that has that
// name is an error.
func link(file, dir int, name string) error {
	err := unix.Linkat(file, "", dir, name, unix.AT_EMPTY_PATH)
	if err == unix.ENOENT { // before Linux 6.10 that needs CAP_DAC_READ_SEARCH
		err = linkByNumber(file, dir, name)
	}
	return err
}

func linkByNumber(file, dir int, name string) error {
	return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(file), dir, name, unix.AT_SYMLINK_FOLLOW)
}

// workers share the work of one operation on a tree.
type workers chan struct{}

// maxWorkers bounds how many work at a time, the goroutine of the request included.
const maxWorkers = 4

func newWorkers() workers { return make(workers, min(maxWorkers, runtime.GOMAXPROCS(0))-1) }

// share runs work on an idle worker, or inline if none is free; hence no deadlock. group waits
// for the worker.
func (w workers) share(group *sync.WaitGroup, work func()) {
	select {
	case w <- struct{}{}:
		group.Go(func() {
			defer func() { <-w }()
			work()
		})
	default:
		work()
	}
}
