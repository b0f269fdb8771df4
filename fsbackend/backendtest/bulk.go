package backendtest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dav207/server/davpath"
)

// errNoBulk is the error for a back end without fsbackend.Bulk.
var errNoBulk = fmt.Errorf("no fsbackend.Bulk: %w", errors.ErrUnsupported)

// copyTree calls CopyTree and returns the members that it skipped.
func (s *suite) copyTree(src, dst string) (left []davpath.Path, begun bool) {
	if s.bulk == nil {
		return nil, false
	}
	begun = s.bulk.CopyTree(s.ctx, at(src), at(dst), func(p davpath.Path) { left = append(left, p) })
	return left, begun
}

func testCopyTree(s *suite) {
	big := strings.Repeat("0123456789abcdef", 1<<16)
	s.mkdir("/src", "/src/a", "/src/a/b", "/src/empty", "/src/.dav207-own", "/src/a/.DAV207", "/dst")
	for name, content := range map[string]string{
		"/src/1": "one", "/src/big": big, "/src/a/none": "", "/src/a/b/2": "two", "/src/a/b/" + davpath.TempName(): "temp",
		"/src/.dav207-own/x": "own", "/src/a/.DAV207/x": "own",
	} {
		s.put(name, content)
	}
	left, begun := s.copyTree("/src", "/dst")
	s.claim("CopyTree", s.claims.CopyTree, begun)
	if !begun {
		if got := s.below("/dst"); len(got) > 0 || len(left) > 0 {
			s.Errorf("CopyTree has not begun, but made %v and left %v", slices.Sorted(maps.Keys(got)), left)
		}
		return
	}
	want := map[string]string{"/dst/1": "=one", "/dst/a": "/", "/dst/a/b": "/", "/dst/a/b/2": "=two", "/dst/a/none": "=",
		"/dst/big": "=" + big, "/dst/empty": "/"}
	if got := s.below("/dst"); !maps.Equal(got, want) || len(left) > 0 {
		s.Errorf("CopyTree made %v and left %v", slices.Sorted(maps.Keys(got)), left)
	}
	s.put("/src/1", "changed")
	s.put("/dst/a/b/2", "changed")
	if a, b := s.get("/dst/1"), s.get("/src/a/b/2"); a != "one" || b != "two" {
		s.Errorf("source and copy share what they hold: %q, %q", a, b)
	}

	s.mkdir("/new")
	before := s.below("/")
	for src, dst := range map[string]string{"/none": "/new", "/src": "/none", "/src/1": "/new", "/src/a": "/src/1"} {
		if left, begun := s.copyTree(src, dst); begun || len(left) > 0 {
			s.Errorf("CopyTree %s to %s: begun: %v, left %v", src, dst, begun, left)
		}
	}
	if !maps.Equal(s.below("/"), before) {
		s.Error("a CopyTree that has not begun changed something")
	}
}

// testCopyTreeLeaves copies a tree with links and with paths that would get too long. One piece: a
// table of what CopyTree may skip, checked for each resource.
func testCopyTreeLeaves(s *suite) {
	long, dst := strings.Repeat("l", 200), ""
	for range 20 {
		dst += "/" + strings.Repeat("d", 199)
		s.mkdir(dst)
	}
	s.mkdir("/src", "/src/c", "/src/c-", "/src/c/"+long, "/src/z")
	for _, name := range []string{"/src/a", "/src/b", "/src/c/" + long + "/f", "/src/c-/" + long, "/src/z/f"} {
		s.put(name, "content")
	}
	if s.claims.Symlink != nil {
		s.ok(s.claims.Symlink("../c", "/src/z/link"))
	}
	left, begun := s.copyTree("/src", dst)
	s.claim("CopyTree", s.claims.CopyTree, begun)
	if !begun {
		return
	}
	if len(left) == 0 || !slices.IsSortedFunc(left, davpath.Path.Compare) {
		s.Errorf("left %v, want something, in the order of a walk", left)
	}
	got := s.below(dst)
	for name, content := range s.below("/src") {
		leaves := 0
		for _, p := range left {
			if p.Contains(at(name)) {
				leaves++
			}
		}
		copied, there := got[dst+strings.TrimPrefix(name, "/src")]
		tooLong := at(dst + strings.TrimPrefix(name, "/src")).TooLong()
		switch {
		case leaves > 1 || leaves == 1 && there || leaves == 0 && copied != content:
			s.Errorf("%.20s: left %d times, the copy holds %q, want %q or nothing", name, leaves, copied, content)
		case (tooLong || content == "@") && leaves == 0:
			s.Errorf("%.20s was not left", name)
		case (name == "/src/a" || name == "/src/z/f") && leaves > 0:
			s.Errorf("%s was left: nothing keeps it", name)
		}
	}
}

