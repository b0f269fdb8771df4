package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// What is written in one piece and what is written in many arrives alike.
func TestUpload(t *testing.T) {
	for _, tt := range []struct {
		what, name string
		replaces   string // the content of what is replaced
		err        error
		left       string // in the directory, and what is in it
	}{
		{"a new file", "/d/new", "", nil, "link=old new=content old=old sub"},
		{"a file is replaced", "/d/old", "old", nil, "link=content old=content sub"},
		{"what a link leads to is replaced", "/d/link", "old", nil, "link=content old=content sub"},
		{"a directory", "/d/sub", "", syscall.EISDIR, "link=old old=old sub"},
		{"a link on the way", "/way/new", "", nil, "link=old new=content old=old sub"},
		{"no parent", "/none/new", "", fs.ErrNotExist, "link=old old=old sub"},
		{"a file on the way", "/d/old/new", "", syscall.ENOTDIR, "link=old old=old sub"},
		{"the root", "/", "", syscall.EISDIR, "link=old old=old sub"},
	} {
		for _, pieces := range [][]string{{"content"}, {"con", "", "tent"}} {
			for _, o := range []*Options{nil, {Sync: true}} {
				t.Run(tt.what, func(t *testing.T) {
					inBothModes(t, func(t *testing.T, noKernel bool) {
						_, root, _ := served(t)
						b := open(t, root, o).b
						b.noKernel = noKernel
						makeTree(t, root, "d/sub/")
						write(t, filepath.Join(root, "d", "old"), "old")
						symlink(t, "old", filepath.Join(root, "d", "link"))
						symlink(t, "d", filepath.Join(root, "way"))
						info, err := func() (*fsbackend.Info, error) {
							u, err := b.Create(ctx, davpath.Must(tt.name))
							if err != nil {
								return nil, err
							}
							defer u.Close()
							old := u.Replaces()
							if (old != nil) != (tt.replaces != "") || old != nil && old.Size() != int64(len(tt.replaces)) {
								t.Errorf("Replaces = %v, want %q", old, tt.replaces)
							}
							for _, piece := range pieces {
								if n, err := io.WriteString(u, piece); n != len(piece) || err != nil {
									t.Errorf("Write = %d, %v", n, err)
								}
							}
							return u.Commit(ctx)
						}()
						if !errors.Is(err, tt.err) {
							t.Errorf("error %v, want %v", err, tt.err)
						}
						var left []string
						for _, name := range namesIn(t, filepath.Join(root, "d")) {
							if name != "sub" {
								name += "=" + read(t, filepath.Join(root, "d", name))
							}
							left = append(left, name)
						}
						if got := strings.Join(left, " "); got != tt.left {
							t.Errorf("left %q, want %q", got, tt.left)
						}
						if err != nil {
							return
						}
						there, err := b.Stat(ctx, davpath.Must(tt.name))
						must(t, err)
						if got, want := tag(t, info), tag(t, there); got != want || info.Name() != there.Name() || info.Size() != 7 {
							t.Errorf("Commit says %v %s, want %v %s", info, got, there, want)
						}
					})
				})
			}
		}
	}
}

// A request that is gone at the last step has changed nothing.
func TestUploadCancelled(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		for _, piece := range []string{"", "x"} {
			gone, cancel := context.WithCancel(ctx)
			u, err := b.Create(gone, davpath.Must("/f"))
			must(t, err)
			if piece != "" {
				must2(io.WriteString(u, piece))
			}
			cancel()
			if _, err := u.Commit(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("Commit = %v, want %v", err, context.Canceled)
			}
			if _, err := b.Create(gone, davpath.Must("/f")); !errors.Is(err, context.Canceled) {
				t.Errorf("Create = %v, want %v", err, context.Canceled)
			}
			if got := namesIn(t, root); len(got) > 0 {
				t.Errorf("left %q", got)
			}
		}
	})
}

