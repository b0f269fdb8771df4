package faultfs

import (
	"context"
	"io/fs"
	"path"

	"golang.org/x/net/webdav"
)

// file is an open file or directory with the faults of its name.
type file struct {
	webdav.File
	fs   *FS
	ctx  context.Context
	name string
}

// holderFile is one whose inner file keeps dead properties.
type holderFile struct {
	*file
	webdav.DeadPropsHolder
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.fs.fault(f.ctx, Read, f.name); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *file) Write(p []byte) (int, error) { return f.fs.write(f.ctx, f.name, f.File, p) }

func (f *file) Readdir(n int) ([]fs.FileInfo, error) {
	if err := f.fs.fault(f.ctx, Readdir, f.name); err != nil {
		return nil, err
	}
	return f.File.Readdir(n)
}

// Readdirnames lists the members, those included that cannot be looked at.
func (f *file) Readdirnames(n int) ([]string, error) {
	if err := f.fs.fault(f.ctx, Readdir, f.name); err != nil {
		return nil, err
	}
	if l, ok := f.File.(interface {
		Readdirnames(n int) ([]string, error)
	}); ok {
		return l.Readdirnames(n)
	}
	infos, err := f.File.Readdir(n)
	names := make([]string, len(infos))
	for i, fi := range infos {
		names[i] = fi.Name()
	}
	return names, err
}

// Lstat describes one member.
func (f *file) Lstat(name string) (fs.FileInfo, error) {
	whole := path.Join(f.name, name)
	if err := f.fs.fault(f.ctx, Stat, whole); err != nil {
		return nil, err
	}
	if l, ok := f.File.(interface {
		Lstat(name string) (fs.FileInfo, error)
	}); ok {
		return l.Lstat(name)
	}
	return f.fs.look(f.ctx, whole)
}

// membersLister is what the inner file of a directory may be.
type membersLister interface {
	LstatAll(names []string, infos []fs.FileInfo, errs []error)
}

// membersFile is a directory whose inner file looks at many members at once, and that no rule was for when it was opened.
type membersFile struct {
	*file
	inner membersLister
}

// LstatAll describes many members: one by one, if a rule has come that is for one of them.
func (f *membersFile) LstatAll(names []string, infos []fs.FileInfo, errs []error) {
	if !f.fs.ruledWithin(f.name) {
		f.inner.LstatAll(names, infos, errs)
		return
	}
	for i, name := range names {
		infos[i], errs[i] = f.Lstat(name)
	}
}
