package rfc4918

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/integration/harness"
)

// sparseFile creates a file of a size in which only some pages have data. It skips the test if the
// file system does not have holes.
func sparseFile(t *testing.T, name string, size int64, pages ...int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range pages {
		if _, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 4096), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if used := blocks(t, name); used >= size {
		t.Skipf("the file system has no holes: a file of %d bytes takes %d", size, used)
	}
}

// blocks returns the number of bytes that a file takes on the disk.
func blocks(t *testing.T, name string) int64 {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Sys().(*syscall.Stat_t).Blocks * 512
}

// sameContent fails the test if two files differ.
func sameContent(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s has %d bytes, %s %d, and they differ", a, len(x), b, len(y))
	}
}

// A copy has the content of the source (RFC 4918 §9.8) and takes the same space on the disk: holes
// stay holes if a file, many members or a whole tree is copied.
func TestCopyKeepsHoles(t *testing.T) {
	files := map[string]struct {
		size  int64
		pages []int64
	}{
		"begin": {4 << 20, []int64{0}}, "middle": {4 << 20, []int64{2 << 20, 3 << 20}}, "end": {4 << 20, []int64{4<<20 - 4096}},
		"nothing": {4 << 20, nil}, "odd": {4<<20 + 17, []int64{1 << 20}}, "small": {16 << 10, []int64{8 << 10}}, "huge": {1 << 30, []int64{512 << 20}},
	}
	for _, b := range []struct {
		name string
		open func(t *testing.T, dir string) fsbackend.Backend
	}{
		{"disk", func(t *testing.T, dir string) fsbackend.Backend { return harness.DiskTree(t, dir, nil) }},
		{"disk with Sync", func(t *testing.T, dir string) fsbackend.Backend {
			return harness.DiskTree(t, dir, &disk.Options{Sync: true})
		}},
		{"BasePathFs", func(t *testing.T, dir string) fsbackend.Backend {
			return fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), dir))
		}},
	} {
		for _, volume := range []string{"as it is", "small tmpfs"} {
			t.Run(b.name+" "+volume, func(t *testing.T) {
				dir := t.TempDir()
				if volume != "as it is" {
					harness.MountSmall(t, dir, "8m")
				}
				s := harness.Serve(t, b.open(t, dir), nil)
				s.Want(201, "MKCOL", "/c", "")
				s.Want(201, "MKCOL", "/c/d", "")
				for name, f := range files {
					sparseFile(t, filepath.Join(dir, "c", "d", name), f.size, f.pages...)
				}
				check := func(how, to string) {
					t.Helper()
					for name := range files {
						from, to := filepath.Join(dir, "c", "d", name), filepath.Join(dir, to, name)
						if got, want := blocks(t, to), blocks(t, from); got > want {
							t.Errorf("%s: the copy of %q takes %d bytes on the disk, the source %d", how, name, got, want)
						} else if name != "huge" {
							sameContent(t, from, to)
						}
					}
				}
				s.Want(201, "MKCOL", "/one", "")
				for name := range files {
					s.Want(201, "COPY", "/c/d/"+name, "", "Destination", "dest:/one/"+name)
				}
				check("COPY of one file", "one")
				s.Want(201, "COPY", "/c/", "", "Destination", "dest:/tree/")
				check("COPY of a tree", filepath.Join("tree", "d"))
				s.Want(204, "COPY", "/c/", "", "Destination", "dest:/tree/")
				check("COPY over another", filepath.Join("tree", "d"))
				// If the tree has a lock, the server copies each collection by itself, with its
				// members in batches.
				s.Want(200, "LOCK", "/c/d/small", harness.ExclusiveLock)
				s.Want(201, "COPY", "/c/", "", "Destination", "dest:/members/")
				check("COPY of members", filepath.Join("members", "d"))
				harness.NoTemps(t, dir)
			})
		}
	}
}

func TestMoveToAnotherVolumeKeepsHoles(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"m", "c"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	harness.MountSmall(t, filepath.Join(dir, "m"), "8m")
	s := harness.Serve(t, harness.DiskTree(t, dir, nil), nil)
	const size, page = 64<<20 + 5, 32 << 20
	for _, name := range []string{"f", "c/f"} {
		sparseFile(t, filepath.Join(dir, name), size, page)
	}
	s.Want(201, "MOVE", "/f", "", "Destination", "dest:/m/f")
	s.Want(201, "MOVE", "/c/", "", "Destination", "dest:/m/c/")
	for _, name := range []string{"m/f", "m/c/f"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if used := blocks(t, filepath.Join(dir, name)); len(b) != size || bytes.Count(b, []byte("x")) != 4096 || b[page] != 'x' || used > 1<<20 {
			t.Errorf("%s has %d bytes and takes %d on the disk", name, len(b), used)
		}
	}
}
