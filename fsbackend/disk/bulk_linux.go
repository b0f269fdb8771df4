package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Each directory is opened and read once, by the handle of the one above it, and no link is
// followed, even if it takes the place of a directory meanwhile.

// treeWork is an operation on all that is below a directory.
type treeWork struct {
	ctx     context.Context
	workers chan struct{} // as many as work beside the goroutine of the request
	mu      sync.Mutex
	found   []davpath.Path // to report at the end
}

const (
	// maxWorkers bounds how many goroutines work at a time, that of the request included.
	maxWorkers = 4
	// filesPerWorker is how many files are worth a worker.
	filesPerWorker = 32
	// copyBuffer is the size below which a file is read and written: that is cheaper than a copy
	// inside of the file system, which has to find out where the file ends.
	copyBuffer = 32 << 10
)

func newTreeWork(ctx context.Context) *treeWork {
	return &treeWork{ctx: ctx, workers: make(chan struct{}, min(maxWorkers, runtime.GOMAXPROCS(0))-1)}
}

// share runs work on an idle worker, or inline if none is free; hence no deadlock. group waits
// for the worker.
func (w *treeWork) share(group *sync.WaitGroup, work func()) {
	select {
	case w.workers <- struct{}{}:
		group.Go(func() {
			defer func() { <-w.workers }()
			work()
		})
	default:
		work()
	}
}

func (w *treeWork) add(p davpath.Path) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, p)
}

// report calls f for what was found, in the order of a walk.
func (w *treeWork) report(f func(davpath.Path)) {
	slices.SortFunc(w.found, davpath.Path.Compare)
	for _, p := range w.found {
		f(p)
	}
}

// openBelow opens the directory called base in the open directory at, to read it.
func openBelow(at dir, base string) (*os.File, error) {
	fd, err := at.openat(base, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), base), nil
}

// RemoveTree implements fsbackend.Bulk. Its members are not looked at: the system itself tells that
// one is a directory.
func (b *backend) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) bool {
	h, ok := host(p)
	if !ok || p.IsRoot() || b.sync && b.batchOf(ctx) == nil {
		return false
	}
	at, _, err := b.openDir(filepath.Dir(h))
	if err != nil {
		return false
	}
	defer at.close()
	w := newTreeWork(ctx)
	gone := w.remove(at, filepath.Base(h), p, 0)
	if gone {
		w.found = []davpath.Path{p}
	}
	w.report(func(p davpath.Path) {
		b.removed(ctx, hostOf(p)) // an error can come only without a batch
		if !gone {
			removed(p)
		}
	})
	return gone
}

// remove removes the directory called base in the open directory at, and reports whether it is
// gone.
func (w *treeWork) remove(at dir, base string, p davpath.Path, depth int) bool {
	f, err := openBelow(at, base)
	if err != nil {
		return false
	}
	defer f.Close()
	members, err := f.Readdirnames(-1)
	if err != nil {
		return false
	}
	slices.Sort(members)
	fd := dir(f.Fd())
	gone := make([]bool, len(members))
	var group sync.WaitGroup
	for i, member := range members {
		if w.ctx.Err() != nil {
			break
		}
		if davpath.Reserved(member) {
			continue
		}
		switch err := unix.Unlinkat(int(fd), member, 0); {
		case err == nil, err == unix.ENOENT: // by us or by somebody else
			gone[i] = true
		case err == unix.EISDIR && depth < fsbackend.BulkDepth:
			w.share(&group, func() { gone[i] = w.remove(fd, member, p.Child(member), depth+1) })
		}
	}
	group.Wait()
	if !slices.Contains(gone, false) && unix.Unlinkat(int(at), base, unix.AT_REMOVEDIR) == nil {
		return true
	}
	for i, member := range members {
		if gone[i] {
			w.add(p.Child(member))
		}
	}
	return false
}

