package bench

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/fsbackend/mounts"
	"dav207/fsbackend/quota"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/middleware"
)

// BenchmarkBasic lists a collection over a connection: open, and with a password that was checked
// before.
func BenchmarkBasic(b *testing.B) {
	for _, tree := range []string{"disk", "memory"} {
		for _, depth := range []string{"0", "1"} {
			for _, query := range queries {
				b.Run(tree+"/depth="+depth+"/"+query.name, func(b *testing.B) {
					h := server.New(memory.New(nil).Backend(), nil)
					if tree == "disk" {
						h = durable(b, b.TempDir())
					}
					fill(b, h, 100, false)
					const times = 50
					list := func(h http.Handler, header ...string) func() error {
						c := dial(b, h, 1)[0]
						return func() (err error) {
							for i := 0; i < times && err == nil; i++ {
								_, err = c.do("PROPFIND", "/files/", query.body, append(header, "Depth", depth)...)
							}
							return err
						}
					}
					authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
					contest(b, "request", times,
						side{name: "open", run: list(h)},
						side{name: "basic", run: list(middleware.Authenticate(middleware.AuthOptions{Users: users(b)})(h), "Authorization", authorization)})
				})
			}
		}
	}
}

// users returns the user ann, whose password is "secret".
func users(b *testing.B) *middleware.Users {
	b.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	file := filepath.Join(b.TempDir(), "users")
	if err == nil {
		err = os.WriteFile(file, fmt.Appendf(nil, "ann:%s\n", hash), 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	all, err := middleware.OpenUsers(file, nil)
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// BenchmarkMounts lists a collection of a back end by itself, and as a mount at the root and below
// it.
func BenchmarkMounts(b *testing.B) {
	for _, n := range []int{1, 1000} {
		onDisk := filled(b, n, false)
		for _, tree := range []string{"disk", "memory"} {
			for _, query := range queries {
				b.Run(fmt.Sprintf("%d/%s/%s", n, tree, query.name), func(b *testing.B) {
					files := memory.New(nil).Backend()
					if tree == "disk" {
						files = harness.DiskTree(b, onDisk(), nil)
					} else {
						fill(b, server.New(files, nil), n, false)
					}
					times := max(1, 1000/n)
					list := func(files fsbackend.Backend, url string) func() error {
						h := server.New(files, nil)
						return func() error {
							for range times {
								serve(b, h, 207, "PROPFIND", url, query.body, "Depth", "1")
							}
							return nil
						}
					}
					mounted := func(at string) *mounts.Table {
						t, err := mounts.New(b.Context(), []mounts.Mount{{Path: at, Files: files}, {Path: "/other/x", Files: memory.New(nil).Backend()}}, nil)
						if err != nil {
							b.Fatal(err)
						}
						return t
					}
					contest(b, "entry", (n+1)*times,
						side{name: "bare", run: list(files, "/files/")},
						side{name: "root", run: list(mounted("/"), "/files/")},
						side{name: "below", run: list(mounted("/a/b"), "/a/b/files/")})
				})
			}
		}
	}
}

// BenchmarkQuota creates and replaces files of 1 KiB without and with a quota.
func BenchmarkQuota(b *testing.B) {
	content := string(make([]byte, 1024))
	for _, tree := range []string{"disk", "memory"} {
		for _, replaces := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/replaces=%v", tree, replaces), func(b *testing.B) {
				var sides []side
				for _, limited := range []bool{false, true} {
					files, name := memory.New(nil).Backend(), "none"
					if tree == "disk" {
						files = harness.DiskTree(b, b.TempDir(), nil)
					}
					if limited {
						q, err := quota.New(b.Context(), files, quota.NewLimit(1<<40))
						if err != nil {
							b.Fatal(err)
						}
						files, name = q, "quota"
					}
					h := server.New(files, nil)
					const times = 100
					puts := func(status int) error {
						for i := range times {
							serve(b, h, status, "PUT", fmt.Sprintf("/files/%d", i), content)
						}
						return nil
					}
					creates := func() error { serve(b, h, 201, "MKCOL", "/files", ""); return nil }
					removes := func() error { serve(b, h, 204, "DELETE", "/files/", ""); return nil }
					s := side{name: name, prepare: creates, run: func() error { return puts(201) }, undo: removes}
					if replaces {
						creates()
						puts(201)
						s = side{name: name, run: func() error { return puts(204) }}
					}
					sides = append(sides, s)
				}
				contest(b, "file", 100, sides...)
			})
		}
	}
}
