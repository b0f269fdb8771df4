// Package backendtest checks the contract of fsbackend.Backend and fsbackend.Bulk. A back end calls
// Test from its own tests.
package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Claims say what a back end can do beyond what every one must. Test fails if it cannot do that,
// and if it can do what is not claimed. It skips nothing.
type Claims struct {
	CopyTree   bool // fsbackend.Bulk copies trees
	RemoveTree bool // fsbackend.Bulk removes trees, in a batch
	Exceeding  bool // fsbackend.Bulk knows what Exceeding asks for

	SetModTime     bool
	Usage          bool
	Sync           bool // Batch returns a function that waits
	UnchangedSince bool
	Identity       bool // infos have an ID or a Version: entity tags are strong, SameFile knows
	Birth          bool // infos have the time of creation

	// Symlink makes a symbolic link in the back end that was opened last; nil where there are none.
	Symlink   func(target, name string) error
	FileLinks bool // Lstat distinguishes a link to a file from the file
	RealPath  bool // RealPath follows links
}

// Test checks the contract. open returns a new, empty back end at each call and releases it with
// t.Cleanup.
func Test(t *testing.T, claims Claims, open func(t *testing.T) fsbackend.Backend) {
	for _, part := range []struct {
		name string
		test func(*suite)
	}{
		{"Parents", testParents},
		{"Mkdir", testMkdir},
		{"Open", testOpen},
		{"OpenHandles", testOpenHandles},
		{"Infos", testInfos},
		{"Identity", testIdentity},
		{"ETag", testETag},
		{"Dir", testDir},
		{"Names", testNames},
		{"Rename", testRename},
		{"RenameRefused", testRenameRefused},
		{"Remove", testRemove},
		{"Upload", testUpload},
		{"UploadRefused", testUploadRefused},
		{"UploadFollows", testUploadFollows},
		{"CopyFile", testCopyFile},
		{"SetModTime", testSetModTime},
		{"Usage", testUsage},
		{"UnchangedSince", testUnchangedSince},
		{"Batch", testBatch},
		{"Links", testLinks},
		{"CopyTree", testCopyTree},
		{"CopyTreeLeaves", testCopyTreeLeaves},
		{"RemoveTree", testRemoveTree},
		{"RemoveTreeLeaves", testRemoveTreeLeaves},
		{"Undeletable", testUndeletable},
		{"Exceeding", testExceeding},
		{"ConcurrentCommits", testConcurrentCommits},
		{"ConcurrentRenames", testConcurrentRenames},
		{"ConcurrentChanges", testConcurrentChanges},
	} {
		t.Run(part.name, func(t *testing.T) {
			b := open(t)
			bulk, _ := b.(fsbackend.Bulk)
			part.test(&suite{T: t, b: b, bulk: bulk, claims: claims, ctx: t.Context()})
		})
	}
}

// suite is one part of the test with its back end.
type suite struct {
	*testing.T
	b      fsbackend.Backend
	bulk   fsbackend.Bulk // nil where b has none
	claims Claims
	ctx    context.Context
}

func at(name string) davpath.Path { return davpath.Must(name) }

// want fails unless err is one of targets, which may include nil, and has the form that package
// fsbackend promises.
func (s *suite) want(what string, err error, targets ...error) {
	s.Helper()
	if !slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) }) {
		s.Errorf("%s: error = %v, want %v", what, err, targets)
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	if !errors.As(err, new(*fs.PathError)) && !errors.As(err, new(*os.LinkError)) {
		s.Errorf("%s: error is a %T, want an *fs.PathError or *os.LinkError", what, err)
	}
	if strings.Contains(err.Error(), os.TempDir()+"/") {
		s.Errorf("%s: error %q shows a path of the host", what, err)
	}
}

// can reports whether the back end can do what, as err says. It fails if the claim says otherwise.
func (s *suite) can(what string, claimed bool, err error) bool {
	s.Helper()
	can := !errors.Is(err, errors.ErrUnsupported)
	s.claim(what, claimed, can)
	return can && claimed
}

