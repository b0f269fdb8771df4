package concurrency

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server/davpath"
)

// TestBrokenUpload closes connections in the middle of a body. The old content stays, no partial
// content is visible, and no temp file is left on the disk.
func TestBrokenUpload(t *testing.T) {
	part := strings.Repeat("x", 64<<10)
	for _, tt := range []struct{ what, header, body string }{
		{"announced length", "Content-Length: 1000000\r\n", part},
		{"chunked, within a chunk", "Transfer-Encoding: chunked\r\n", "186A0\r\n" + part},
		{"chunked, between chunks", "Transfer-Encoding: chunked\r\n", "10000\r\n" + part + "\r\n"},
		{"chunked, a broken chunk", "Transfer-Encoding: chunked\r\n", "10000\r\n" + part + "no chunk\r\n"},
		{"macOS: fewer bytes than expected", "Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 100000\r\n", "10000\r\n" + part + "\r\n0\r\n\r\n"},
	} {
		for _, b := range harness.Backends {
			t.Run(tt.what+" "+b.Name, func(t *testing.T) {
				files, dir := b.Open(t)
				s := harness.Serve(t, files, nil)
				s.Want(201, "PUT", "/f", "old")
				etag := s.Want(200, "HEAD", "/f", "").Header.Get("ETag")
				for _, name := range []string{"/f", "/new"} {
					conn := s.Dial()
					fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", name, tt.header, tt.body)
					// Half-closed: the server reads the end of the body and can answer, but not
					// with success.
					conn.(*net.TCPConn).CloseWrite()
					if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
						resp.Body.Close()
						if resp.StatusCode != http.StatusBadRequest {
							t.Errorf("PUT %s = %s, want 400", name, resp.Status)
						}
					}
					conn.Close()
				}
				// Fully closed: there is no answer to wait for.
				conn := s.Dial()
				fmt.Fprintf(conn, "PUT /f HTTP/1.1\r\nHost: x\r\n%s\r\n%s", tt.header, tt.body[:100])
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
				s.Client.CloseIdleConnections()
				if got := s.Want(200, "GET", "/f", ""); got.Body != "old" || got.Header.Get("ETag") != etag {
					t.Errorf("/f = %.20q, want the old content", got.Body)
				}
				if got, want := s.Tree("/"), []string{"/", "/f"}; !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q", got, want)
				}
				harness.WaitFor(t, func() bool { return harness.CountTemps(t, dir) == 0 })
				harness.NoTemps(t, dir)
			})
		}
	}
}

// hasTemp reports whether a collection has a temp file, that is whether an upload has begun.
func hasTemp(t *testing.T, files fsbackend.Backend, name string) bool {
	t.Helper()
	return slices.ContainsFunc(harness.ListMembers(t, files, name), func(fi fsbackend.Info) bool { return davpath.IsTemp(fi.Name()) })
}

// writeSignal is a back end that reports when something was written to an upload.
type writeSignal struct {
	fsbackend.Backend
	written chan struct{}
}

// withWriteSignal wraps a back end in a writeSignal. It keeps the Bulk of one that has it.
func withWriteSignal(inner fsbackend.Backend) (fsbackend.Backend, chan struct{}) {
	s := &writeSignal{inner, make(chan struct{}, 100)}
	if bulk, ok := inner.(bulkOnly); ok {
		return struct {
			*writeSignal
			bulkOnly
		}{s, bulk}, s.written
	}
	return s, s.written
}

// bulkOnly has the methods that fsbackend.Bulk has beyond Backend.
type bulkOnly interface {
	CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) bool
	RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) bool
	Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error]
	Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error)
}

type signalledUpload struct {
	fsbackend.Upload
	written chan struct{}
}

func (b *writeSignal) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	u, err := b.Backend.Create(ctx, p)
	return signalledUpload{u, b.written}, err
}

func (u signalledUpload) Write(p []byte) (int, error) {
	n, err := u.Upload.Write(p)
	u.written <- struct{}{}
	return n, err
}

