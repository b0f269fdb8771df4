package fsbackend

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// direntSize is how much the kernel is asked for at a time: a collection of a thousand takes one system call, and another one that
// finds its end.
const direntSize = 64 << 10

// direntBuffers are those that names are read into.
var direntBuffers = sync.Pool{New: func() any { return new([direntSize]byte) }}

// names reads the names of all members that were not read yet, as Readdirnames(-1) of an *os.File does, which allocates every
// name by itself and asks the kernel for a fourth at a time.
func (f *directory) names() ([]string, error) {
	buf := direntBuffers.Get().(*[direntSize]byte)
	defer direntBuffers.Put(buf)
	var names []string
	var err error
	ctrl := f.at.conn.Control(func(fd uintptr) {
		for {
			var n int
			if n, err = unix.ReadDirent(int(fd), buf[:]); err == unix.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			names = appendNames(names, buf[:n])
		}
	})
	if ctrl != nil {
		err = ctrl
	}
	if err != nil {
		return names, f.fail("readdir", err)
	}
	return names, nil
}

// appendNames appends the names that getdents64 wrote, but those of the directory itself and of its parent. They share their
// memory.
func appendNames(names []string, buf []byte) []string {
	// The names go one behind another, each with the NUL at its end, over the entries that were read already.
	count, end := 0, 0
	for name := range dirents(buf) {
		end += copy(buf[end:], name[:len(name)+1])
		count++
	}
	names = slices.Grow(names, count)
	for all := string(buf[:end]); all != ""; {
		nul := strings.IndexByte(all, 0)
		names = append(names, all[:nul])
		all = all[nul+1:]
	}
	return names
}

// dirents yields the names that getdents64 wrote, and what each is, but those of the directory
// itself and of its parent. They are good until the next.
func dirents(all []byte) func(yield func(name []byte, kind byte) bool) {
	const (
		lenAt  = unsafe.Offsetof(unix.Dirent{}.Reclen)
		kindAt = unsafe.Offsetof(unix.Dirent{}.Type)
		nameAt = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	return func(yield func([]byte, byte) bool) {
		for rest := all; len(rest) > int(nameAt); {
			size := int(binary.NativeEndian.Uint16(rest[lenAt:]))
			if size <= int(nameAt) || size > len(rest) {
				return
			}
			name := rest[nameAt:size]
			nul := bytes.IndexByte(name, 0)
			// An inode of 0 does not say that the entry is absent: some file systems have files
			// without one.
			if nul >= 0 && string(name[:nul]) != "." && string(name[:nul]) != ".." && !yield(name[:nul], rest[kindAt]) {
				return
			}
			rest = rest[size:]
		}
	}
}
