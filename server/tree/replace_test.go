package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// A link is moved itself, and the collection at its destination is guarded like everything else
// (RFC 4918 §9.9.3).
func TestMoveOfLinkOverGuardedCollection(t *testing.T) {
	for _, target := range []string{"../t", "nowhere"} {
		dir := t.TempDir()
		for _, d := range []string{"s", "d/x"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		for name, content := range map[string]string{"t": "T", "s/w": "w", "d/x/f": "precious", "d/y": "y"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(target, filepath.Join(dir, "s", "x")); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
		d := openDir(t, dir)
		var reports []string
		e := &tree.Tree{FS: d, Props: &props.Memory{}, Guard: guard{"unbind /d/x/f": fs.ErrPermission}}
		err := moveTo(t.Context(), e, davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
			reports = append(reports, p.String()+": "+err.Error())
		})
		if !errors.Is(err, tree.ErrPartial) || strings.Join(reports, ", ") != "/d/x/f: permission denied" {
			t.Errorf("Move = %v, reports %q", err, reports)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "d", "x", "f")); err != nil || string(b) != "precious" {
			t.Errorf("what may not be removed: %q, %v", b, err)
		}
		if to, err := os.Readlink(filepath.Join(dir, "s", "x")); err != nil || to != target {
			t.Errorf("what was not moved: %q, %v", to, err)
		}
	}
}

// A rename that fails and cannot be undone has changed something: it is reported, not returned.
func TestReplaceDirNotRestored(t *testing.T) {
	files := faultfs.New(memory.New(nil).Backend())
	fill(t, files, "/s/ /s/a=new /d/ /d/b=old")
	files.Fail(faultfs.Rename, "/d", syscall.EIO).After(1) // the first one moves /d to a temp name
	e := &tree.Tree{FS: files, Props: &props.Memory{}}
	var reports []string
	err := moveTo(t.Context(), e, davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
		reports = append(reports, p.String())
	})
	if !errors.Is(err, tree.ErrPartial) || strings.Join(reports, " ") != "/d" {
		t.Errorf("Move = %v, reports %q, want it reported for /d", err, reports)
	}
	left := strings.Join(dump(t, files, "/"), " ")
	if !strings.Contains(left, "/s/a=new") || !strings.Contains(left, "/d/b=old") {
		t.Errorf("something is lost: %s", left)
	}
}

// folding is a back end that takes names in upper and lower case for one.
type folding struct {
	fsbackend.Backend
	renamed []string
}

func (f *folding) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return f.Backend.Lstat(ctx, davpath.Must(strings.ToLower(p.String())))
}

func (f *folding) Rename(_ context.Context, from, to davpath.Path) error {
	f.renamed = append(f.renamed, from.String()+" "+to.String())
	return nil
}

// A MOVE to another spelling of a name is a MOVE of all members: none may be refused (RFC 4918
// §7.4, §9.9.4).
func TestMoveToAnotherSpelling(t *testing.T) {
	for _, tt := range []struct {
		guard   guard
		err     error
		reports string
		renamed string
	}{
		{nil, nil, "", "/s /S"},
		{guard{"unbind /s/m": fs.ErrPermission}, tree.ErrPartial, "/s/m: permission denied", ""},
		{guard{"bind /S/m": fs.ErrPermission}, tree.ErrPartial, "/S/m: permission denied", ""},
	} {
		files := &folding{Backend: memory.New(nil).Backend()}
		fill(t, files, "/s/ /s/m=1")
		e := &tree.Tree{FS: files, Props: &props.Memory{}}
		if tt.guard != nil {
			e.Guard = tt.guard
		}
		var reports []string
		err := moveTo(t.Context(), e, davpath.Must("/s"), davpath.Must("/S"), func(p davpath.Path, _ bool, err error) {
			reports = append(reports, p.String()+": "+err.Error())
		})
		if !errors.Is(err, tt.err) || strings.Join(reports, ", ") != tt.reports || strings.Join(files.renamed, ", ") != tt.renamed {
			t.Errorf("with %v: Move = %v, reports %q, renamed %q, want %v, %q, %q", tt.guard, err, reports, files.renamed, tt.err, tt.reports, tt.renamed)
		}
	}
}
