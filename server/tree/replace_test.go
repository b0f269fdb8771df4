package tree_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
