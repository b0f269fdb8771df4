package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// servedFs is served for the methods of afero.Fs. There is a file "f" and a collection "d" with
// "d/f".
func servedFs(t *testing.T, noKernel bool) (f *Fs, root, outside string) {
	t.Helper()
	b, root, outside := served(t)
	b.noKernel = noKernel
	makeTree(t, root, "f", "d/f")
	return &Fs{b}, root, outside
}

func TestFsOpenFile(t *testing.T) {
	const w = os.O_WRONLY
	for _, tt := range []struct {
		what, name string
		flag       int
		err        error
		content    string // of the file afterwards, to which "new" was written
	}{
		{"a new file without O_CREATE", "new", w, fs.ErrNotExist, ""},
		{"a new file", "new", w | os.O_CREATE, nil, "new"},
		{"a new file, O_EXCL", "new", w | os.O_CREATE | os.O_EXCL, nil, "new"},
		{"a new file, O_TRUNC", "new", w | os.O_CREATE | os.O_TRUNC, nil, "new"},
		{"a new file, O_APPEND", "new", w | os.O_CREATE | os.O_APPEND, nil, "new"},
		{"an old file", "old", w, nil, "new content"},
		{"an old file, O_CREATE", "old", w | os.O_CREATE, nil, "new content"},
		{"an old file, O_TRUNC", "old", w | os.O_TRUNC, nil, "new"},
		{"an old file, O_CREATE and O_TRUNC", "old", w | os.O_CREATE | os.O_TRUNC, nil, "new"},
		{"an old file, O_APPEND", "old", w | os.O_APPEND, nil, "old contentnew"},
		{"an old file, O_CREATE and O_APPEND", "old", w | os.O_CREATE | os.O_APPEND, nil, "old contentnew"},
		{"an old file, O_EXCL", "old", w | os.O_CREATE | os.O_EXCL, fs.ErrExist, "old content"},
		{"an old file, O_EXCL and O_TRUNC", "old", w | os.O_CREATE | os.O_EXCL | os.O_TRUNC, fs.ErrExist, "old content"},
		{"an old file, O_RDONLY", "old", os.O_RDONLY, syscall.EBADF, "old content"},
		{"an old file, O_RDWR", "old", os.O_RDWR, nil, "new content"},
		{"through a link", "link", w | os.O_CREATE, nil, "new content"},
		{"through a link, O_TRUNC", "link", w | os.O_CREATE | os.O_TRUNC, nil, "new"},
		{"a link, O_EXCL and O_TRUNC", "link", w | os.O_CREATE | os.O_EXCL | os.O_TRUNC, fs.ErrExist, "old content"},
		{"a broken link", "broken", w, fs.ErrNotExist, ""},
		{"a broken link, O_CREATE", "broken", w | os.O_CREATE, fs.ErrPermission, ""},
		{"a directory", "d", w | os.O_CREATE, syscall.EISDIR, ""},
		{"a directory, O_RDONLY and O_CREATE", "d", os.O_CREATE, syscall.EISDIR, ""},
		{"no parent", "none/new", w | os.O_CREATE, fs.ErrNotExist, ""},
		{"a file as parent", "old/new", w | os.O_CREATE, syscall.ENOTDIR, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, noKernel bool) {
				f, root, _ := servedFs(t, noKernel)
				write(t, filepath.Join(root, "old"), "old content")
				symlink(t, "old", filepath.Join(root, "link"))
				symlink(t, "nowhere", filepath.Join(root, "broken"))
				file, err := f.OpenFile(tt.name, tt.flag, 0o640)
				if err == nil {
					if file.Name() != tt.name {
						t.Errorf("its name is %s", file.Name())
					}
					_, err = file.WriteString("new")
					if e := file.Close(); err == nil {
						err = e
					}
				}
				if tt.err == syscall.EBADF && runtime.GOOS == "windows" {
					if err == nil {
						t.Error("no error")
					}
				} else if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if at := (*fs.PathError)(nil); err != nil && (!errors.As(err, &at) || at.Path != tt.name) {
					t.Errorf("%q does not blame %s", err, tt.name)
				}
				b, _ := os.ReadFile(filepath.Join(root, tt.name))
				if string(b) != tt.content {
					t.Errorf("it holds %q, want %q", b, tt.content)
				}
				if fi, err := os.Stat(filepath.Join(root, "new")); err == nil && runtime.GOOS != "windows" && fi.Mode().Perm()&^0o640 != 0 {
					t.Errorf("its mode is %v", fi.Mode())
				}
				if _, err := os.Lstat(filepath.Join(root, "nowhere")); err == nil {
					t.Error("something came into being behind a broken link")
				}
			})
		})
	}
}