// CopyTree implements fsbackend.Bulk. A copy of a file is written without a name and gets its own
// when it is whole: nobody sees half of it, a killed process leaves nothing, and what already has
// the name is not touched. COPY of 10,000 files of 4 KiB takes 0.082 s, one file after the other
// 0.6 s, and cp -r 0.093 s.
//
// It does not begin with Options.Sync, since the wait for the disk is what costs then.
func (b *backend) CopyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) (begun bool) {
	h, ok := host(src)
	to, valid := host(dst)
	if !ok || !valid || b.sync {
		return false
	}
	from, _, err := b.openDir(h)
	if err != nil {
		return false
	}
	defer from.close()
	into, _, err := b.openDir(to)
	if err != nil {
		return false
	}
	defer into.close()
	w := newTreeWork(ctx)
	begun = w.copy(from, ".", func() (dir, error) { return into, nil }, src, dst, 0)
	w.report(left)
	return begun
}

// copy copies the members of the directory called base in the open directory at, which is src, to
// dst, which it opens if it can list them. It reports whether it has begun.
func (w *treeWork) copy(at dir, base string, open func() (dir, error), src, dst davpath.Path, depth int) bool {
	if depth > fsbackend.BulkDepth || w.ctx.Err() != nil {
		return false
	}
	f, err := openBelow(at, base)
	if err != nil {
		return false
	}
	defer f.Close()
	members, err := f.ReadDir(-1)
	if err != nil || slices.ContainsFunc(members, func(m fs.DirEntry) bool {
		return !isSegment(m.Name()) || dst.Child(m.Name()).TooLong()
	}) {
		return false
	}
	into, err := open()
	if err != nil {
		return false
	}
	from := dir(f.Fd())
	var group sync.WaitGroup
	var files []string
	for _, m := range members {
		switch name := m.Name(); {
		case davpath.Reserved(name): // no member
		case m.IsDir():
			w.share(&group, func() { w.copyDir(from, into, name, src.Child(name), dst.Child(name), depth+1) })
		case m.Type().IsRegular():
			files = append(files, name)
		default:
			w.add(src.Child(name))
		}
	}
	for some := range slices.Chunk(files, filesPerWorker) {
		w.share(&group, func() { w.copyFiles(from, into, some, src) })
	}
	group.Wait()
	return true
}

