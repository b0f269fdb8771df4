package fsbackend

import (
	"bytes"
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// direntBuffers are those that names are read into: large enough that a collection of a thousand takes one or two system calls.
var direntBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// names reads the names of all members that were not read yet, as Readdirnames(-1) of an *os.File does, which allocates every
// name by itself and asks the kernel for a fourth at a time.
func (f *directory) names() ([]string, error) {
	buf := direntBuffers.Get().(*[32 << 10]byte)
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
func appendNames(names []string, dirents []byte) []string {
	const (
		lenAt  = unsafe.Offsetof(unix.Dirent{}.Reclen)
		nameAt = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	// The names go one behind another, over the entries that were read already.
	var ends [(32 << 10) / 24]uint16 // no entry is smaller
	count, end := 0, 0
	for rest := dirents; len(rest) > int(nameAt); {
		size := int(binary.NativeEndian.Uint16(rest[lenAt:]))
		if size <= int(nameAt) || size > len(rest) {
			break
		}
		name := rest[nameAt:size]
		if nul := bytes.IndexByte(name, 0); nul >= 0 {
			name = name[:nul]
		}
		absent := binary.NativeEndian.Uint64(rest) == 0 // by its inode, as every libc has it
		if !absent && string(name) != "." && string(name) != ".." {
			end += copy(dirents[end:], name)
			ends[count] = uint16(end)
			count++
		}
		rest = rest[size:]
	}
	all := string(dirents[:end])
	from := 0
	for _, end := range ends[:count] {
		names = append(names, all[from:end])
		from = int(end)
	}
	return names
}
