package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dav207/integration/harness"
)

// BenchmarkFile reads, replaces and locks a file of 1 KiB, without a connection.
func BenchmarkFile(b *testing.B) {
	content := strings.Repeat("x", 1024)
	for _, tree := range []string{"disk", "memory"} {
		for _, c := range contestants {
			setup := func(b *testing.B) http.Handler {
				dir := ""
				if tree == "disk" {
					dir = b.TempDir()
				}
				h := c.handler(b, dir)
				serve(b, h, 201, "PUT", "/f", content)
				b.ReportAllocs()
				return h
			}
			b.Run("GET/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				for b.Loop() {
					if w := serve(b, h, 200, "GET", "/f", ""); w.bytes != 1024 {
						b.Fatalf("%d bytes", w.bytes)
					}
				}
			})
			b.Run("PUT/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				replaced := 204
				if c.name == "xnet" {
					replaced = 201
				}
				for b.Loop() {
					serve(b, h, replaced, "PUT", "/f", content)
				}
			})
			b.Run("LOCK+UNLOCK/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				for b.Loop() {
					w := serve(b, h, 200, "LOCK", "/f", harness.LockBody, "Depth", "0", "Timeout", "Second-600")
					serve(b, h, 204, "UNLOCK", "/f", "", "Lock-Token", w.header.Get("Lock-Token"))
				}
			})
		}
	}
}

// BenchmarkWire compares dav207 and x/net over connections: a listing of 1,000 files, and a file of
// 1 KiB that is read, replaced, created, and replaced under a lock, three collections below the
// root.
func BenchmarkWire(b *testing.B) {
	const dir = "/files/a/b"
	content := strings.Repeat("x", 1024)
	onDisk := sync.OnceValue(func() string {
		dir := filled(b, 1000, false)()
		if err := os.MkdirAll(filepath.Join(dir, "files", "a", "b"), 0o777); err != nil {
			b.Fatal(err)
		}
		return dir
	})
	made := 0
	for _, tt := range []struct {
		name         string
		conns, times int
		send         func(c *conn, of, i int) error
	}{
		{"PROPFIND", 1, 1, sameRequest("PROPFIND", "/files/", "", "Depth", "1")},
		{"PROPFIND0", 1, 200, sameRequest("PROPFIND", dir+"/f", "", "Depth", "0")},
		{"GET", 1, 200, sameRequest("GET", dir+"/f", "")},
		{"GET/conns=32", 32, 50, sameRequest("GET", dir+"/f", "")},
		{"HEAD", 1, 200, sameRequest("HEAD", dir+"/f", "")},
		{"PUT", 1, 200, sameRequest("PUT", dir+"/f", content)},
		{"PUTnew", 1, 200, func(c *conn, _, _ int) error {
			made++
			_, err := c.do("PUT", fmt.Sprintf("%s/new-%d", dir, made), content)
			return err
		}},
		{"LOCK+PUT+UNLOCK", 1, 100, lockCycle(dir+"/f", content)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			ours, theirs := dial(b, durable(b, onDisk()), tt.conns), dial(b, xnet(onDisk()), tt.conns)
			if _, err := ours[0].do("PUT", dir+"/f", content); err != nil {
				b.Fatal(err)
			}
			contest(b, "request", tt.conns*tt.times,
				side{name: "dav207", run: func() error { return parallel(ours, tt.times, tt.send) }},
				side{name: "xnet", run: func() error { return parallel(theirs, tt.times, tt.send) }})
		})
	}
}

// sameRequest returns a function that sends the same request each time.
func sameRequest(method, target, body string, header ...string) func(c *conn, of, i int) error {
	return func(c *conn, _, _ int) error {
		_, err := c.do(method, target, body, header...)
		return err
	}
}

// lockCycle returns a function that replaces a file between LOCK and UNLOCK.
func lockCycle(target, content string) func(c *conn, of, i int) error {
	return func(c *conn, _, _ int) error {
		answer, err := c.do("LOCK", target, harness.LockBody, "Timeout", "Second-600")
		if err != nil {
			return err
		}
		token := answer.Get("Lock-Token")
		if _, err := c.do("PUT", target, content, "If", "("+token+")"); err != nil {
			return err
		}
		_, err = c.do("UNLOCK", target, "", "Lock-Token", token)
		return err
	}
}