// The directory in which an upload was begun may go, move or make room for another one: what
// counts is where its name leads when it ends. Nothing of it stays elsewhere.
func TestUploadFollowsItsName(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(t *testing.T, b *backend, root string)
		err    error
		where  string // has the upload then
	}{
		{"nothing", func(*testing.T, *backend, string) {}, nil, "d/f"},
		{"it was moved", func(t *testing.T, b *backend, root string) {
			must(t, b.Rename(ctx, davpath.Must("/d"), davpath.Must("/moved")))
		}, fs.ErrNotExist, ""},
		{"another one came", func(t *testing.T, b *backend, root string) {
			must(t, b.Rename(ctx, davpath.Must("/d"), davpath.Must("/moved")))
			must(t, b.Mkdir(ctx, davpath.Must("/d")))
		}, nil, "d/f"},
		{"it was removed", func(t *testing.T, b *backend, root string) {
			must(t, b.Remove(ctx, davpath.Must("/d")))
		}, fs.ErrNotExist, ""},
		{"it was removed by somebody on the host", func(t *testing.T, b *backend, root string) {
			must(t, os.RemoveAll(filepath.Join(root, "d")))
		}, fs.ErrNotExist, ""},
		{"it was removed and made again", func(t *testing.T, b *backend, root string) {
			must(t, b.Remove(ctx, davpath.Must("/d")))
			must(t, b.Mkdir(ctx, davpath.Must("/d")))
		}, nil, "d/f"},
		{"a file has its name", func(t *testing.T, b *backend, root string) {
			must(t, b.Rename(ctx, davpath.Must("/d"), davpath.Must("/moved")))
			write(t, filepath.Join(root, "d"), "file")
		}, syscall.ENOTDIR, ""},
		{"a link to it has its name", func(t *testing.T, b *backend, root string) {
			must(t, os.Rename(filepath.Join(root, "d"), filepath.Join(root, "moved")))
			symlink(t, "moved", filepath.Join(root, "d"))
		}, nil, "moved/f"},
		{"a link that leads out has its name", func(t *testing.T, b *backend, root string) {
			must(t, os.Rename(filepath.Join(root, "d"), filepath.Join(root, "moved")))
			symlink(t, "../outside", filepath.Join(root, "d"))
		}, fs.ErrPermission, ""},
		{"a link to the server's own files has its name", func(t *testing.T, b *backend, root string) {
			must(t, os.Rename(filepath.Join(root, "d"), filepath.Join(root, "moved")))
			must(t, os.Mkdir(filepath.Join(root, ".dav207"), 0o777))
			symlink(t, ".dav207", filepath.Join(root, "d"))
		}, fs.ErrPermission, ""},
		{"a collection has the name of the file", func(t *testing.T, b *backend, root string) {
			must(t, b.Mkdir(ctx, davpath.Must("/d/f")))
		}, syscall.EISDIR, ""},
		{"its directory above was moved", func(t *testing.T, b *backend, root string) {
			must(t, b.Rename(ctx, davpath.Must("/d"), davpath.Must("/moved")))
			must(t, b.Mkdir(ctx, davpath.Must("/d")))
			must(t, put(b, "/d/f", "another"))
		}, nil, "d/f"},
	} {
		for what, content := range map[string]string{"nothing": "", "before": strings.Repeat("content", 50_000), "after": strings.Repeat("after", 50_000)} {
			late := what == "after" // is it written
			t.Run(tt.what+", written "+what, func(t *testing.T) {
				inBothModes(t, func(t *testing.T, noKernel bool) {
					b, root, outside := served(t)
					b.noKernel = noKernel
					must(t, os.Mkdir(filepath.Join(root, "d"), 0o777))
					before := countLive()
					u, err := b.Create(ctx, davpath.Must("/d/f"))
					must(t, err)
					if content != "" && !late {
						must2(io.WriteString(u, content[:100_000]))
						must2(io.WriteString(u, content[100_000:]))
					}
					tt.change(t, b, root)
					if content != "" && late {
						_, err = io.WriteString(u, content)
					}
					var info *fsbackend.Info
					if err == nil {
						info, err = u.Commit(ctx)
					}
					if !errors.Is(err, tt.err) {
						t.Errorf("Commit = %v, want %v", err, tt.err)
					}
					if at := (*fs.PathError)(nil); err != nil && (!errors.As(err, &at) || at.Path != "/d/f" || strings.Contains(err.Error(), root)) {
						t.Errorf("%q does not blame /d/f", err)
					}
					must(t, u.Close())
					if tt.where != "" {
						if got := read(t, filepath.Join(root, tt.where)); got != content {
							t.Errorf("%s holds %d bytes, want %d", tt.where, len(got), len(content))
						}
						if err == nil && (info == nil || info.Name() != "f" || info.Size() != int64(len(content))) {
							t.Errorf("Commit says %v", info)
						}
					}
					for _, name := range allBelow(t, root) {
						if base := filepath.Base(name); davpath.IsTemp(base) || base == "f" && name != tt.where && name != "d/f/" {
							t.Errorf("%s is left", name)
						}
					}
					if got := namesIn(t, outside); len(got) != 1 {
						t.Errorf("outside holds %q", got)
					}
					if got := countLive(); got != before {
						t.Errorf("%d temp names are live, want %d", got, before)
					}
				})
			})
		}
	}
}