// TestUploadOvertaken changes the collection of an upload while the server receives the body. The
// result must be as if the upload came last. No temp file may be left, wherever the collection is.
func TestUploadOvertaken(t *testing.T) {
	for _, tt := range []struct {
		what           string
		method, target string
		header         []string
		between        int // the status of that
		upload         int
		left           []string
	}{
		{"the collection was moved", "MOVE", "/c", []string{"Destination", "dest:/d"}, 201, 409, []string{"/", "/d/", "/d/old"}},
		{"the collection was deleted", "DELETE", "/c", nil, 204, 409, []string{"/"}},
		{"the collection was replaced", "COPY", "/e", []string{"Destination", "dest:/c"}, 204, 201, []string{"/", "/c/", "/c/new"}},
		{"a collection came to be there", "MKCOL", "/c/new", nil, 201, 405, []string{"/", "/c/", "/c/new/", "/c/old"}},
		{"a file came to be there", "PUT", "/c/new", nil, 201, 204, []string{"/", "/c/", "/c/new", "/c/old"}},
		{"it was locked", "LOCK", "/c/new", nil, 201, 423, []string{"/", "/c/", "/c/new", "/c/old"}},
	} {
		for _, b := range harness.Backends {
			t.Run(tt.what+" "+b.Name, func(t *testing.T) {
				inner, _ := b.Open(t)
				files, written := withWriteSignal(inner)
				s := harness.Serve(t, files, nil)
				s.Want(201, "MKCOL", "/c", "")
				s.Want(201, "PUT", "/c/old", "old")
				<-written
				if tt.method == "COPY" {
					s.Want(201, "MKCOL", "/e", "")
				}
				body, feed := io.Pipe()
				answered := make(chan harness.Answer, 1)
				go func() {
					a, err := s.Try("PUT", "/c/new", body)
					if err != nil {
						t.Error(err)
					}
					answered <- a
				}()
				if _, err := feed.Write(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				<-written
				content := ""
				if tt.method == "LOCK" {
					content = harness.LockBody
				}
				s.Want(tt.between, tt.method, tt.target, content, tt.header...)
				io.WriteString(feed, "end")
				feed.Close()
				if a := <-answered; a.Status != tt.upload {
					t.Errorf("PUT = %d, want %d\n%s", a.Status, tt.upload, a.Body)
				}
				if tt.method == "COPY" {
					s.Want(204, "DELETE", "/e", "")
				}
				x := &load{Site: s}
				if got := x.walk(files, "/"); !slices.Equal(got, tt.left) {
					t.Errorf("tree = %q, want %q", got, tt.left)
				}
			})
		}
	}
}

// TestUploadIntoAnotherParent replaces the collection of an upload while the server receives the
// body. The upload goes into the collection that has the name at the end of the body (RFC 4918
// §9.7.1), and its status depends on what exists there by then. No temp file is left.
func TestUploadIntoAnotherParent(t *testing.T) {
	kinds := append(slices.Clone(harness.Backends),
		harness.Backend{Name: "faultfs over disk", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.(*testing.T).TempDir()
			return faultfs.New(harness.DiskTree(t, dir, nil)), dir
		}},
		harness.Backend{Name: "disk, synced", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.(*testing.T).TempDir()
			return harness.DiskTree(t, dir, &disk.Options{Sync: true}), dir
		}},
		harness.Backend{Name: "afero.OsFs", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.(*testing.T).TempDir()
			return fsbackend.New(afero.NewBasePathFs(afero.NewOsFs(), dir)), dir
		}},
		harness.Backend{Name: "webdav.Dir", Open: func(t testing.TB) (fsbackend.Backend, string) {
			dir := t.(*testing.T).TempDir()
			return fsbackend.FromWebDAV(webdav.Dir(dir)), dir
		}},
	)
	for _, tt := range []struct {
		what    string
		between []string // requests, all of which succeed
		status  int
		says    string
		left    []string
	}{
		{"deleted and made anew", []string{"DELETE /c/", "MKCOL /c"}, 201, "", []string{"/", "/c/", "/c/new", "/e/", "/e/there"}},
		{"moved and made anew", []string{"MOVE /c/ /d/", "MKCOL /c"}, 201, "", []string{"/", "/c/", "/c/new", "/d/", "/d/old", "/e/", "/e/there"}},
		{"moved and deleted, and made anew", []string{"MOVE /c/ /d/", "DELETE /d/", "MKCOL /c"}, 201, "", []string{"/", "/c/", "/c/new", "/e/", "/e/there"}},
		{"moved, and another moved there", []string{"MOVE /c/ /d/", "MOVE /e/ /c/"}, 201, "", []string{"/", "/c/", "/c/new", "/c/there", "/d/", "/d/old"}},
		{"another moved over it", []string{"MOVE /e/ /c/"}, 201, "", []string{"/", "/c/", "/c/new", "/c/there"}},
		{"moved away and back", []string{"MOVE /c/ /d/", "MOVE /d/ /c/"}, 201, "", []string{"/", "/c/", "/c/new", "/c/old", "/e/", "/e/there"}},
		{"made anew, with the file in it", []string{"DELETE /c/", "MKCOL /c", "PUT /c/new", "PROPPATCH /c/new"}, 204, "",
			[]string{"/", "/c/", "/c/new", "/e/", "/e/there"}},
		{"made anew, with a collection of that name", []string{"DELETE /c/", "MKCOL /c", "MKCOL /c/new"}, 405, "A collection has no content.",
			[]string{"/", "/c/", "/c/new/", "/e/", "/e/there"}},
		{"a file has come", []string{"DELETE /c/", "PUT /c"}, 409, "The parent is not an existing collection.", []string{"/", "/c", "/e/", "/e/there"}},
		{"moved away, and a file has come", []string{"MOVE /c/ /d/", "PUT /c"}, 409, "The parent is not an existing collection.",
			[]string{"/", "/c", "/d/", "/d/old", "/e/", "/e/there"}},
		{"deleted", []string{"DELETE /c/"}, 409, "The parent is not an existing collection.", []string{"/", "/e/", "/e/there"}},
		{"moved", []string{"MOVE /c/ /d/"}, 409, "The parent is not an existing collection.", []string{"/", "/d/", "/d/old", "/e/", "/e/there"}},
	} {
		for _, b := range kinds {
			t.Run(tt.what+" "+b.Name, func(t *testing.T) {
				t.Parallel()
				files, dir := b.Open(t)
				files, written := withWriteSignal(files)
				s := harness.Serve(t, files, nil)
				s.Want(201, "MKCOL", "/c", "")
				s.Want(201, "MKCOL", "/e", "")
				harness.PutContent(t, files, "/c/old", "old")
				harness.PutContent(t, files, "/e/there", "there")
				<-written
				<-written
				body, feed := io.Pipe()
				answered := make(chan harness.Answer, 1)
				go func() {
					a, err := s.Try("PUT", "/c/new", body)
					if err != nil {
						t.Error(err)
					}
					answered <- a
				}()
				half := strings.Repeat("0123456789abcdef", 1<<16)
				if _, err := io.WriteString(feed, half); err != nil {
					t.Fatal(err)
				}
				<-written
				for _, request := range tt.between {
					parts := strings.Split(request, " ")
					content, header := map[string]string{"PUT": "other", "PROPPATCH": harness.SetColour}[parts[0]], []string(nil)
					if len(parts) > 2 {
						header = []string{"Destination", "dest:" + parts[2]}
					}
					if a := s.Do(parts[0], parts[1], content, header...); a.Status >= 300 {
						t.Fatalf("%s = %d %s", request, a.Status, a.Body)
					}
				}
				io.WriteString(feed, half)
				feed.Close()
				a := <-answered
				if a.Status != tt.status || strings.TrimSpace(a.Body) != tt.says {
					t.Errorf("PUT = %d %q, want %d %q", a.Status, a.Body, tt.status, tt.says)
				}
				if tt.status < 300 {
					if got := s.Want(200, "GET", "/c/new", ""); got.Body != half+half || got.Header.Get("ETag") != a.Header.Get("ETag") {
						t.Errorf("/c/new holds %d bytes with the tag %s, want %d with %s", len(got.Body), got.Header.Get("ETag"), 2*len(half), a.Header.Get("ETag"))
					}
				}
				if strings.Contains(fmt.Sprint(tt.between), "PROPPATCH") {
					if a := s.Do("PROPFIND", "/c/new", "", "Depth", "0"); !strings.Contains(a.Body, ">red<") {
						t.Errorf("the property of the file that was replaced is gone: %s", a.Body)
					}
				}
				x := &load{Site: s}
				if got := x.walk(files, "/"); !slices.Equal(got, tt.left) {
					t.Errorf("tree = %q, want %q", got, tt.left)
				}
				harness.NoTemps(t, dir)
			})
		}
	}
}

