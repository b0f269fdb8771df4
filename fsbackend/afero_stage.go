package fsbackend

import (
	"context"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"syscall"

	"github.com/spf13/afero"
)

// Stage opens a file beside name that commit renames over it. The mode of the replaced file is kept where the back
// end allows; a link at name is replaced itself. commit fails without a trace when ctx is done, or when name has become
// a directory. Where another directory has come to the place of name's parent, the file goes there.
func (f *FS) Stage(ctx context.Context, name string) (io.WriteCloser, func() error, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.stage(name, nil)
	if err != nil {
		return nil, nil, creating("stage", name, err)
	}
	return s, func() error { return s.commit(ctx) }, nil
}

// aferoStaged is a file written aside.
type aferoStaged struct {
	fs           *FS
	name         string
	file         afero.File
	temp, target string
	done         bool
}

// stage begins a file with the permissions of like, or if that is nil with those of what it replaces, or new ones.
func (f *FS) stage(name string, like fs.FileInfo) (*aferoStaged, error) {
	target := clean(name)
	if target == "/" {
		return nil, syscall.EISDIR
	}
	if err := f.room(target); err != nil {
		return nil, err
	}
	if fi, err := f.lstat(target); err == nil {
		switch {
		case fi.IsDir():
			return nil, syscall.EISDIR
		case !fi.Mode().IsRegular() && fi.Mode().Type() != fs.ModeSymlink:
			return nil, fs.ErrPermission
		case like == nil && fi.Mode().IsRegular():
			like = fi
		}
	}
	perm := fs.FileMode(0o666)
	if like != nil {
		perm = like.Mode().Perm()
	}
	s := &aferoStaged{fs: f, name: name, temp: path.Join(path.Dir(target), asideName()), target: target}
	p, _ := backend(s.temp)
	// Without O_EXCL: nobody can foresee the name, and not every back end knows the flag.
	if err := f.staging.begin(s, func() (err error) {
		s.file, err = f.createNew(p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
		return err
	}); err != nil {
		return nil, err
	}
	if like != nil {
		_ = f.fs.Chmod(p, perm) // the umask was for new files
	}
	return s, nil
}

func (s *aferoStaged) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if err != nil {
		err = creating("write", s.name, err)
	}
	return n, err
}

// Close discards what was written, unless it was committed.
func (s *aferoStaged) Close() error {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	s.discard()
	return nil
}

func (s *aferoStaged) discard() {
	if s.done {
		return
	}
	s.done = true
	s.file.Close()
	_ = s.fs.staging.end(s, s.remove)
}

func (s *aferoStaged) remove(temp string) error {
	p, _ := backend(temp)
	return s.fs.fs.Remove(p)
}

func (s *aferoStaged) commit(ctx context.Context) error {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.done {
		return creating("commit", s.name, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		s.discard()
		return err
	}
	s.done = true
	err := s.file.Close()
	err = s.fs.staging.end(s, func(temp string) error {
		if err == nil {
			err = s.place(temp)
		}
		if err != nil {
			_ = s.remove(temp)
		}
		return err
	})
	if err != nil {
		return creating("commit", s.name, err)
	}
	return nil
}

func (s *aferoStaged) place(temp string) error {
	p, _ := backend(temp)
	now := times.now()
	// A back end that cannot set times has other means to tell contents apart, or none.
	_ = s.fs.fs.Chtimes(p, now, now)
	return s.fs.rename(temp, s.target)
}

// CopyFile copies the content and the permissions of the regular file src to dst, replacing a file there in one step.
// Copying a file onto itself is fs.ErrInvalid.
func (f *FS) CopyFile(ctx context.Context, src, dst string) error {
	from, to, fi, err := f.beginCopy(src, dst)
	if err != nil {
		return err
	}
	defer from.Close()
	defer to.Close()
	if err := copyContent(ctx, to.file, from, fi); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return creating("copy", dst, err)
	}
	return to.commit(ctx)
}

// copyContent copies all of a file, which fi describes, to an empty one.
func copyContent(ctx context.Context, to, from afero.File, fi fs.FileInfo) error {
	if done, err := copyWhole(to, from); done {
		return err
	}
	r, here := osFile(from)
	w, there := osFile(to)
	if !here || !there {
		return copyPieces(ctx, to, from, math.MaxInt64)
	}
	return copyFile(ctx, w, r, fi)
}

func (f *FS) beginCopy(src, dst string) (from afero.File, to *aferoStaged, fi fs.FileInfo, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fi, err = f.stat(clean(src))
	if err != nil {
		return nil, nil, nil, reading("copy", src, err)
	}
	switch there, err := f.stat(clean(dst)); {
	case fi.IsDir():
		return nil, nil, nil, reading("copy", src, syscall.EISDIR)
	case !fi.Mode().IsRegular():
		return nil, nil, nil, reading("copy", src, fs.ErrPermission)
	case clean(src) == clean(dst), err == nil && sameFile(fi, there):
		return nil, nil, nil, creating("copy", dst, fs.ErrInvalid)
	}
	p, _ := backend(clean(src))
	from, err = f.fs.Open(p)
	if err != nil {
		return nil, nil, nil, reading("copy", src, err)
	}
	to, err = f.stage(dst, fi)
	if err != nil {
		from.Close()
		return nil, nil, nil, creating("copy", dst, err)
	}
	return from, to, fi, nil
}

// CopyMembers implements tree.MembersCopier where the back end has a method CopyMembers(src, dst string, names []string,
// copied []bool), as Mem has it; it copies nothing where there is none.
func (f *FS) CopyMembers(ctx context.Context, src, dst string, names []string, copied []bool) {
	c, offered := f.fs.(interface {
		CopyMembers(src, dst string, names []string, copied []bool)
	})
	p, ok := backend(clean(src))
	q, known := backend(clean(dst))
	if offered && ok && known && ctx.Err() == nil {
		c.CopyMembers(p, q, names, copied)
	}
}
