package clients

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/studio-b12/gowebdav"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
)

// slowSite starts a server on which every COPY, MOVE and DELETE is slow and sends many interim
// responses. count has their number.
func slowSite(t *testing.T) (s *harness.Site, count *atomic.Int64) {
	t.Helper()
	files := faultfs.New(memory.New(nil).Backend())
	for _, op := range []faultfs.Op{faultfs.Remove, faultfs.Rename, faultfs.Read} {
		files.Fail(op, "/**", nil).Do(func(ctx context.Context) { time.Sleep(30 * time.Millisecond) })
	}
	h := server.New(files, &server.Options{Silence: 10 * time.Millisecond})
	count = new(atomic.Int64)
	s = harness.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&interimCounter{w, count}, r)
	}), "")
	for _, name := range []string{"/c", "/c/d"} {
		s.Want(201, "MKCOL", name, "")
	}
	for i := range 8 {
		s.Want(201, "PUT", fmt.Sprint("/c/", i), "x")
		s.Want(201, "PUT", fmt.Sprint("/f", i), "x")
	}
	return s, count
}

type interimCounter struct {
	http.ResponseWriter
	count *atomic.Int64
}

func (w *interimCounter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *interimCounter) WriteHeader(status int) {
	if status < 200 {
		w.count.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

// TestInterim runs slow operations with real clients that receive 102 (Processing): those that the
// server knows to ignore it. The results of the clients are compared with the tree.
func TestInterim(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, s *harness.Site){
		"curl": func(t *testing.T, s *harness.Site) {
			c := &client{TB: t, path: harness.RealClient(t, "curl", "apt-get install curl")}
			for _, tt := range []struct{ method, from, to, want string }{
				{"COPY", "/f1", "/g1", "201"}, {"MOVE", "/f2", "/g2", "201"}, {"DELETE", "/f3", "", "204"}, {"DELETE", "/c", "", "204"},
			} {
				// The connection can be used for another request.
				got := c.run("-s", "-o", os.DevNull, "-w", "%{http_code} ", "-X", tt.method, "-H", "Destination: "+tt.to, s.At(tt.from),
					"--next", "-s", "-o", os.DevNull, "-w", "%{http_code} %{num_connects}", s.At("/f0"))
				if got != tt.want+" 200 0" {
					t.Errorf("%s %s: curl prints %q, want %q", tt.method, tt.from, got, tt.want+" 200 0")
				}
			}
		},
		"cadaver": func(t *testing.T, s *harness.Site) {
			cadaver := harness.RealClient(t, "cadaver", "apt-get install cadaver")
			home := t.TempDir()
			c := &client{TB: t, path: limited(t), dir: home, env: []string{"HOME=" + home}}
			said := c.run(limit, "sh", "-euc", `printf '%s\n' 'copy f1 g1' 'move f2 g2' 'delete f3' 'rmcol c' quit | "$1" "$2"`, "sh", cadaver, s.At("/"))
			if strings.Count(said, "succeeded.") != 4 {
				t.Errorf("cadaver prints\n%s", said)
			}
		},
		"rclone": func(t *testing.T, s *harness.Site) {
			c := rcloneClient(s, "other")
			c.run("copyto", "dav:f1", "dav:g1")
			c.run("moveto", "dav:f2", "dav:g2")
			c.run("deletefile", "dav:f3")
			c.run("purge", "dav:c")
		},
		"gowebdav": func(t *testing.T, s *harness.Site) {
			c := gowebdav.NewClient(s.At("/"), "", "")
			for what, err := range map[string]error{"copy": c.Copy("/f1", "/g1", true), "move": c.Rename("/f2", "/g2", true),
				"remove": c.Remove("/f3"), "remove all": c.RemoveAll("/c/")} {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		},
		"gvfs": func(t *testing.T, s *harness.Site) {
			gvfsClient(s).run(limit, "dbus-run-session", "--", "sh", "-euc", `
				gio mount "$1"
				gio copy "$1/f1" "$1/g1"
				gio move "$1/f2" "$1/g2"
				gio remove "$1/f3"
				for f in 0 1 2 3 4 5 6 7; do gio remove "$1/c/$f"; done
				gio remove "$1/c/d"
				gio remove "$1/c"
				gio mount -u "$1"`, "sh", "dav"+strings.TrimPrefix(s.At(""), "http"))
		},
		"davfs2": func(t *testing.T, s *harness.Site) {
			d := newDavfs(s)
			d.mount()
			d.shell(`cp f1 g1; mv f2 g2; rm f3; rm -r c`)
			if err := d.unmount(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, count := slowSite(t)
			use(t, s)
			if count.Load() == 0 {
				t.Error("the server sent no interim response, so the test shows nothing")
			}
			if got, want := strings.Join(s.Tree("/"), " "), "/ /f0 /f1 /f4 /f5 /f6 /f7 /g1 /g2"; got != want {
				t.Errorf("tree = %s, want %s", got, want)
			}
		})
	}
}

// TestInterimBehindNginx runs the server behind nginx, which treats a 1xx as the answer. The server
// must send none, and the answer must be complete.
func TestInterimBehindNginx(t *testing.T) {
	harness.RealClient(t, "nginx", "apt-get install nginx-light")
	host, _, headers := nginxBlocks(t)
	for name, block := range map[string]string{"README.md": host, "connections are kept": with(host, `proxy_set_header Connection "";`+"\n"+headers)} {
		t.Run(name, func(t *testing.T) {
			direct, count := slowSite(t)
			s := &harness.Site{TB: t, URL: "https://dav.example.com", Client: startNginx(t, block, strings.TrimPrefix(direct.URL, "http://")).client(t)}
			s.Want(201, "COPY", "/f1", "", "Destination", "dest:/g1", "User-Agent", "curl/7.88.1")
			s.Want(204, "DELETE", "/c", "", "User-Agent", "curl/7.88.1")
			s.Want(200, "GET", "/g1", "")
			if n := count.Load(); n != 0 {
				t.Errorf("%d interim responses went to nginx", n)
			}
		})
	}
}
