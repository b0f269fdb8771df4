package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// batched is a back end whose changes are on the disk when sync is called, unless the n-th call
// fails. It records the order of syncs and removals.
type batched struct {
	*faultfs.FS
	fail   int
	synced int
	log    []string
}

func (b *batched) Batch(ctx context.Context) (context.Context, func() error) {
	return ctx, func() error {
		if b.synced++; b.synced == b.fail {
			b.log = append(b.log, "sync fails")
			return syscall.EIO
		}
		b.log = append(b.log, "sync")
		return nil
	}
}

func (b *batched) Remove(ctx context.Context, p davpath.Path) error {
	err := b.FS.Remove(ctx, p)
	if err == nil && !davpath.IsTemp(p.Name()) {
		b.log = append(b.log, "-"+p.Name())
	}
	return err
}

// Nothing is removed before its replacement is on the disk. If changes may not be on the disk when
// the operation ends, that is a failure, which is reported after changes (RFC 4918 §9.8.3, §9.9.4).
func TestSyncBatch(t *testing.T) {
	for _, tt := range []struct {
		rule, op string
		across   bool // nothing can be renamed out of /s
		fail     int
		want     string // order
		reports  string
		err      error
		left     string
	}{
		{"COPY syncs once", "copy /s /x", false, 0, "sync", "", nil, "/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"DELETE syncs once", "delete /s", false, 0, "-a -b -s sync", "", nil, "/f=f /t/ /t/o=o"},
		{"MOVE syncs once", "move /s /x", false, 0, "sync", "", nil, "/f=f /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"MOVE over a collection", "move /f /t", false, 0, "sync -o -t sync", "", nil, "/s/ /s/a=a /s/b=b /t=f"},
		{"MOVE to another volume", "move /s /x", true, 0, "sync -a sync -b sync -s sync", "", nil, "/f=f /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"a failure at the end is a report", "copy /s /x", false, 1, "sync fails", "/x/: input/output error", tree.ErrPartial,
			"/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o /x/ /x/a=a /x/b=b"},
		{"so it is when the resource is gone", "delete /f", false, 1, "-f sync fails", "/f: input/output error", tree.ErrPartial, "/s/ /s/a=a /s/b=b /t/ /t/o=o"},
		{"what may not be on the disk replaces nothing", "move /f /t", false, 1, "sync fails sync", "", syscall.EIO, "/f=f /s/ /s/a=a /s/b=b /t/ /t/o=o"},
		{"nor is its source removed: the copy is removed again", "move /s /x", true, 1, "sync fails -a sync -b sync", "/x/a: input/output error", tree.ErrPartial,
			"/f=f /s/ /s/a=a /t/ /t/o=o /x/ /x/b=b"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := &batched{FS: faultfs.New(noBulk{memory.New(nil).Backend()}), fail: tt.fail}
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
				err = copyTo(t.Context(), e, davpath.Must(op[1]), davpath.Must(op[2]), tree.Infinity, report)
			case "move":
				err = moveTo(t.Context(), e, davpath.Must(op[1]), davpath.Must(op[2]), report)
			case "delete":
				err = deleteAll(t.Context(), e, davpath.Must(op[1]), report)
			}
			if !errors.Is(err, tt.err) || strings.Join(reports, ", ") != tt.reports {
				t.Errorf("%s = %v, reports %q, want %v, %q", tt.op, err, reports, tt.err, tt.reports)
			}
			if got := strings.Join(files.log, " "); got != tt.want {
				t.Errorf("order is %q, want %q", got, tt.want)
			}
			if got := strings.Join(dump(t, files, "/"), " "); got != tt.left {
				t.Errorf("left is %q, want %q", got, tt.left)
			}
		})
	}
}
