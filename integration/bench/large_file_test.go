package bench

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// largeSize returns size, or a small size with -short.
func largeSize(size int64) int64 {
	if testing.Short() {
		return 16 << 20
	}
	return size
}

// BenchmarkLargeGet reads a file of 1 GiB, beside a bare connection that sends only the file (with
// sendfile where the system has it).
func BenchmarkLargeGet(b *testing.B) {
	size := largeSize(1 << 30)
	dir := b.TempDir()
	whole := filepath.Join(dir, "f")
	if err := writeLarge(whole, size); err != nil {
		b.Fatal(err)
	}
	ours, theirs := dial(b, durable(b, dir), 1), dial(b, xnet(dir), 1)
	get := func(conns []*conn) func() error {
		return func() error { _, err := conns[0].do("GET", "/f", ""); return err }
	}
	buffer := make([]byte, 256<<10)
	contest(b, "MiB", int(size>>20),
		side{name: "dav207", run: get(ours)},
		side{name: "xnet", run: get(theirs)},
		side{name: "bare", bare: true, run: func() error {
			return overTCP(func(server *net.TCPConn) error {
				f, err := os.Open(whole)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = server.ReadFrom(f)
				return err
			}, func(client *net.TCPConn) error {
				n, err := io.CopyBuffer(writerOnly{io.Discard}, readerOnly{client}, buffer)
				if n != size && err == nil {
					err = fmt.Errorf("got %d bytes of %d", n, size)
				}
				return err
			})
		}})
}

// BenchmarkLargePut sends a file of 512 MiB, beside a bare connection whose bytes are written to a
// file.
func BenchmarkLargePut(b *testing.B) {
	size := largeSize(512 << 20)
	dir := b.TempDir()
	ours, theirs := dial(b, durable(b, dir), 1), dial(b, xnet(dir), 1)
	put := func(conns []*conn, name string) side {
		return side{
			run: func() error {
				_, err := conns[0].send("PUT", "/"+name, io.LimitReader(endless{}, size), size)
				return err
			},
			undo: func() error { return os.Remove(filepath.Join(dir, name)) },
		}
	}
	dav, x := put(ours, "ours"), put(theirs, "theirs")
	dav.name, x.name = "dav207", "xnet"
	bare := filepath.Join(dir, "bare")
	sending, receiving := make([]byte, 256<<10), make([]byte, 256<<10)
	contest(b, "MiB", int(size>>20), dav, x,
		side{name: "bare", bare: true, undo: func() error { return os.Remove(bare) }, run: func() error {
			return overTCP(func(server *net.TCPConn) error {
				f, err := os.Create(bare)
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = io.CopyBuffer(writerOnly{f}, readerOnly{server}, receiving)
				return err
			}, func(client *net.TCPConn) error {
				if _, err := io.CopyBuffer(writerOnly{client}, io.LimitReader(endless{}, size), sending); err != nil {
					return err
				}
				if err := client.CloseWrite(); err != nil {
					return err
				}
				_, err := client.Read(sending[:1]) // wait until the other side has written all
				if err == io.EOF {
					err = nil
				}
				return err
			})
		}})
}

// BenchmarkLargeCopy copies a file of 1 GiB, beside cp.
func BenchmarkLargeCopy(b *testing.B) {
	size := largeSize(1 << 30)
	dir := b.TempDir()
	if err := writeLarge(filepath.Join(dir, "f"), size); err != nil {
		b.Fatal(err)
	}
	ours, theirs := dial(b, durable(b, dir), 1)[0], dial(b, xnet(dir), 1)[0]
	undo := func() error { return os.Remove(filepath.Join(dir, "g")) }
	send := func(c *conn, to string) func() error { // x/net needs an absolute URL in Destination
		return func() error { _, err := c.do("COPY", "/f", "", "Destination", to); return err }
	}
	sides := []side{
		{name: "dav207", run: send(ours, "/g"), undo: undo},
		{name: "xnet", run: send(theirs, theirs.url+"/g"), undo: undo},
	}
	if coreutils() {
		sides = append(sides, side{name: "cp", bare: true, run: func() error {
			return exec.Command("cp", "--reflink=auto", filepath.Join(dir, "f"), filepath.Join(dir, "g")).Run()
		}, undo: undo})
	}
	contest(b, "MiB", int(size>>20), sides...)
}

// writeLarge writes a file without holes.
func writeLarge(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(writerOnly{f}, io.LimitReader(endless{}, size), make([]byte, 1<<20)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// endless is a Reader of arbitrary bytes that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// readerOnly hides io.WriterTo, so that the bytes are not copied inside the kernel.
type readerOnly struct{ io.Reader }

// overTCP calls the two functions with the ends of a connection and closes both ends when the
// functions have returned.
func overTCP(serve, use func(*net.TCPConn) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = serve(c.(*net.TCPConn))
			c.Close()
		}
		served <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := use(c.(*net.TCPConn)); err != nil {
		return err
	}
	return <-served
}
