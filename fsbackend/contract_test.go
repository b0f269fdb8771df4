package fsbackend_test

import (
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/backendtest"
	"dav207/fsbackend/faultfs"
)

func openDisk(t *testing.T) *fsbackend.Disk {
	t.Helper()
	d, err := fsbackend.Root(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestContract(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) webdav.FileSystem{
		"Root": func(t *testing.T) webdav.FileSystem { return openDisk(t) },
		"Root with Sync": func(t *testing.T) webdav.FileSystem {
			d := openDisk(t)
			d.Sync = true
			return d
		},
		"Memory": func(t *testing.T) webdav.FileSystem { return fsbackend.New(fsbackend.Memory()) },
		"Memory with capacity": func(t *testing.T) webdav.FileSystem {
			return fsbackend.New(fsbackend.NewMemory(&fsbackend.MemoryOptions{Capacity: 1 << 30}))
		},
		"MemMapFs": func(t *testing.T) webdav.FileSystem { return fsbackend.New(afero.NewMemMapFs()) },
		"BasePathFs": func(t *testing.T) webdav.FileSystem {
			return fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), t.TempDir()))
		},
		"faultfs over Root":   func(t *testing.T) webdav.FileSystem { return faultfs.New(openDisk(t)) },
		"faultfs over Memory": func(t *testing.T) webdav.FileSystem { return faultfs.New(fsbackend.New(fsbackend.Memory())) },
	} {
		t.Run(name, func(t *testing.T) { backendtest.Test(t, open) })
	}
}
