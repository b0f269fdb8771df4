package quota_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/backendtest"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/fsbackend/quota"
	"dav207/server/davpath"
)

func at(name string) davpath.Path { return davpath.Must(name) }

func open(t *testing.T, files fsbackend.Backend, limits ...*quota.Limit) *quota.Backend {
	t.Helper()
	b, err := quota.New(t.Context(), files, limits...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openDisk(t *testing.T, dir string, o *disk.Options) fsbackend.Backend {
	t.Helper()
	d, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.Backend()
}

// wantExact fails unless the numbers are those of another count, and nothing is reserved.
func wantExact(t *testing.T, b *quota.Backend, limit *quota.Limit) {
	t.Helper()
	used, left := limit.Usage()
	if err := b.Recount(context.Background()); err != nil {
		t.Fatal(err)
	}
	if now, room := limit.Usage(); now != used || room != left {
		t.Errorf("used %d, left %d; counted again: %d, %d", used, left, now, room)
	}
	limit.SetMax(used)
	if _, left := limit.Usage(); left != 0 {
		t.Errorf("%d bytes are left of a limit that is used up", left)
	}
	limit.SetMax(used + 1)
	if _, left := limit.Usage(); left != 1 {
		t.Errorf("%d bytes are left of 1: something is still reserved", left)
	}
}

func TestContract(t *testing.T) {
	linux, unix, dir := runtime.GOOS == "linux", runtime.GOOS != "windows", ""
	onDisk := backendtest.Claims{CopyTree: linux, RemoveTree: linux, Exceeding: linux, SetModTime: true, Usage: true,
		UnchangedSince: unix, Identity: unix, FileLinks: true, RealPath: true}
	if info, err := openDisk(t, t.TempDir(), nil).Stat(t.Context(), at("/")); err == nil {
		onDisk.Birth = !info.Birth.IsZero()
	}
	if unix {
		onDisk.Symlink = func(target, name string) error {
			return os.Symlink(filepath.FromSlash(target), filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	synced := onDisk
	synced.CopyTree, synced.Sync = false, true
	for _, tt := range []struct {
		name   string
		claims backendtest.Claims
		files  func(t *testing.T) fsbackend.Backend
	}{
		{"disk", onDisk, func(t *testing.T) fsbackend.Backend { return openDisk(t, dir, nil) }},
		{"disk with Sync", synced, func(t *testing.T) fsbackend.Backend { return openDisk(t, dir, &disk.Options{Sync: true}) }},
		{"memory", backendtest.Claims{SetModTime: true, Usage: true, UnchangedSince: true, Identity: true, Birth: true},
			func(*testing.T) fsbackend.Backend { return memory.New(nil).Backend() }},
		{"an adapter", backendtest.Claims{SetModTime: true, Usage: true},
			func(*testing.T) fsbackend.Backend { return fsbackend.New(afero.NewMemMapFs()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backendtest.Test(t, tt.claims, func(t *testing.T) fsbackend.Backend {
				dir = t.TempDir()
				limit := quota.NewLimit(1 << 30)
				b := open(t, tt.files(t), limit)
				t.Cleanup(func() {
					switch part := filepath.Base(t.Name()); {
					case strings.HasPrefix(part, "Concurrent"): // changes of one file overlap
					case part == "Remove", part == "CopyTree", part == "RemoveTreeLeaves": // temp files get content as others do
					default:
						wantExact(t, b, limit)
					}
				})
				return b
			})
		})
	}
}