// removeTree calls RemoveTree in a batch and checks its reports against the tree. changed reports
// whether anything was removed, gone whether name was.
func (s *suite) removeTree(name string) (changed, gone bool) {
	s.Helper()
	if s.bulk == nil {
		return false, false
	}
	before := s.below("/")
	ctx, sync := s.b.Batch(s.ctx)
	removed := map[string]int{}
	gone = s.bulk.RemoveTree(ctx, at(name), func(p davpath.Path) { removed[p.String()]++ })
	if sync != nil {
		s.ok(sync())
	}
	after := s.below("/")
	_, was := before[name]
	if _, there := after[name]; gone != (was && !there) || gone && len(removed) > 0 {
		s.Errorf("RemoveTree %s = %v, removed %v: %s holds %v", name, gone, removed, name, after)
	}
	for resource := range before {
		_, stays := after[resource]
		parent := at(resource).Parent().String()
		_, parentStays := after[parent]
		want := 0
		if top := !stays && (parentStays || parent == "/"); top && resource != name {
			want = 1
		}
		if removed[resource] != want {
			s.Errorf("RemoveTree reports %s %d times, want %d", resource, removed[resource], want)
		}
		if !stays && !at(name).Contains(at(resource)) {
			s.Errorf("RemoveTree %s removed %s", name, resource)
		}
	}
	return len(after) < len(before), gone
}

func testRemoveTree(s *suite) {
	s.mkdir("/c", "/c/d", "/c/d/e", "/c/empty", "/cc", "/empty")
	for _, name := range []string{"/c/1", "/c/d/2", "/c/d/e/3", "/cc/4", "/f"} {
		s.put(name, "x")
	}
	_, gone := s.removeTree("/c")
	s.claim("RemoveTree", s.claims.RemoveTree, gone)
	if !gone {
		return
	}
	s.wantGone("/c", "/c/d", "/c/d/e/3")
	s.mkdir("/c")
	s.wantTree("after", "/c/ /cc/ /cc/4=x /empty/ /f=x")
	for _, name := range []string{"/f", "/none", "/none/none", "/f/x", "/"} {
		if changed, _ := s.removeTree(name); changed {
			s.Errorf("RemoveTree %s removed something", name)
		}
	}
	if _, gone := s.removeTree("/empty"); !gone {
		s.Error("RemoveTree left an empty collection")
	}
}

// testRemoveTreeLeaves removes collections that contain reserved names, and links.
func testRemoveTreeLeaves(s *suite) {
	temp := davpath.TempName()
	s.mkdir("/c", "/c/a", "/c/a/b", "/c/a/b/.dav207-own", "/c/e", "/t", "/outside")
	for _, name := range []string{"/c/1", "/c/a/2", "/c/a/b/3", "/c/a/b/.dav207-own/x", "/c/e/4", "/t/5", "/t/" + temp, "/outside/f"} {
		s.put(name, "x")
	}
	if s.claims.Symlink != nil {
		s.mkdir("/linked")
		s.ok(s.claims.Symlink("../outside", "/linked/dir"))
		s.ok(s.claims.Symlink("outside", "/top"))
		if _, gone := s.removeTree("/linked"); gone != s.claims.RemoveTree {
			s.Errorf("RemoveTree of a collection with a link = %v", gone)
		}
		if changed, _ := s.removeTree("/top"); changed {
			s.Error("RemoveTree of a link removed something")
		}
	}
	for _, name := range []string{"/c", "/t"} {
		if _, gone := s.removeTree(name); gone {
			s.Errorf("RemoveTree %s removed a reserved name", name)
		}
	}
	for _, name := range []string{"/c/a/b/.dav207-own/x", "/t/" + temp, "/outside/f"} {
		if got := s.get(name); got != "x" {
			s.Errorf("%s holds %q", name, got)
		}
	}
}

