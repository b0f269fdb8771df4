package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// batched is a file system that has changes on the disk when settle is called, unless the n-th call fails. It tells in which
// order things are settled and removed.
type batched struct {
	*faultfs.FS
	fail    int
	settled int
	said    []string
}

func (b *batched) Batch(ctx context.Context) (context.Context, func() error) {
	return ctx, func() error {
		if b.settled++; b.settled == b.fail {
			b.said = append(b.said, "broken")
			return syscall.EIO
		}
		b.said = append(b.said, "settled")
		return nil
	}
}

func (b *batched) Remove(ctx context.Context, name string) error {
	err := b.FS.Remove(ctx, name)
	if err == nil {
		b.said = append(b.said, "-"+name[strings.LastIndexByte(name, '/')+1:])
	}
	return err
}

// Nothing is removed for the sake of something that is not on the disk yet, and what may not be there when the operation ends is
// a failure, which is told of after changes in a report (RFC 4918 §9.8.3, §9.9.4).
func TestDurably(t *testing.T) {
	for _, tt := range []struct {
		rule, op string
		across   bool // nothing can be renamed out of /s
		fail     int
		want     string // order
		reports  string
		err      error
		left     string
	}{
		{"COPY settles once", "copy /s /x", false, 0, "settled", "", nil, "/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"DELETE settles once", "delete /s", false, 0, "-a -b -s settled", "", nil, "/f=f /t/ /t/o=o"},
		{"MOVE settles once", "move /s /x", false, 0, "settled", "", nil, "/f=f /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"MOVE over a collection", "move /f /t", false, 0, "settled -o -t settled", "", nil, "/s/ /s/a=a /s/b=b /t=f"},
		{"MOVE to another volume", "move /s /x", true, 0, "settled -a settled -b settled -s settled", "", nil, "/f=f /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"a failure at the end is a report", "copy /s /x", false, 1, "broken", "/x/: input/output error", tree.ErrPartial,
			"/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"so it is when the resource is gone", "delete /f", false, 1, "-f broken", "/f: input/output error", tree.ErrPartial, "/s/ /s/a=a /s/b=b /t/ /t/o=o"},
		{"what may not last replaces nothing", "move /f /t", false, 1, "broken settled", "", syscall.EIO, "/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o"},
		{"nor is its source removed: the copy is taken back", "move /s /x", true, 1, "broken -a settled -b settled", "/x/a: input/output error", tree.ErrPartial,
			"/f=f /s/ /s/a=a /t/ /t/o=o /x/ /x/b=b"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := &batched{FS: faultfs.New(fsbackend.New(fsbackend.Memory())), fail: tt.fail}
			fill(t, files, "/s/ /s/a=a /s/b=b /t/ /t/o=o /f=f")
			if tt.across {
				files.Fail(faultfs.Rename, "/s", syscall.EXDEV)
				files.Fail(faultfs.Rename, "/s/*", syscall.EXDEV)
			}
			var reports []string
			report := func(p davpath.Path, collection bool, err error) {
				name := p.String()
				if collection {
					name += "/"
				}
				if at := (*fs.PathError)(nil); errors.As(err, &at) {
					err = at.Err
				}
				reports = append(reports, name+": "+err.Error())
			}
			e := &tree.Tree{FS: files, Props: &props.Memory{}}
			var err error
			switch op := strings.Fields(tt.op); op[0] {
			case "copy":
				err = e.Copy(t.Context(), davpath.Must(op[1]), davpath.Must(op[2]), tree.Infinity, report)
			case "move":
				err = e.Move(t.Context(), davpath.Must(op[1]), davpath.Must(op[2]), report)
			case "delete":
				err = e.Delete(t.Context(), davpath.Must(op[1]), report)
			}
			if !errors.Is(err, tt.err) || strings.Join(reports, ", ") != tt.reports {
				t.Errorf("%s = %v, reports %q, want %v, %q", tt.op, err, reports, tt.err, tt.reports)
			}
			if got := strings.Join(files.said, " "); got != tt.want {
				t.Errorf("order is %q, want %q", got, tt.want)
			}
			if got := strings.Join(dump(t, files, "/"), " "); got != tt.left {
				t.Errorf("left is %q, want %q", got, tt.left)
			}
		})
	}
}
