package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// gvfsClient returns a shell in its own D-Bus session, which gvfs needs. It needs no desktop.
func gvfsClient(s *harness.Site) *client {
	s.Helper()
	harness.RealClient(s, "dbus-run-session", "apt-get install dbus-daemon")
	harness.RealClient(s, "gio", "apt-get install libglib2.0-bin")
	const backend = "/usr/libexec/gvfsd-dav"
	if _, err := os.Stat(backend); err != nil {
		harness.CannotRun(s, backend+" is missing: apt-get install gvfs-backends")
	}
	if _, err := os.Stat("/usr/libexec/gvfsd-fuse"); err != nil {
		harness.CannotRun(s, "/usr/libexec/gvfsd-fuse is missing: apt-get install gvfs-fuse")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		harness.CannotRun(s, "gvfs-fuse needs /dev/fuse: modprobe fuse, or give the container the device")
	}
	home, err := os.MkdirTemp("", "dav207-gvfs-") // XDG_RUNTIME_DIR has sockets, whose names must be short
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		// The mount ends some time after the session.
		at := filepath.Join(home, "gvfs")
		for end := time.Now().Add(10 * time.Second); mountedAt(s, at); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				s.Errorf("%s is still mounted", at)
				exec.Command("umount", "--lazy", at).Run()
				return
			}
		}
		if err := os.RemoveAll(home); err != nil {
			s.Error(err)
		}
	})
	return &client{TB: s, path: limited(s), dir: home, env: []string{
		"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home,
		"LC_ALL=C.UTF-8", "GIO_USE_VOLUME_MONITOR=unix", "GSETTINGS_BACKEND=memory", "DISPLAY=", "WAYLAND_DISPLAY=", "no_proxy=*",
	}}
}

// mountedAt reports whether a directory is a mount point.
func mountedAt(t testing.TB, dir string) bool {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	return strings.Contains(string(mounts), " "+dir+" ")
}

// TestGvfs sends the requests of GNOME Files, with gio, and changes files in the directory that
// gvfs mounts for other programs.
func TestGvfs(t *testing.T) {
	eachProgram(t, func(t *testing.T, s *harness.Site, dir string) {
		local := oddTree(t)
		url := "dav" + strings.TrimPrefix(s.At("/"), "http")
		session := func(script string) string {
			const common = `
			exec 2>&1
			url=$1 local=$2
			at() { gio info "$url$1" | sed -n "s/^local path: //p"; }
			gio mount "$url"`
			return gvfsClient(s).run(limit, "dbus-run-session", "--", "bash", "-euc", common+script, "sh", url, local)
		}
		said := session(`
			gio mount -l | grep -qF "${url%%a%20b/}" # it mounts from the root on, where OPTIONS says DAV, too

			# gio, as Files does it.
			gio mkdir "$url/new%20folder"
			gio copy "$local/日本語.txt" "$url/new%20folder/"
			gio cat "$url/new%20folder/日本語.txt" | cmp - "$local/日本語.txt"
			gio copy "$local/large" "$url/new%20folder/100%25%20large"
			gio cat "$url/new%20folder/100%25%20large" | cmp - "$local/large"
			gio copy "$url/new%20folder/100%25%20large" "$url/copy%20é"
			gio rename "$url/copy%20é" "renamed #1?"
			gio move "$url/renamed%20%231%3F" "$url/new%20folder/moved"
			printf changed | gio save "$url/new%20folder/日本語.txt"
			[ "$(gio cat "$url/new%20folder/日本語.txt")" = changed ]
			[ "$(gio list "$url/new%20folder" | sort | tr "\n" "|")" = "100% large|moved|日本語.txt|" ]
			gio rename "$url/new%20folder" "old folder"
			gio info -a time::modified "$url/old%20folder/moved" | grep -q "time::modified: [0-9]"
			gio info -f "$url" | grep "filesystem::" || true
			gio remove "$url/old%20folder/moved"
			if gio remove "$url/old%20folder/moved"; then echo "removed twice"; exit 1; fi

			# Every other program, by FUSE.
			cd "$(at /)"
			cp -r "$local" tree
			mv tree "moved tree"
			diff -r "$local" "moved tree"
			echo new >other && echo old >name && mv other name && [ "$(cat name)" = new ]
			cd /
			gio mount -u "$url"`)
		// A new session has no cache.
		said += session(`
			diff -r "$local" "$(at /)/moved tree"
			gio mount -u "$url"`)
		if dir != "" {
			sameTree(t, filepath.Join(dir, "moved tree"), local, false)
			if !strings.Contains(said, "filesystem::free: ") {
				t.Errorf("gio does not print the free space (RFC 4331):\n%s", said)
			}
		}
		got := s.Tree("/old folder/")
		if want := "/old folder/ /old folder/100% large /old folder/日本語.txt"; strings.Join(got, " ") != want {
			t.Errorf("tree = %q, want %q", got, want)
		}
		if t.Failed() {
			t.Logf("output of gvfs:\n%s", said)
		}
	}, "--prefix", "/a b")
}

// TestGvfsTLS copies many small files at once over HTTP/2, as GNOME Files does. libsoup 3.2 ends a
// small upload with a separate frame. The certificate is trusted in a mount namespace that ends
// with the client.
func TestGvfsTLS(t *testing.T) {
	unshare := harness.RealClient(t, "unshare", "apt-get install util-linux")
	if os.Getuid() != 0 {
		harness.CannotRun(t, "a mount namespace needs root: run the test as root")
	}
	const bundle, tls = "/etc/ssl/certs/ca-certificates.crt", "/usr/lib/*/gio/modules/libgiognutls.so"
	if found, _ := filepath.Glob(tls); found == nil {
		harness.CannotRun(t, tls+" is missing: apt-get install glib-networking")
	}
	if _, err := os.Stat(bundle); err != nil {
		harness.CannotRun(t, bundle+" is missing: apt-get install ca-certificates")
	}
	const files = 100
	local := t.TempDir()
	var want strings.Builder
	for i := range files {
		name, content := fmt.Sprintf("file %03d", i), strings.Repeat(fmt.Sprintln("content", i), i*10) // the first is empty
		if err := os.WriteFile(filepath.Join(local, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "%s %d\n", name, len(content))
	}
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			dir, what := "", "--memory"
			if kind == "disk" {
				dir = t.TempDir()
				what = dir
			}
			ca := ownCertificate(t)
			s := startProgram(t, what, "--tls-self-signed", "--prefix", "/dav")
			c := gvfsClient(s)
			c.path = unshare
			c.env = append(c.env, "GVFS_DISABLE_FUSE=1")
			said := c.run("--mount", limited(t), limit, "bash", "-euc", `
				mount --bind "$1" "$2"
				export url=$3 local=$4
				exec dbus-run-session -- bash -euc "$5"`, "sh", ca, bundle, "davs"+strings.TrimPrefix(s.At("/"), "https"), local, `
				gio mount "$url"
				gio copy "$local"/* "$url" # new files
				gio copy "$local"/* "$url" # over them
				gio list --attributes=standard::name,standard::size "$url" | sort | cut -f1,2 | tr "\t" " "
				for f in "$local"/*; do gio cat "$url/${f##*/}" | cmp - "$f"; done
				gio mount -u "$url"`)
			if said != want.String() {
				t.Errorf("output of gio:\n%s\nwant\n%s", said, want.String())
			}
			harness.NoTemps(t, dir)
		})
	}
}
