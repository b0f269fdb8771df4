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
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// A link is moved itself, and what is at its destination is guarded like everything else: a collection there does not go
// because what replaces it is small (RFC 4918 §9.9.3).
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
		d, err := fsbackend.Root(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var reports []string
		e := &tree.Tree{FS: d, Props: &props.Memory{}, Guard: guard{"unbind /d/x/f": fs.ErrPermission}}
		err = e.Move(t.Context(), davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
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

// A rename that fails, and then cannot be undone either, has changed something: it is reported, not returned.
func TestReplacedAndNotPutBack(t *testing.T) {
	files := &abandoned{FS: faultfs.New(fsbackend.New(fsbackend.Memory()))}
	fill(t, files, "/s/ /s/a=new /d/ /d/b=old")
	files.Fail(faultfs.Rename, "/d", syscall.EIO).After(1) // the first one sets /d aside
	e := &tree.Tree{FS: files, Props: &props.Memory{}}
	var reports []string
	err := e.Move(t.Context(), davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
		reports = append(reports, p.String())
	})
	if !errors.Is(err, tree.ErrPartial) || strings.Join(reports, " ") != "/d" {
		t.Errorf("Move = %v, reports %q, want it reported for /d", err, reports)
	}
	if len(files.names) != 1 || !davpath.IsTemp(strings.TrimPrefix(files.names[0], "/")) {
		t.Errorf("given up are %q, want what was set aside", files.names)
	}
	left := strings.Join(dump(t, files, "/"), " ")
	if !strings.Contains(left, "/s/a=new") || !strings.Contains(left, "/d/b=old") {
		t.Errorf("something is lost: %s", left)
	}
}

// abandoned tells what nobody is at work on any more.
type abandoned struct {
	*faultfs.FS
	names []string
}

func (a *abandoned) Abandon(_ context.Context, name string) { a.names = append(a.names, name) }