func (s *suite) claim(what string, claimed, can bool) {
	s.Helper()
	if can != claimed {
		s.Errorf("%s: claimed: %v, found: %v", what, claimed, can)
	}
}

// ok stops the test if err is not nil.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) mkdir(names ...string) {
	s.Helper()
	for _, name := range names {
		s.ok(s.b.Mkdir(s.ctx, at(name)))
	}
}

// create begins a file and writes content to it. It is closed when the part of the test ends.
func (s *suite) create(name, content string) fsbackend.Upload {
	s.Helper()
	u, err := s.b.Create(s.ctx, at(name))
	s.ok(err)
	s.Cleanup(func() { u.Close() })
	_, err = io.WriteString(u, content)
	s.ok(err)
	return u
}

func (s *suite) put(name, content string) {
	s.Helper()
	u := s.create(name, content)
	_, err := u.Commit(s.ctx)
	s.ok(err)
	s.ok(u.Close())
}

func (s *suite) get(name string) string {
	s.Helper()
	f, err := s.b.Open(s.ctx, at(name))
	s.ok(err)
	defer f.Close()
	content, err := io.ReadAll(f)
	s.ok(err)
	return string(content)
}

func (s *suite) stat(name string) *fsbackend.Info {
	s.Helper()
	fi, err := s.b.Stat(s.ctx, at(name))
	s.ok(err)
	return fi
}

func (s *suite) tag(fi *fsbackend.Info) string {
	s.Helper()
	tag, err := fi.ETag(s.ctx)
	s.ok(err)
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		s.Errorf("ETag = %s, want one in quotes (RFC 9110 §8.8.3)", tag)
	}
	return tag
}

// list returns the names and the infos of the members of a collection, in order.
func (s *suite) list(name string) ([]string, []fsbackend.Info) {
	s.Helper()
	d, err := s.b.OpenDir(s.ctx, at(name))
	s.ok(err)
	defer d.Close()
	names, err := d.Names()
	s.ok(err)
	slices.Sort(names)
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	s.ok(errors.Join(errs...))
	return names, infos
}

// below returns all resources below a collection with their content: "/" for a collection, "@" for
// a link, "=content" for a file. It follows no links.
func (s *suite) below(dir string) map[string]string {
	s.Helper()
	all := map[string]string{}
	var walk func(p davpath.Path)
	walk = func(p davpath.Path) {
		names, infos := s.list(p.String())
		for i, name := range names {
			member := p.Child(name)
			switch fi := infos[i]; {
			case fi.IsDir():
				all[member.String()] = "/"
				walk(member)
			case fi.IsLink():
				all[member.String()] = "@"
			default:
				all[member.String()] = "=" + s.get(member.String())
			}
		}
	}
	walk(at(dir))
	return all
}

// wantTree fails unless the tree is as described: "/c/ /c/1=content".
func (s *suite) wantTree(what, want string) {
	s.Helper()
	var got []string
	for name, content := range s.below("/") {
		got = append(got, name+content)
	}
	slices.Sort(got)
	if got := strings.Join(got, " "); got != want {
		s.Errorf("%s: tree = %q, want %q", what, got, want)
	}
}

// removeAll removes something with all below it.
func (s *suite) removeAll(name string) {
	s.Helper()
	if fi, err := s.b.Lstat(s.ctx, at(name)); err == nil && fi.IsDir() {
		names, _ := s.list(name)
		for _, n := range names {
			if !davpath.IsTemp(n) {
				s.removeAll(at(name).Child(n).String())
			}
		}
	}
	s.ok(s.b.Remove(s.ctx, at(name)))
}

// wantGone fails if something is there.
func (s *suite) wantGone(names ...string) {
	s.Helper()
	for _, name := range names {
		_, err := s.b.Lstat(s.ctx, at(name))
		s.want(fmt.Sprintf("Lstat %.40q", name), err, fs.ErrNotExist)
	}
}
