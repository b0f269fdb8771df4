package folders

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dav207/cmd/dav207/config"
	"dav207/fsbackend/disk"
	"dav207/server/access"
	"dav207/server/davpath"
)

// open opens the directory home below dir for users, with a quota, and other mounts.
func open(t *testing.T, dir string, others ...config.Mount) (*Folders, []config.Mount) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := append([]config.Mount{{At: "/home/{user}", Dir: filepath.Join(dir, "home", "{user}", "files"), Quota: 1000}}, others...)
	f, err := Open(t.Context(), list, Options{Open: disk.Open, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, list
}

// put makes a file as a user.
func put(f *Folders, user, name string) error {
	ctx := access.WithPrincipal(context.Background(), user)
	u, err := f.Files().Create(ctx, davpath.Must(name))
	if err != nil {
		return err
	}
	defer u.Close()
	_, err = u.Commit(ctx)
	return err
}

// A link in place of the directory of a user leads neither to another user, nor to another mount,
// nor out of all; and nothing is made behind it.
func TestLinksToOtherUsers(t *testing.T) {
	dir := t.TempDir()
	f, _ := open(t, dir)
	home := filepath.Join(dir, "home")
	for _, name := range []string{"bob/files", "carl", "../out/files", "../photos"} {
		if err := os.MkdirAll(filepath.Join(home, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"ann": "bob", "carl/files": "../bob/files", "dora": "../out", "eve": filepath.Join(dir, "photos"), "fred": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(home, name)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "greg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ann", "carl", "dora", "eve", "fred", "greg"} {
		if err := put(f, user, "/home/"+user+"/x"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v, want %v", user, err, fs.ErrPermission)
		}
	}
	for _, name := range []string{"bob/files", "../out/files", "../photos"} {
		if left, _ := os.ReadDir(filepath.Join(home, name)); len(left) > 0 {
			t.Errorf("%s was written to: %v", name, left)
		}
	}
	if err := put(f, "bob", "/home/bob/x"); err != nil {
		t.Errorf("bob, who has no link: %v", err)
	}
}

// The directory above those of all users may be a link: whoever made it also wrote the
// configuration.
func TestLinkAboveAllUsers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("disk", filepath.Join(dir, "home")); err != nil {
		t.Skip(err)
	}
	f, _ := open(t, dir)
	if err := put(f, "ann", "/home/ann/x"); err != nil {
		t.Error(err)
	}
}

// What another process has put in place of a directory is served after the next Replace, and a
// directory that is gone is an error, as at the start. One of a user is made again.
func TestReplacedDirectories(t *testing.T) {
	dir := t.TempDir()
	photos := filepath.Join(dir, "photos")
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	f, list := open(t, dir, config.Mount{At: "/photos", Dir: photos})
	replace := func() error {
		release, err := f.Replace(t.Context(), list)
		if err == nil {
			err = release()
		}
		return err
	}
	for _, name := range []string{"/photos/x", "/home/ann/x"} {
		if err := put(f, "ann", name); err != nil {
			t.Fatal(err)
		}
	}
	ann := filepath.Join(dir, "home", "ann")
	for _, name := range []string{photos, ann} {
		if err := os.Rename(name, name+".old"); err != nil {
			t.Skip(err)
		}
	}
	if err := replace(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory is gone: %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	// A request that began before still has the tree of ann.
	held := f.table.Binder()(access.WithPrincipal(t.Context(), "ann"))
	release, err := f.Replace(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for name, at := range map[string]string{"/photos/y": photos + "/y", "/home/ann/y": ann + "/files/y"} {
		if err := put(f, "ann", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(at); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.Files().Stat(held, davpath.Must("/home/ann/x")); err != nil {
		t.Errorf("a request that began before: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := put(f, "ann", "/home/ann/z"); err != nil {
		t.Error(err)
	}
}

// A request that began two reloads ago has what the second one has removed, whichever of those
// between ends first.
func TestRequestOfTwoReloadsAgo(t *testing.T) {
	dir := t.TempDir()
	photos := filepath.Join(dir, "photos")
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	f, list := open(t, dir, config.Mount{At: "/photos", Dir: photos})
	ctx := f.table.Binder()(access.WithPrincipal(t.Context(), "ann"))
	for _, name := range []string{"/photos/x", "/home/ann/x"} {
		u, err := f.Files().Create(ctx, davpath.Must(name))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		first, err := f.Replace(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.Replace(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := second(); err != nil {
			t.Error(err)
		}
		if _, err := u.Commit(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.Files().Stat(ctx, davpath.Must(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "/home/ann/x" { // the last request that has them
			if err := first(); err != nil {
				t.Error(err)
			}
		}
		third, err := f.Replace(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		third()
	}
}

// While files are counted, or a directory is opened that takes long, requests, checks and other
// reloads go on.
func TestNobodyWaitsForAWalk(t *testing.T) {
	dir := t.TempDir()
	slow := filepath.Join(dir, "slow")
	if err := os.Mkdir(slow, 0o755); err != nil {
		t.Fatal(err)
	}
	f, list := open(t, dir)
	if err := put(f, "ann", "/home/ann/x"); err != nil {
		t.Fatal(err)
	}
	walking, end := make(chan bool), make(chan bool)
	var done sync.WaitGroup
	done.Go(func() {
		f.each(func(*tree) error {
			walking <- true
			<-end
			return nil
		})
	})
	<-walking
	inTime := func(what string, do func() error) {
		t.Helper()
		ended := make(chan error, 1)
		go func() { ended <- do() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s waits", what)
		}
	}
	inTime("a reload", func() error {
		release, err := f.Replace(t.Context(), list)
		if err == nil {
			err = release()
		}
		return err
	})
	inTime("a request", func() error { return put(f, "ann", "/home/ann/y") })
	f.opts.Open = func(dir string, o *disk.Options) (*disk.Fs, error) {
		walking <- true
		<-end
		return disk.Open(dir, o)
	}
	done.Go(func() {
		if release, err := f.Replace(t.Context(), append(list, config.Mount{At: "/slow", Dir: slow})); err != nil || release() != nil {
			t.Error(err)
		}
	})
	<-walking
	inTime("a check", func() error { return f.Check(t.Context()) })
	inTime("a request", func() error { return put(f, "ann", "/home/ann/z") })
	close(end)
	done.Wait()
}

// However many reloads there are, at most one count runs and one waits.
func TestRecountsDoNotPileUp(t *testing.T) {
	f, _ := open(t, t.TempDir())
	f.recounting.Lock()
	const all = 20
	ended := make(chan error, all)
	for range all {
		go func() { ended <- f.Recount(t.Context()) }()
	}
	for range all - 1 {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("more than one waits")
		}
	}
	f.recounting.Unlock()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := f.Recount(t.Context()); err != nil || f.recounts.Load() {
		t.Errorf("the next one: %v", err)
	}
}

// Many requests at once open the tree of a user once.
func TestFirstRequestsOfAUser(t *testing.T) {
	dir := t.TempDir()
	f, list := open(t, dir)
	var opened sync.Map
	f.opts.Open = func(dir string, o *disk.Options) (*disk.Fs, error) {
		if _, again := opened.LoadOrStore(dir, true); again {
			t.Errorf("%s is opened again", dir)
		}
		return disk.Open(dir, o)
	}
	var done sync.WaitGroup
	for i := range 40 {
		done.Go(func() {
			user := string(rune('a' + i%4))
			if err := put(f, user, "/home/"+user+"/"+string(rune('a'+i))); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	release, err := f.Replace(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 { // the new table takes over what the old one has open
		user := string(rune('a' + i%4))
		if err := put(f, user, "/home/"+user+"/again"); err != nil {
			t.Error(err)
		}
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
