package disk

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/server/davpath"
)

// A small file that is open is one like every other.
func TestSmallFile(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		write(t, filepath.Join(root, "f"), "0123456789")
		f, err := b.Open(ctx, davpath.Must("/f"))
		must(t, err)
		if _, small := f.(*smallFile); small == noKernel {
			t.Errorf("opened %T", f)
		}
		if got := string(must2(io.ReadAll(f))); got != "0123456789" {
			t.Errorf("read %q", got)
		}
		if at, err := f.Seek(-3, io.SeekEnd); at != 7 || err != nil {
			t.Errorf("Seek = %d, %v, want 7", at, err)
		}
		if _, err := f.Seek(-8, io.SeekCurrent); err == nil {
			t.Error("Seek before the start: no error")
		}
		// By the system, as sendfile does it: it is one place in the file for all.
		conn := must2(f.(syscall.Conn).SyscallConn())
		two := make([]byte, 2)
		must(t, conn.Read(func(fd uintptr) bool {
			_, err = syscall.Read(int(fd), two)
			return true
		}))
		if rest := string(must2(io.ReadAll(f))); string(two) != "78" || rest != "9" {
			t.Errorf("read %q and %q, want 78 and 9", two, rest)
		}
		if n, err := f.Read(nil); n != 0 || err != nil && err != io.EOF {
			t.Errorf("Read of nothing = %d, %v", n, err)
		}
		must2(f.Stat())
		write(t, filepath.Join(root, "f"), "longer than before")
		if fi := must2(f.Stat()); fi.Size() != 18 || fi.Name() != "f" {
			t.Errorf("a second Stat = %v, want that of now", fi)
		}
		must(t, f.Close())
		_, readErr := f.Read(two)
		_, seekErr := f.Seek(0, io.SeekStart)
		_, statErr := f.Stat()
		for what, err := range map[string]error{"Read": readErr, "Seek": seekErr, "Close": f.Close()} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s after Close = %v, want %v", what, err, fs.ErrClosed)
			}
		}
		// For these package os has an error of its own.
		for what, err := range map[string]error{"Stat": statErr, "Control": conn.Control(func(uintptr) { t.Error("called") })} {
			if err == nil {
				t.Errorf("%s after Close: no error", what)
			}
		}
	})
}

// A file of any size is opened by its first byte and read to its last.
func TestSmallFileLimit(t *testing.T) {
	b, root, _ := served(t)
	for _, size := range []int{0, 1, smallFileSize - 1, smallFileSize, smallFileSize + 1} {
		write(t, filepath.Join(root, "f"), strings.Repeat("x", size))
		if got, err := get(b, "/f"); len(got) != size || err != nil {
			t.Errorf("read %d bytes, %v, want %d", len(got), err, size)
		}
	}
}