// Nothing leads out, nor to the server's own files by way of a link; and no error says where the
// directory is.
func TestFsIsAJail(t *testing.T) {
	for _, in := range []string{"out", "abs", "own", "d/up-out", "through/up-out"} {
		for _, below := range []string{"", "/secret", "/new"} {
			t.Run(in+below, func(t *testing.T) {
				inBothModes(t, func(t *testing.T, noKernel bool) {
					f, root, outside := servedFs(t, noKernel)
					makeTree(t, root, "e/")
					makeTree(t, root, ".dav207/")
					write(t, filepath.Join(root, ".dav207", "secret"), "secret")
					for name, target := range map[string]string{"out": "../outside", "abs": outside, "own": ".dav207", "d/up-out": "../../outside", "through": "d"} {
						symlink(t, target, filepath.Join(root, name))
					}
					before := must2(os.Stat(filepath.Join(outside, "secret"))).ModTime()
					name := in + below
					_, statErr := f.Stat(name)
					_, openErr := f.Open(name)
					errs := map[string]error{"Stat": statErr, "Open": openErr,
						"Chmod": f.Chmod(name, 0o600), "Chtimes": f.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)), "Chown": f.Chown(name, 0, 0)}
					_, createErr := f.Create(name)
					for what, flag := range map[string]int{"append": os.O_APPEND, "excl": os.O_EXCL, "trunc": os.O_TRUNC} {
						_, errs[what] = f.OpenFile(name, os.O_WRONLY|flag, 0)
						_, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, 0o666)
						if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrExist) {
							t.Errorf("OpenFile O_CREATE %s = %v, want %v", what, err, fs.ErrPermission)
						}
						errs["O_CREATE "+what] = err
					}
					errs["Create"], errs["MkdirAll"] = createErr, f.MkdirAll(name+"/x", 0o777)
					if below != "" {
						_, _, lstatErr := f.LstatIfPossible(name)
						errs["Lstat"], errs["Mkdir"], errs["Remove"] = lstatErr, f.Mkdir(name, 0o777), f.Remove(name)
						errs["Rename in"], errs["Rename out"] = f.Rename("f", name), f.Rename(name, "got")
						errs["Rename of a directory"] = f.Rename("e", name)
						if err := f.RemoveAll(name); err != nil {
							errs["RemoveAll"] = err
						}
					}
					for what, err := range errs {
						if err == nil {
							t.Errorf("%s: no error", what)
						} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrExist) {
							t.Errorf("%s: %v", what, err)
						} else if strings.Contains(err.Error(), filepath.Dir(root)) {
							t.Errorf("%s: %q tells a path of the host", what, err)
						}
					}
					for what, want := range map[string]error{"Stat": fs.ErrNotExist, "Open": fs.ErrNotExist, "Create": fs.ErrPermission, "MkdirAll": fs.ErrPermission} {
						if !errors.Is(errs[what], want) {
							t.Errorf("%s = %v, want %v", what, errs[what], want)
						}
					}
					for _, dir := range []string{outside, filepath.Join(root, ".dav207")} {
						if got := namesIn(t, dir); !slices.Equal(got, []string{"secret"}) || read(t, filepath.Join(dir, "secret")) != "secret" {
							t.Errorf("%s holds %q", dir, got)
						}
					}
					if fi := must2(os.Stat(filepath.Join(outside, "secret"))); !fi.ModTime().Equal(before) {
						t.Error("the time of the secret was changed")
					}
				})
			})
		}
	}
}

