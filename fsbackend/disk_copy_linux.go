package fsbackend

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// CopyMembers implements tree.MembersCopier. A copy is written without a name and gets its own when it is whole: nobody sees
// half of it, a killed process leaves nothing to be cleaned away, and what already has the name is not touched. Both
// collections are opened once for all members, which are then found through their handles: walking to each member anew, by
// way of os.Root, made fifty of the sixty system calls that a copy of a small file took.
//
// It copies nothing where Sync is set, since the wait for the disk is what costs then.
func (d *Disk) CopyMembers(ctx context.Context, src, dst string, names []string, copied []bool) {
	if d.Sync {
		return
	}
	from, _, err := d.openDirectory(src)
	if err != nil {
		return
	}
	defer from.Close()
	into, _, err := d.openDirectory(dst)
	if err != nil {
		return
	}
	defer into.Close()
	withDescriptors(from, into, func(from, into int) {
		c := membersCopy{ctx: ctx, from: from, into: into}
		c.all(newCrew(), names, copied)
	})
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

// membersCopy is a copy of files from one open directory into another.
type membersCopy struct {
	ctx        context.Context
	from, into int
	// kept is a mode, with the kind of file, that was seen to come through the umask and what the directory has instead of it: to
	// set it again for each file took a twentieth of the copy.
	kept atomic.Uint32
}

const (
	// filesPerWorker is how many files make it worth while to have a helper copy them.
	filesPerWorker = 32
	// copyBuffer is the size up to which a file is read and written: that is cheaper than to ask for a copy inside of the
	// file system, which has to find out where the file ends.
	copyBuffer = 32 << 10
)

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

func (c *membersCopy) all(workers crew, names []string, copied []bool) {
	var helpers sync.WaitGroup
	for i := 0; i < len(names); i += filesPerWorker {
		some := names[i:min(i+filesPerWorker, len(names))]
		workers.share(&helpers, func() { c.some(some, copied[i:]) })
	}
	helpers.Wait()
}

// some copies files one after the other.
func (c *membersCopy) some(names []string, copied []bool) {
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
func (c *membersCopy) file(name string, buffer []byte) bool {
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
	now, err := unix.TimeToTimespec(times.now())
	return err == nil && c.content(from, to, &st, buffer) &&
		c.mode(to, perm) &&
		unix.UtimesNanoAt(to, "", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, now}, unix.AT_EMPTY_PATH) == nil &&
		link(to, c.into, name) == nil
}

// mode sees to it that the new file has the mode that it was made with: the umask is for new files, this one was given its mode
// before.
func (c *membersCopy) mode(file int, perm uint32) bool {
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
func (c *membersCopy) content(from, to int, st *unix.Stat_t, buffer []byte) bool {
	if fewerBlocks(st.Blocks, st.Size) {
		err := copyData(func(offset int64, whence int) (int64, error) { return unix.Seek(from, offset, whence) },
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
			n, err := unix.CopyFileRange(from, nil, to, nil, copyPiece, 0)
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
func (c *membersCopy) data(from, to int, at, n int64) error {
	into := at
	for n > 0 {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		done, err := unix.CopyFileRange(from, &at, to, &into, int(min(n, copyPiece)), 0)
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

// link gives the open file, which has no name, one in the directory dir; something that has that name is an error.
func link(file, dir int, name string) error {
	err := unix.Linkat(file, "", dir, name, unix.AT_EMPTY_PATH)
	if err == unix.ENOENT { // before Linux 6.10 only who may read everything can do it so
		err = linkByNumber(file, dir, name)
	}
	return err
}

func linkByNumber(file, dir int, name string) error {
	return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(file), dir, name, unix.AT_SYMLINK_FOLLOW)
}
