package harness

import (
	"context"
	"os"
	"sync/atomic"

	"golang.org/x/net/webdav"
)

// PlainFaults is a file system of golang.org/x/net/webdav whose operations fail below
// fsbackend.FromWebDAV, where package faultfs does not get.
type PlainFaults struct {
	webdav.FileSystem
	fail atomic.Pointer[func(op, name string) error]
}

// SetFail sets what returns the error of an operation: "create", "open", "read", "write", "close",
// or "rename" with the old name. The default is nil: all succeed.
func (p *PlainFaults) SetFail(fail func(op, name string) error) { p.fail.Store(&fail) }

func (p *PlainFaults) fault(op, name string) error {
	if fail := p.fail.Load(); fail != nil && *fail != nil {
		return (*fail)(op, name)
	}
	return nil
}

// OpenFile implements webdav.FileSystem.
func (p *PlainFaults) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := p.fault(op, name); err != nil {
		return nil, err
	}
	f, err := p.FileSystem.OpenFile(ctx, name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &plainFile{f, p, name}, nil
}

// Rename implements webdav.FileSystem.
func (p *PlainFaults) Rename(ctx context.Context, from, to string) error {
	if err := p.fault("rename", from); err != nil {
		return err
	}
	return p.FileSystem.Rename(ctx, from, to)
}

type plainFile struct {
	webdav.File
	fs   *PlainFaults
	name string
}

// Read implements webdav.File.
func (f *plainFile) Read(b []byte) (int, error) {
	if err := f.fs.fault("read", f.name); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

// Write implements webdav.File. One half is written where it fails.
func (f *plainFile) Write(b []byte) (int, error) {
	if err := f.fs.fault("write", f.name); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

// Close implements webdav.File. The file is closed also where it fails.
func (f *plainFile) Close() error {
	err := f.fs.fault("close", f.name)
	if closed := f.File.Close(); err == nil {
		err = closed
	}
	return err
}