// An upload whose collection was replaced is refused with 409 if the file system cannot move its
// temp file to the new one. The answer does not claim that the parent is missing.
func TestUploadRefusedAfterReplace(t *testing.T) {
	plain := &harness.PlainFaults{FileSystem: webdav.Dir(t.TempDir())}
	files := fsbackend.FromWebDAV(plain)
	s := harness.Serve(t, files, nil)
	s.Want(201, "MKCOL", "/c", "")
	body, feed := io.Pipe()
	answered := make(chan harness.Answer, 1)
	go func() {
		a, err := s.Try("PUT", "/c/new", body)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	feed.Write(make([]byte, 1<<20))
	harness.WaitFor(t, func() bool { return hasTemp(t, files, "/c") })
	var failed atomic.Bool
	plain.SetFail(func(op, name string) error {
		if op == "rename" && strings.HasPrefix(name, "/c/") && !failed.Swap(true) {
			return syscall.EIO
		}
		return nil
	})
	s.Want(204, "DELETE", "/c/", "")
	s.Want(201, "MKCOL", "/c", "")
	feed.Close()
	if a := <-answered; a.Status != 409 || !strings.Contains(a.Body, "replaced") {
		t.Errorf("PUT = %d %q, want 409: the collection was replaced", a.Status, a.Body)
	}
	if got := s.Tree("/"); !slices.Equal(got, []string{"/", "/c/"}) {
		t.Errorf("tree = %q", got)
	}
}