// Dot segments lead no higher than the root, and the root itself stays.
func TestFsRoot(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		f, root, outside := servedFs(t, noKernel)
		for _, name := range []string{"f", "/f", "./f", "../f", "/../../f", "d/../f", "d/../../f", "//f", "f/"} {
			if got, err := afero.ReadFile(f, name); string(got) != "f" || err != nil {
				t.Errorf("%s holds %q, %v", name, got, err)
			}
		}
		if _, err := f.Stat("../outside/secret"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat = %v, want %v", err, fs.ErrNotExist)
		}
		for _, name := range []string{"", "/", ".", "..", "d/.."} {
			if fi, err := f.Stat(name); err != nil || !fi.IsDir() {
				t.Errorf("Stat %q = %v, %v", name, fi, err)
			}
			for what, err := range map[string]error{"Remove": f.Remove(name), "RemoveAll": f.RemoveAll(name), "Rename": f.Rename(name, "x"),
				"Rename over it": f.Rename("d", name), "Mkdir": f.Mkdir(name, 0o777)} {
				if err == nil {
					t.Errorf("%s %q: no error", what, name)
				} else if strings.Contains(err.Error(), root) {
					t.Errorf("%s: %q tells a path of the host", what, err)
				}
			}
		}
		for _, name := range []string{"nul\x00", "d/nul\x00/x"} {
			if _, err := f.Create(name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("Create %q = %v, want %v", name, err, fs.ErrInvalid)
			}
		}
		if got := allBelow(t, filepath.Dir(root)); !slices.Equal(got, []string{"outside/", "outside/secret", "served/", "served/d/", "served/d/f", "served/f"}) {
			t.Errorf("there is %q", got)
		}
		must(t, f.Rename("/d", "../e"))
		must(t, f.RemoveAll("e"))
		if got := namesIn(t, outside); len(got) != 1 {
			t.Errorf("outside holds %q", got)
		}
	})
}

// RemoveAll removes links and does not follow them.
func TestFsRemoveAll(t *testing.T) {
	f, root, outside := servedFs(t, false)
	symlink(t, "../../outside", filepath.Join(root, "d", "out"))
	symlink(t, "../outside", filepath.Join(root, "out"))
	must(t, f.RemoveAll("d"))
	must(t, f.RemoveAll("out"))
	must(t, f.RemoveAll("none"))
	if got := allBelow(t, root); !slices.Equal(got, []string{"f"}) {
		t.Errorf("left %q", got)
	}
	if got := namesIn(t, outside); len(got) != 1 {
		t.Errorf("outside holds %q", got)
	}
}

// An open file has the name that the caller used, in its errors, too, and a directory describes its
// own members.
func TestFsFile(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		f, root, _ := servedFs(t, noKernel)
		symlink(t, "f", filepath.Join(root, "d", "link"))
		dir, err := f.Open("d")
		must(t, err)
		defer dir.Close()
		infos, err := dir.Readdir(-1)
		must(t, err)
		var got []string
		for _, fi := range infos {
			got = append(got, fi.Name()+" "+fi.Mode().Type().String())
		}
		if slices.Sort(got); !slices.Equal(got, []string{"f ----------", "link L---------"}) {
			t.Errorf("Readdir = %q", got)
		}
		_, dirErr := dir.Read(make([]byte, 1))
		file, err := f.OpenFile("d/f", os.O_RDWR, 0)
		must(t, err)
		if fi, err := file.Stat(); err != nil || fi.Name() != "f" || fi.Size() != 3 {
			t.Errorf("Stat = %v, %v", fi, err)
		}
		b := make([]byte, 2)
		if n, err := file.ReadAt(b, 1); n != 2 || err != nil || string(b) != "/f" {
			t.Errorf("ReadAt = %d, %v, %q", n, err, b)
		}
		if n, err := file.WriteAt([]byte("12"), 3); n != 2 || err != nil {
			t.Errorf("WriteAt = %d, %v", n, err)
		}
		must(t, file.Truncate(4))
		must(t, file.Sync())
		if got := string(must2(io.ReadAll(file))); got != "d/f1" {
			t.Errorf("it holds %q", got)
		}
		if n, err := file.Read(b); n != 0 || err != io.EOF {
			t.Errorf("Read at the end = %d, %v", n, err)
		}
		_, seekErr := file.Seek(-1, io.SeekStart)
		_, listErr := file.Readdirnames(-1)
		_, readdirErr := file.Readdir(-1)
		must(t, file.Close())
		_, readErr := file.Read(b)
		_, readAtErr := file.ReadAt(b, 0)
		_, writeErr := file.Write(b)
		_, writeAtErr := file.WriteAt(b, 0)
		_, stringErr := file.WriteString("x")
		_, statErr := file.Stat()
		for what, err := range map[string]error{"Seek": seekErr, "Readdirnames": listErr, "Readdir": readdirErr, "Read": readErr, "ReadAt": readAtErr,
			"Write": writeErr, "WriteAt": writeAtErr, "WriteString": stringErr, "Stat": statErr, "Truncate": file.Truncate(0), "Sync": file.Sync(), "Close": file.Close()} {
			if at := (*fs.PathError)(nil); !errors.As(err, &at) || at.Path != "d/f" {
				t.Errorf("%s: %v does not blame d/f", what, err)
			}
		}
		if at := (*fs.PathError)(nil); !errors.As(dirErr, &at) || at.Path != "d" {
			t.Errorf("Read of a directory: %v does not blame it", dirErr)
		}
	})
}

