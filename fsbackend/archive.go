package fsbackend

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/spf13/afero"
)

// archive wraps afero's zipfs or tarfs. These know only the directories that have an entry of their
// own in the archive, and most programs write none.
type archive struct {
	afero.Fs
	dirs  afero.Fs            // all directories; not changed once it is made
	files map[string][]string // the names of the files in each
}

// newArchive returns nil for every other file system.
func newArchive(inner afero.Fs) *archive {
	// zipfs and tarfs list names by directory only, and directories are what is missing. Both keep
	// all names in an unexported map of maps. If that changes, the archive is served as it is.
	v := reflect.Indirect(reflect.ValueOf(inner))
	if v.Kind() != reflect.Struct {
		return nil
	}
	switch v.Type().PkgPath() {
	case "github.com/spf13/afero/zipfs", "github.com/spf13/afero/tarfs":
	default:
		return nil
	}
	index := v.FieldByName("files")
	if index.Kind() != reflect.Map || index.Type().Key().Kind() != reflect.String ||
		index.Type().Elem().Kind() != reflect.Map || index.Type().Elem().Key().Kind() != reflect.String {
		return nil
	}
	a := &archive{Fs: inner, dirs: afero.NewMemMapFs(), files: map[string][]string{}}
	for dirs := index.MapRange(); dirs.Next(); {
		dir := clean(filepath.ToSlash(dirs.Key().String()))
		a.dirs.MkdirAll(dir, 0o777)
		for names := dirs.Value().MapRange(); names.Next(); {
			name := names.Key().String()
			if name == "" { // of the root itself
				continue
			}
			full := path.Join(dir, name)
			if fi, err := inner.Stat(filepath.FromSlash(full)); err == nil && fi.IsDir() {
				a.dirs.MkdirAll(full, 0o777)
				a.dirs.Chtimes(full, fi.ModTime(), fi.ModTime())
			} else if err == nil {
				a.files[dir] = append(a.files[dir], name)
			}
		}
	}
	return a
}

func (a *archive) Stat(name string) (fs.FileInfo, error) {
	if fi, err := a.dirs.Stat(name); err == nil {
		return fi, nil
	}
	return a.Fs.Stat(name)
}

func (a *archive) Open(name string) (afero.File, error) {
	if dir, err := a.dirs.Open(name); err == nil {
		names, err := dir.Readdirnames(-1)
		names = append(names, a.files[clean(filepath.ToSlash(name))]...)
		slices.Sort(names)
		return &archiveDir{dir, a, slices.Compact(names)}, err
	}
	f, err := a.Fs.Open(name)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &archiveFile{f, io.NewSectionReader(f, 0, fi.Size())}, nil
}

func (a *archive) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if flag == os.O_RDONLY {
		return a.Open(name)
	}
	return a.Fs.OpenFile(name, flag, perm)
}

// archiveDir is an open directory of an archive.
type archiveDir struct {
	afero.File
	archive *archive
	names   []string // not read yet
}

func (d *archiveDir) Readdirnames(n int) ([]string, error) {
	if n <= 0 || n > len(d.names) {
		if n > 0 && len(d.names) == 0 {
			return nil, io.EOF
		}
		n = len(d.names)
	}
	names := d.names[:n]
	d.names = d.names[n:]
	return names, nil
}

func (d *archiveDir) Readdir(n int) ([]fs.FileInfo, error) {
	names, err := d.Readdirnames(n)
	infos := make([]fs.FileInfo, 0, len(names))
	for _, name := range names {
		fi, err := d.archive.Stat(filepath.Join(d.Name(), name))
		if err != nil {
			return infos, err
		}
		infos = append(infos, fi)
	}
	return infos, err
}

// archiveFile is an open file of an archive. It has its own position: in tarfs all open files of
// one name share one.
type archiveFile struct {
	afero.File
	r *io.SectionReader
}

func (f *archiveFile) Read(b []byte) (int, error)                   { return f.r.Read(b) }
func (f *archiveFile) Seek(offset int64, whence int) (int64, error) { return f.r.Seek(offset, whence) }

func clean(name string) string { return path.Clean("/" + name) }
