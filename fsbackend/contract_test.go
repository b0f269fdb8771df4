package fsbackend_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/backendtest"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
)

func openDisk(t *testing.T, dir string, o *disk.Options) *disk.Fs {
	t.Helper()
	d, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestContract(t *testing.T) {
	dir := "" // of the back end that was opened last
	onHost := func(open func(t *testing.T) fsbackend.Backend) func(t *testing.T) fsbackend.Backend {
		return func(t *testing.T) fsbackend.Backend {
			dir = t.TempDir()
			return open(t)
		}
	}
	symlink := func(target, name string) error {
		return os.Symlink(filepath.FromSlash(target), filepath.Join(dir, filepath.FromSlash(name)))
	}
	if runtime.GOOS == "windows" { // making them is a privilege there
		symlink = nil
	}
	linux, unix := runtime.GOOS == "linux", runtime.GOOS != "windows"
	onDisk := backendtest.Claims{CopyTree: linux, RemoveTree: linux, Exceeding: linux, SetModTime: true, Usage: true,
		UnchangedSince: unix, Identity: unix, Birth: hasBirth(t.TempDir()), Symlink: symlink, FileLinks: true, RealPath: true}
	synced := onDisk
	synced.CopyTree, synced.Sync = false, true
	inMemory := backendtest.Claims{SetModTime: true, UnchangedSince: true, Identity: true, Birth: true}
	limited := inMemory
	limited.Usage = true
	onOS := backendtest.Claims{SetModTime: true, Identity: unix, Birth: !linux, Symlink: symlink, FileLinks: true}
	webdavDir := backendtest.Claims{Identity: unix, Birth: !linux, Symlink: symlink}
	of := func(files func() afero.Fs) func(*testing.T) fsbackend.Backend {
		return func(*testing.T) fsbackend.Backend { return fsbackend.New(files()) }
	}

	for _, tt := range []struct {
		name   string
		claims backendtest.Claims
		open   func(t *testing.T) fsbackend.Backend
	}{
		{"disk", onDisk, onHost(func(t *testing.T) fsbackend.Backend { return openDisk(t, dir, nil).Backend() })},
		{"disk with Sync", synced, onHost(func(t *testing.T) fsbackend.Backend {
			return openDisk(t, dir, &disk.Options{Sync: true}).Backend()
		})},
		{"memory", inMemory, of(func() afero.Fs { return memory.New(nil) })},
		{"memory with capacity", limited, of(func() afero.Fs { return memory.New(&memory.Options{Capacity: 1 << 30}) })},

		{"afero.MemMapFs", backendtest.Claims{SetModTime: true}, of(afero.NewMemMapFs)},
		{"afero.BasePathFs over afero.OsFs", onOS, onHost(func(t *testing.T) fsbackend.Backend {
			return fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), dir))
		})},
		{"afero.BasePathFs over disk", backendtest.Claims{SetModTime: true, Identity: unix, Birth: hasBirth(t.TempDir()), Symlink: symlink,
			FileLinks: true}, onHost(func(t *testing.T) fsbackend.Backend {
			return fsbackend.New(afero.NewBasePathFs(openDisk(t, dir, nil), "/"))
		})},
		{"afero.BasePathFs over memory", backendtest.Claims{SetModTime: true, Identity: true, Birth: true}, of(func() afero.Fs {
			m := memory.New(nil)
			m.Mkdir("/base", 0o777)
			return afero.NewBasePathFs(m, "/base")
		})},
		{"afero.CopyOnWriteFs over memory", backendtest.Claims{SetModTime: true, Identity: true, Birth: true}, of(func() afero.Fs {
			return afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(memory.New(nil)), memory.New(nil))
		})},

		{"webdav.Dir", webdavDir, onHost(func(t *testing.T) fsbackend.Backend { return fsbackend.FromWebDAV(webdav.Dir(dir)) })},
		{"webdav.NewMemFS", backendtest.Claims{}, func(t *testing.T) fsbackend.Backend {
			return fsbackend.FromWebDAV(webdav.NewMemFS())
		}},

		{"faultfs over disk", onDisk, onHost(func(t *testing.T) fsbackend.Backend { return faultfs.New(openDisk(t, dir, nil).Backend()) })},
		{"faultfs over memory", inMemory, func(*testing.T) fsbackend.Backend {
			return faultfs.New(memory.New(nil).Backend())
		}},
		{"faultfs over an adapter", backendtest.Claims{SetModTime: true}, func(*testing.T) fsbackend.Backend {
			return faultfs.New(fsbackend.New(afero.NewMemMapFs()))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { backendtest.Test(t, tt.claims, tt.open) })
	}
}