// The layers of afero go over it, and are served.
func TestFsBelowLayers(t *testing.T) {
	at := davpath.Must
	t.Run("ReadOnlyFs", func(t *testing.T) {
		f, root, _ := servedFs(t, false)
		symlink(t, "../outside", filepath.Join(root, "out"))
		before := allBelow(t, root)
		b := fsbackend.New(afero.NewReadOnlyFs(f))
		for what, err := range map[string]error{
			"Create": put(b, "/f", "x"), "Create new": put(b, "/new", "x"), "Mkdir": b.Mkdir(ctx, at("/x")), "Remove": b.Remove(ctx, at("/f")),
			"Rename": b.Rename(ctx, at("/f"), at("/g")), "CopyFile": b.CopyFile(ctx, at("/f"), at("/g")), "SetModTime": b.SetModTime(ctx, at("/f"), time.Now()),
		} {
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s = %v, want %v", what, err, fs.ErrPermission)
			}
		}
		if got, err := get(b, "/d/f"); got != "d/f" || err != nil {
			t.Errorf("it holds %q, %v", got, err)
		}
		if _, err := get(b, "/out/secret"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("outside: %v, want %v", err, fs.ErrNotExist)
		}
		file, err := b.Open(ctx, at("/f"))
		must(t, err)
		if _, ok := file.(syscall.Conn); !ok {
			t.Errorf("opened %T: sendfile wants a syscall.Conn", file)
		}
		want, err := f.Backend().Stat(ctx, at("/f"))
		must(t, err)
		if fi := must2(file.Stat()); tag(t, fi) != tag(t, want) {
			t.Errorf("ETag by the handle = %s, want %s", tag(t, fi), tag(t, want))
		}
		must(t, file.Close())
		if _, err := file.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), root) {
			t.Errorf("Read after Close = %v", err)
		}
		if infos, err := list(b, "/d"); err != nil || len(infos) != 1 || infos[0].Name() != "f" {
			t.Errorf("/d holds %v, %v", infos, err)
		}
		if got := allBelow(t, root); !slices.Equal(got, before) {
			t.Errorf("there is %q", got)
		}
	})
	t.Run("CopyOnWriteFs", func(t *testing.T) {
		base, root, _ := servedFs(t, false)
		layer, above, outside := served(t)
		symlink(t, "../outside", filepath.Join(above, "out"))
		b := fsbackend.New(afero.NewCopyOnWriteFs(base, &Fs{layer}))
		must(t, put(b, "/f", "changed"))
		must(t, put(b, "/d/new", "new"))
		must(t, b.Mkdir(ctx, at("/made")))
		if err := put(b, "/out/secret", "x"); err == nil {
			t.Error("the layer can be left")
		}
		for name, want := range map[string]string{"/f": "changed", "/d/f": "d/f", "/d/new": "new"} {
			if got, err := get(b, name); got != want || err != nil {
				t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
			}
		}
		if got := allBelow(t, root); !slices.Equal(got, []string{"d/", "d/f", "f"}) || read(t, filepath.Join(root, "f")) != "f" {
			t.Errorf("below there is %q", got)
		}
		if got := allBelow(t, above); !slices.Equal(got, []string{"d/", "d/new", "f", "made/", "out"}) {
			t.Errorf("the layer holds %q", got)
		}
		if got := read(t, filepath.Join(outside, "secret")); got != "secret" {
			t.Errorf("the secret is %q now", got)
		}
	})
}