func testUndeletable(s *suite) {
	if s.bulk == nil {
		return
	}
	s.mkdir("/c", "/c/d")
	s.put("/c/f", "x")
	for _, name := range []string{"/", "/c", "/c/d", "/c/f", "/none"} {
		for member, err := range s.bulk.Undeletable(s.ctx, at(name)) {
			s.Errorf("Undeletable %s yields %q, %v, want none", name, member, err)
		}
	}
	s.wantTree("Undeletable removes nothing", "/c/ /c/d/ /c/f=x")
}

func testExceeding(s *suite) {
	if s.bulk == nil {
		s.can("Exceeding", s.claims.Exceeding, errNoBulk)
		return
	}
	long := strings.Repeat("l", 250)
	s.mkdir("/t", "/t/flat", "/t/empty", "/t/a", "/t/a/b", "/t/a/b/c", "/t/a/"+long, "/t/.dav207-own", "/t/.dav207-own/x",
		"/flat", "/flat/"+long)
	for _, f := range []string{"/t/flat/" + long, "/t/a/f", "/t/a/b/c/f", "/t/.dav207-own/x/" + long, "/t/a/" + long + "/f"} {
		s.put(f, "")
	}
	for _, tt := range []struct {
		name            string
		bytes, segments int
		want            string // what the name that was found begins with, "" for nothing
	}{
		{"/t", 4000, 512, ""},
		{"/t", 4000, 4, ""},
		{"/t", 4000, 3, "/t/a/b/c/f"},
		{"/t", 4000, 2, "/t/a/"},
		{"/t", 4000, 0, "/t/"},
		{"/t", 4000, -1, "/t/"},
		{"/t", -1, 512, "/t/"},
		{"/t", len("/flat/" + long), 512, ""},
		{"/t", len("/flat/"+long) - 1, 512, "/t/flat/" + long},
		{"/t/a", len(long + "/f/"), 512, ""},
		{"/t/a", len(long+"/f/") - 1, 512, "/t/a/" + long + "/f"},
		{"/t/empty", 0, 0, ""},
		{"/t/empty", -10, -10, ""},
		{"/t/flat", len("/" + long), 1, ""},
		{"/t/flat", len("/"+long) - 1, 1, "/t/flat/" + long},
		{"/t/flat", 4000, 0, "/t/flat/" + long},
		{"/flat", len("/" + long), 1, ""},
		{"/none", 0, 0, ""},
		{"/t/a/f", 0, 0, ""},
		{"/", 4000, 5, ""},
		{"/", 4000, 4, "/t/a/b/c/f"},
	} {
		found, ok, err := s.bulk.Exceeding(s.ctx, at(tt.name), tt.bytes, tt.segments)
		if !s.can("Exceeding", s.claims.Exceeding, err) {
			return
		}
		if err != nil || ok != (tt.want != "") || ok && !strings.HasPrefix(found.String(), tt.want) || ok && found.Reserved() {
			s.Errorf("Exceeding(%.20q, %d, %d) = %.40s, %v, %v, want %.40q", tt.name, tt.bytes, tt.segments, found, ok, err,
				cmp.Or(tt.want, "nothing"))
		}
	}
	if s.claims.Symlink != nil { // a rename does not move what a link leads to
		s.ok(s.claims.Symlink("../a", "/t/empty/link"))
		if found, ok, err := s.bulk.Exceeding(s.ctx, at("/t/empty"), 100, 1); ok || err != nil {
			s.Errorf("Exceeding through a link = %s, %v", found, err)
		}
	}
}
