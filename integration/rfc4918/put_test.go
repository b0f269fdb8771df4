package rfc4918

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
)

// A small PUT to package disk must have the same answers and leave the same tree as one of unknown
// length, and as one to an afero.Fs of the same directory. Only links are replaced themselves there.
func TestSmallPut(t *testing.T) {
	for _, tt := range []struct {
		rule, name string
		header     []string // TOKEN is replaced with the token of the lock on /c/locked
		opts       server.Options
		status     int
	}{
		{"9.7.1 a new file", "/c/new", nil, server.Options{}, 201},
		{"9.7.1 in the root", "/new", nil, server.Options{}, 201},
		{"9.7.1 a file that is there", "/c/old", nil, server.Options{}, 204},
		{"9.7.1 no parent", "/none/new", nil, server.Options{}, 409},
		{"9.7.1 a file for a parent", "/c/old/new", nil, server.Options{}, 409},
		{"9.7.2 a collection", "/c/", nil, server.Options{}, 405},
		{"9.7.2 a collection without its slash", "/c", nil, server.Options{}, 405},
		{"9.7.2 the URL of a collection", "/c/new/", nil, server.Options{}, 405},
		{"8.3 a name that could not be read back", "/c/%0A", nil, server.Options{}, 400},
		{"one of ours", "/c/.dav207-x", nil, server.Options{}, 403},
		{"by a link", "/link/new", nil, server.Options{}, 201},
		{"a link itself", "/c/also-old", nil, server.Options{}, 204},
		{"a link that leads nowhere", "/c/broken", nil, server.Options{}, 403},
		{"RFC 9110 §13.1.1 If-Match", "/c/old", []string{"If-Match", `"x"`}, server.Options{}, 412},
		{"RFC 9110 §13.1.1 If-Match, of nothing", "/c/new", []string{"If-Match", `*`}, server.Options{}, 412},
		{"RFC 9110 §13.1.2 If-None-Match", "/c/old", []string{"If-None-Match", "*"}, server.Options{}, 412},
		{"RFC 9110 §13.1.2 If-None-Match, of nothing", "/c/new", []string{"If-None-Match", "*"}, server.Options{}, 201},
		{"10.4 a false If", "/c/old", []string{"If", "(<urn:uuid:1>)"}, server.Options{}, 412},
		{"7.5 locked", "/c/locked", nil, server.Options{}, 423},
		{"7.5 locked, with the token", "/c/locked", []string{"If", "(TOKEN)"}, server.Options{}, 204},
		{"7.4 in a locked collection", "/d/new", nil, server.Options{}, 423},
		{"X-OC-Mtime", "/c/new", []string{"X-OC-Mtime", "1700000000"}, server.Options{}, 201},
		{"a policy", "/c/new", nil, server.Options{ReadOnly: true}, 403},
		{"a policy, of what is there", "/c/old", nil, server.Options{ReadOnly: true}, 403},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			answers := map[string]string{}
			for _, kind := range []string{"disk", "disk, unknown length", "faultfs over disk", "afero.Fs"} {
				if kind == "afero.Fs" && (tt.name == "/c/also-old" || tt.name == "/c/broken") {
					continue
				}
				dir := t.TempDir()
				for _, name := range []string{"c", "d"} {
					if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
						t.Fatal(err)
					}
				}
				for _, name := range []string{"c/old", "c/locked"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o640); err != nil {
						t.Fatal(err)
					}
				}
				for name, target := range map[string]string{"link": "c", "c/also-old": "old", "c/broken": "none"} {
					if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
						t.Skip(err)
					}
				}
				root, err := disk.Open(dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				tree := root.Backend()
				switch kind {
				case "faultfs over disk":
					tree = faultfs.New(tree)
				case "afero.Fs":
					tree = fsbackend.New(struct{ afero.Fs }{root}) // without its method Backend
				}
				free := server.New(tree, &server.Options{})
				opts := tt.opts
				h := server.New(tree, &opts)
				if opts.Policy == nil {
					free = h
				}
				request := func(h http.Handler, method, name, body string, header ...string) *http.Response {
					r := httptest.NewRequest(method, name, strings.NewReader(body))
					if method == "PUT" && kind == "disk, unknown length" {
						r.ContentLength = -1
					}
					for i := 0; i < len(header); i += 2 {
						r.Header.Set(header[i], header[i+1])
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					return w.Result()
				}
				token := request(free, "LOCK", "/c/locked", harness.LockBody).Header.Get("Lock-Token")
				request(free, "LOCK", "/d/", harness.LockBody, "Depth", "0")
				header := append([]string{}, tt.header...)
				for i := range header {
					header[i] = strings.ReplaceAll(header[i], "TOKEN", token)
				}
				got := request(h, "PUT", tt.name, "content", header...)
				if got.StatusCode != tt.status {
					t.Errorf("PUT %s = %d, want %d", tt.name, got.StatusCode, tt.status)
				}
				answers[kind] = fmt.Sprint(got.StatusCode, got.Header.Get("Content-Type"), got.Header.Get("X-OC-Mtime"),
					got.Header.Get("Etag") != "", got.Header.Get("Last-Modified") != "", " ", files(t, dir))
				if want := request(free, "HEAD", tt.name, "").Header; got.StatusCode < 300 &&
					(got.Header.Get("Etag") != want.Get("Etag") || got.Header.Get("Last-Modified") != want.Get("Last-Modified")) {
					t.Errorf("the headers of the answer = %v, want %v", got.Header, want)
				}
			}
			for kind, got := range answers {
				if got != answers["disk"] {
					t.Errorf("%s:\n%s\ndisk:\n%s", kind, got, answers["disk"])
				}
			}
		})
	}
}

// files returns the names, modes and contents of all files in a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(name string, fi os.FileInfo, err error) error {
		if err != nil || !fi.Mode().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		fmt.Fprintf(&b, "%s %v %s\n", strings.TrimPrefix(name, dir), fi.Mode(), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