// Readers see one content or the other, whole, and never that nothing is there.
func TestUploadIsAtomic(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, _, _ := served(t)
		b.noKernel = noKernel
		contents := []string{strings.Repeat("a", 3000), strings.Repeat("b", 5000)}
		must(t, put(b, "/f", contents[0]))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range contents {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := put(b, "/f", contents[i]); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 1500 {
			if got, err := get(b, "/f"); err != nil || got != contents[0] && got != contents[1] {
				t.Errorf("read %d bytes, %v", len(got), err)
				break
			}
		}
		close(stop)
		wg.Wait()
	})
}

// A file that goes away while it is about to be replaced leaves nothing to replace: its directory
// is there all the time, and fs.ErrNotExist would say that it is not.
func TestCreateWhileTargetComesAndGoes(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		one, other := filepath.Join(root, "one"), filepath.Join(root, "other")
		write(t, one, "x")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					os.Rename(one, other)
					os.Rename(other, one)
				}
			}
		})
		for range 3000 {
			u, err := b.Create(ctx, davpath.Must("/one"))
			if err != nil {
				t.Errorf("Create = %v", err)
				break
			}
			u.Close()
		}
		close(stop)
		wg.Wait()
	})
}

// With Options.Sync a batch is written when it is asked to be, under the names that its directories
// have by then.
func TestBatch(t *testing.T) {
	_, root, _ := served(t)
	b := open(t, root, &Options{Sync: true}).b
	batch, sync := b.Batch(ctx)
	at := davpath.Must
	must(t, b.Mkdir(batch, at("/d")))
	must(t, b.Mkdir(batch, at("/d/e")))
	must(t, b.Mkdir(batch, at("/d/e/f")))
	must(t, b.Rename(batch, at("/d"), at("/moved")))
	must(t, b.Remove(batch, at("/moved/e/f")))
	dirty := b.batchOf(batch).dirs
	for _, dir := range []string{".", "moved", filepath.Join("moved", "e")} {
		if _, ok := dirty[dir]; !ok {
			t.Errorf("%s is not to be written, but %v", dir, dirty)
		}
	}
	if len(dirty) != 3 {
		t.Errorf("%v are to be written", dirty)
	}
	must(t, sync())
	if len(dirty) > 0 {
		t.Errorf("%v are still to be written", dirty)
	}
	if _, sync := open(t, root, nil).b.Batch(ctx); sync != nil {
		t.Error("without Options.Sync there is something to wait for")
	}
}
