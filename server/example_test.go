package server_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/server"
)

// A directory on disk. The server does not follow links out of it.
func ExampleNew_directory() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files, err := disk.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()

	handler := server.New(fsbackend.New(files), nil)
	srv := httptest.NewServer(handler) // or http.ListenAndServe(addr, handler)
	defer srv.Close()

	say(srv.URL+"/letters", "MKCOL", "")
	say(srv.URL+"/letters/a%20word.txt", "PUT", "Hello")
	content, err := os.ReadFile(filepath.Join(dir, "letters", "a word.txt"))
	fmt.Printf("%s %v\n", content, err)
	// Output:
	// MKCOL /letters: 201 Created
	// PUT /letters/a%20word.txt: 201 Created
	// Hello <nil>
}

// Any afero.Fs: here a copy-on-write layer keeps the changes of a read-only file system in memory.
func ExampleNew_afero() {
	base := afero.NewMemMapFs()
	afero.WriteFile(base, "/readme.txt", []byte("as it came"), 0o644)
	layered := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(base), memory.New(nil))

	srv := httptest.NewServer(server.New(fsbackend.New(layered), nil))
	defer srv.Close()

	say(srv.URL+"/readme.txt", "GET", "")
	say(srv.URL+"/readme.txt", "PUT", "changed")
	say(srv.URL+"/readme.txt", "GET", "")
	say(srv.URL+"/new.txt", "PUT", "new")
	say(srv.URL+"/new.txt", "DELETE", "")
	original, _ := afero.ReadFile(base, "/readme.txt")
	fmt.Printf("below: %s\n", original)
	// Output:
	// GET /readme.txt: 200 OK: as it came
	// PUT /readme.txt: 204 No Content
	// GET /readme.txt: 200 OK: changed
	// PUT /new.txt: 201 Created
	// DELETE /new.txt: 204 No Content
	// below: as it came
}

// A file system for golang.org/x/net/webdav. Only its Handler is replaced.
func ExampleNew_webdavFileSystem() {
	var files webdav.FileSystem = webdav.NewMemFS()

	srv := httptest.NewServer(server.New(fsbackend.FromWebDAV(files), nil))
	defer srv.Close()

	say(srv.URL+"/c", "MKCOL", "")
	say(srv.URL+"/c/1", "PUT", "one")
	say(srv.URL+"/c/", "COPY", "", "Destination: /d/")
	say(srv.URL+"/d/1", "GET", "")
	// Output:
	// MKCOL /c: 201 Created
	// PUT /c/1: 201 Created
	// COPY /c/: 201 Created
	// GET /d/1: 200 OK: one
}

// Within a larger mux Options.Prefix is set, since the handler reads and writes URLs in headers and
// bodies. Do not use http.StripPrefix or a method in the pattern.
func ExampleNew_prefix() {
	dav := server.New(fsbackend.New(memory.New(nil)), &server.Options{Prefix: "/files/dav"})
	mux := http.NewServeMux()
	mux.Handle("/files/dav/", dav)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the rest of the site") })

	srv := httptest.NewServer(mux)
	defer srv.Close()

	say(srv.URL+"/", "GET", "")
	say(srv.URL+"/files/dav/1", "PUT", "one")
	say(srv.URL+"/files/dav/1", "MOVE", "", "Destination: /files/dav/2")
	say(srv.URL+"/files/dav/2", "GET", "")
	say(srv.URL+"/files/dav/2", "MOVE", "", "Destination: /elsewhere/2")
	// Output:
	// GET /: 200 OK: the rest of the site
	// PUT /files/dav/1: 201 Created
	// MOVE /files/dav/1: 201 Created
	// GET /files/dav/2: 200 OK: one
	// MOVE /files/dav/2: 502 Bad Gateway
}

// say sends a request and prints the status and, for GET, the body.
func say(url, method, body string, header ...string) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Printf("%s %s: %s", method, r.URL.EscapedPath(), resp.Status)
	if method == http.MethodGet {
		b, _ := io.ReadAll(resp.Body)
		fmt.Printf(": %s", b)
	}
	fmt.Println()
}