// copyDir makes a copy of the directory name. One that cannot be listed is not made either.
func (w *treeWork) copyDir(from, into dir, name string, src, dst davpath.Path, depth int) {
	to := dir(-1)
	begun := w.copy(from, name, func() (dir, error) {
		if err := into.mkdir(name); err != nil {
			return to, err
		}
		fd, err := into.openat(name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if to = dir(fd); err != nil {
			_ = into.remove(name)
		}
		return to, err
	}, src, dst, depth)
	if to >= 0 {
		to.close()
	}
	if !begun {
		w.add(src)
	}
}

func (w *treeWork) copyFiles(from, into dir, names []string, src davpath.Path) {
	buffer := make([]byte, copyBuffer)
	for _, name := range names {
		if w.ctx.Err() != nil || !w.copyFile(from, into, name, buffer) {
			w.add(src.Child(name))
		}
	}
}

// copyFile copies one file, and reports whether it could.
func (w *treeWork) copyFile(from, into dir, name string, buffer []byte) bool {
	src, err := from.openat(name, unix.O_RDONLY|openFlags, 0)
	if err != nil {
		return false
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if unix.Fstat(src, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	perm := st.Mode & 0o777
	dst, err := into.openat(".", unix.O_TMPFILE|unix.O_RDWR, fs.FileMode(perm))
	if err != nil {
		return false
	}
	defer unix.Close(dst)
	now, err := unix.TimeToTimespec(fsbackend.NewTime())
	return err == nil && w.content(src, dst, &st, buffer) &&
		unix.Fchmod(dst, perm) == nil && // the umask is for new files
		unix.UtimesNanoAt(dst, "", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, now}, unix.AT_EMPTY_PATH) == nil &&
		link(dst, int(into), name) == nil
}

// content copies what is in a file, which was looked at.
func (w *treeWork) content(from, to int, st *unix.Stat_t, buffer []byte) bool {
	if st.Size < int64(len(buffer)) && !fsbackend.FewerBlocks(st.Blocks, st.Size) {
		n, err := unix.Read(from, buffer)
		if err != nil {
			return false
		}
		if done, err := unix.Write(to, buffer[:n]); err != nil || done < n {
			return false
		}
		if int64(n) == st.Size {
			return true
		}
	}
	src, err := asFile(from)
	if err != nil {
		return false
	}
	defer src.Close()
	dst, err := asFile(to)
	if err != nil {
		return false
	}
	defer dst.Close()
	return copyRest(w.ctx, dst, src) == nil
}

// asFile returns a file of package os with a descriptor of its own.
func asFile(fd int) (*os.File, error) {
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(again), ""), nil
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

// Exceeding implements fsbackend.Bulk. It goes from directory to directory and looks at no file.
// Where a directory is known to hold no other, and no name in it can be too long, its names are not
// read either: MOVE of a tree of 10,000 files in 100 directories takes 4 ms less.
func (b *backend) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	h, ok := host(p)
	if !ok {
		return p, false, nil
	}
	top, _, err := b.openDir(h)
	if err != nil {
		return p, false, nil
	}
	defer top.close()
	s := excess{top: top, bytes: bytes, segments: segments, volume: linksVolume(top)}
	for s.add(top, ".", ""); len(s.todo) > 0 && ctx.Err() == nil; {
		below := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		name, err := s.directory(below)
		if err == unix.ENOSYS || err == unix.EPERM {
			return p, false, errors.ErrUnsupported
		}
		if name != "" {
			found, err := davpath.Clean(p.String() + "/" + name)
			return found, err == nil, err
		}
	}
	return p, false, ctx.Err() // what was not looked at may exceed
}

// excess is the search for a name below a directory that is too long or too deep. One directory is
// open at a time beside the top.
type excess struct {
	top             dir
	bytes, segments int
	volume          [2]uint32 // where directories count links, see linksVolume
	todo            []string  // directories to be read: names relative to top, with a slash at the end
}

// directory looks at the names in a directory, and returns one that is too much.
func (s *excess) directory(below string) (string, error) {
	fd, err := openBeneath(int(s.top), below+".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), below)
	defer f.Close()
	members, _ := f.ReadDir(-1)
	for _, m := range members {
		name := below + m.Name()
		switch {
		case davpath.Reserved(m.Name()):
		case len(name)+1 > s.bytes || strings.Count(name, "/")+1 > s.segments:
			return name, nil
		case m.IsDir():
			s.add(dir(fd), m.Name(), name+"/")
		}
	}
	return "", nil
}

// add puts a directory on the list of those to be read, unless it holds no other, which counts a
// link to it each, and no name can be too long in it.
func (s *excess) add(at dir, base, name string) {
	var st unix.Statx_t
	err := statx(int(at), base, unix.AT_SYMLINK_NOFOLLOW, &st)
	if err != nil || st.Nlink != 2 || s.volume != [2]uint32{st.Dev_major, st.Dev_minor} ||
		len(name)+1+unix.NAME_MAX > s.bytes || strings.Count(name, "/")+1 > s.segments {
		s.todo = append(s.todo, name)
	}
}

// linksVolume returns the volume of d if directories there have a link for each directory in them
// and two more. Some file systems always say 1, as Btrfs does; some always 2.
func linksVolume(d dir) (volume [2]uint32) {
	var fs unix.Statfs_t
	var st unix.Statx_t
	if unix.Fstatfs(int(d), &fs) == nil && statx(int(d), "", unix.AT_EMPTY_PATH, &st) == nil {
		switch int64(fs.Type) {
		case unix.EXT4_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.XFS_SUPER_MAGIC:
			return [2]uint32{st.Dev_major, st.Dev_minor}
		}
	}
	return volume
}
