package clients

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// davfs is a server that is mounted with davfs2.
type davfs struct {
	*client // mount; shell runs other programs
	url     string
	at      string // the mount point
	config  string
}

// newDavfs configures davfs2 for the server. It skips the test if mounting is not possible.
func newDavfs(s *harness.Site) *davfs {
	s.Helper()
	mount := harness.RealClient(s, "mount", "apt-get install mount")
	harness.RealClient(s, "mount.davfs", "apt-get install davfs2")
	if os.Getuid() != 0 {
		harness.CannotRun(s, "davfs2 needs root to mount: run the test as root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		harness.CannotRun(s, "davfs2 needs /dev/fuse: modprobe fuse, or give the container the device")
	}
	// The daemon runs as another user, who needs access to the cache.
	owner, err := user.Lookup("davfs2")
	if err != nil {
		s.Fatal(err)
	}
	gid, err := strconv.Atoi(owner.Gid)
	if err != nil {
		s.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "dav207-davfs2-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := os.RemoveAll(filepath.Join(dir, "cache")); err != nil {
			s.Error(err)
		}
		for _, name := range []string{"davfs2.conf", "mnt", ""} { // not RemoveAll, which would empty the server if it is still mounted
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				s.Error(err)
			}
		}
	})
	d := &davfs{client: &client{TB: s, path: mount}, url: s.At("/"), at: filepath.Join(dir, "mnt"),
		config: filepath.Join(dir, "davfs2.conf")}
	cache := filepath.Join(dir, "cache")
	for _, err := range []error{
		os.Chmod(dir, 0o711),
		os.Mkdir(d.at, 0o755),
		os.Mkdir(cache, 0o700),
		os.Chown(cache, 0, gid),
		os.Chmod(cache, 0o770),
		os.WriteFile(d.config, []byte("cache_dir "+cache+"\nask_auth 0\nuse_locks 1\ndelay_upload 1\nbuf_size 128\ncache_size 1000\n"), 0o600),
	} {
		if err != nil {
			s.Fatal(err)
		}
	}
	return d
}

// mount mounts the server. It is unmounted at the end of the test in any case.
func (d *davfs) mount() {
	d.Helper()
	d.run("-t", "davfs", "-o", "conf="+d.config, d.url, d.at)
	d.Cleanup(func() {
		if !mountedAt(d, d.at) {
			return
		}
		if err := d.unmount(); err != nil {
			d.Error(err)
			exec.Command("umount", "--lazy", d.at).Run()
		}
	})
}

// unmount unmounts the server and waits until davfs2 has sent all files.
func (d *davfs) unmount() error {
	c := client{TB: d, path: "umount"}
	_, err := c.try(d.at)
	return err
}

// remount mounts the server again, with an empty cache.
func (d *davfs) remount() {
	d.Helper()
	if err := d.unmount(); err != nil {
		d.Fatal(err)
	}
	cache := filepath.Join(filepath.Dir(d.config), "cache")
	left, err := os.ReadDir(cache)
	if err != nil {
		d.Fatal(err)
	}
	for _, e := range left {
		if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
			d.Fatal(err)
		}
	}
	d.mount()
}

// shell runs a script in the mounted directory. Its arguments are $1 and so on.
func (d *davfs) shell(script string, args ...string) string {
	d.Helper()
	c := client{TB: d, path: limited(d), dir: d.at, env: []string{
		"HOME=" + filepath.Dir(d.config), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}}
	return c.run(append([]string{limit, "sh", "-euc", script, "sh"}, args...)...)
}

// TestDavfs2 changes files in a mounted directory and checks the results after a new mount, because
// the old one reads from its cache.
func TestDavfs2(t *testing.T) {
	harness.RealClient(t, "git", "apt-get install git")
	eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
		t.Parallel() // davfs2 waits for a second before it sends a file, and for more when it ends
		d := newDavfs(s)
		local := oddTree(t)
		work := t.TempDir()
		large := filepath.Join(work, "large")
		size := 200 << 20
		if testing.Short() {
			size = 8 << 20
		}
		harness.WriteFile(t, large, size)

		d.mount()
		d.shell(`cp -a "$1" copied`, local)
		d.shell(`tar -C "$1" -cf "$2" . && mkdir extracted && tar -C extracted -xf "$2"`, local, filepath.Join(work, "tar"))
		d.shell(`
			git init -q -b main "$1"
			cp -r "$2/many" "$1"
			git -C "$1" add -A && git -C "$1" commit -qm one
			git clone -q "$1" clone 2>&1
			cd clone
			echo two >many/two && git add -A && git commit -qm two
			git gc -q
			git fsck --strict`, filepath.Join(work, "repo"), local)
		d.shell(`
			echo old >name && echo new >other && mv other name && [ "$(cat name)" = new ]
			mkdir from to && echo x >from/x && mv from to/there
			echo gone >gone && rm gone
			echo 1 >grown && echo 2 >>grown && echo 3 >>grown
			echo "echo run" >script && chmod +x script`)
		d.shell(`cp "$1" large && cmp "$1" large`, large)
		free := d.shell(`df -B1 --output=avail . | tail -n 1`)

		d.remount()
		sameTree(t, filepath.Join(d.at, "copied"), local, false)
		sameTree(t, filepath.Join(d.at, "extracted"), local, false)
		d.shell(`
			cd clone
			git fsck --strict
			[ "$(git log --format=%s | tr "\n" ,)" = two,one, ]
			[ -z "$(git status --porcelain)" ]
			git checkout -q HEAD~1 && [ ! -e many/two ]`)
		d.shell(`
			[ "$(cat name)" = new ] && [ ! -e other ]
			[ "$(cat to/there/x)" = x ] && [ ! -e from ]
			[ ! -e gone ]
			[ "$(tr "\n" , <grown)" = 1,2,3, ]
			[ "$(./script)" = run ]`)
		d.shell(`cmp "$1" large`, large)
		d.shell(`rm -r copied extracted clone to && [ "$(ls)" = "$(printf "grown\nlarge\nlost+found\nname\nscript")" ]`)
		if err := d.unmount(); err != nil {
			t.Fatal(err)
		}
		if got, want := s.Tree("/"), []string{"/", "/grown", "/large", "/name", "/script"}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("tree = %q, want %q", got, want)
		}
		if dir != "" {
			// Other programs write to this disk at the same time, so the value is approximate.
			want, got := d.freeOn(dir), number(t, free)
			if delta := got - want; delta > 4<<30 || delta < -4<<30 {
				t.Errorf("df reports %d free bytes, want about %d (RFC 4331)", got, want)
			}
		}
	})
}

// freeOn returns the number of free bytes on the disk of a directory.
func (d *davfs) freeOn(dir string) int64 {
	d.Helper()
	c := client{TB: d, path: "df"}
	_, free, _ := strings.Cut(c.run("-B1", "--output=avail", dir), "\n")
	return number(d, free)
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		t.Fatal(fmt.Errorf("df prints %q: %w", s, err))
	}
	return n
}
