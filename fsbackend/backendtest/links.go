package backendtest

import "io/fs"

// links makes a tree with links to a collection, to a file, to nothing, to themselves and upwards.
func (s *suite) links() {
	s.Helper()
	s.mkdir("/d")
	s.put("/d/f", "file")
	for name, target := range map[string]string{"/dir": "d", "/file": "d/f", "/broken": "none", "/loop": "loop", "/d/up": ".."} {
		s.ok(s.claims.Symlink(target, name))
	}
}

// testLinks checks every operation on links. One piece: a sequence of steps on one tree of links.
func testLinks(s *suite) {
	s.mkdir("/real")
	if p, err := s.b.RealPath(s.ctx, at("/real/none/x")); err != nil || p != at("/real/none/x") {
		s.Errorf("RealPath of what has no link on the way = %v, %v", p, err)
	}
	s.ok(s.b.Remove(s.ctx, at("/real")))
	if s.claims.Symlink == nil {
		return
	}
	s.links()
	s.wantTree("no link is followed in a listing", "/broken@ /d/ /d/f=file /d/up@ /dir@ /file@ /loop@")
	for _, name := range []string{"/dir", "/file", "/broken", "/loop", "/d/up"} {
		fi, err := s.b.Lstat(s.ctx, at(name))
		s.ok(err)
		s.claim("Lstat "+name+" tells a link", s.claims.FileLinks || name != "/file", fi.IsLink())
		if fi.Name() != at(name).Name() {
			s.Errorf("Lstat %s is called %s", name, fi.Name())
		}
	}
	for _, name := range []string{"/broken", "/loop", "/loop/x"} {
		_, err := s.b.Stat(s.ctx, at(name))
		s.want("Stat "+name, err, fs.ErrNotExist)
		_, err = s.b.Open(s.ctx, at(name))
		s.want("Open "+name, err, fs.ErrNotExist)
	}
	if fi := s.stat("/dir"); !fi.IsDir() || fi.Name() != "dir" {
		s.Errorf("Stat of a link to a collection = %s %v", fi.Name(), fi.Mode())
	}
	for _, name := range []string{"/file", "/dir/f", "/d/up/dir/up/d/f"} {
		if got := s.get(name); got != "file" {
			s.Errorf("%s holds %q", name, got)
		}
	}
	for name, want := range map[string]string{"/dir/f": "/d/f", "/file": "/d/f", "/d/up/dir/none/x": "/d/none/x"} {
		p, err := s.b.RealPath(s.ctx, at(name))
		s.ok(err)
		s.claim("RealPath "+name, s.claims.RealPath, p == at(want))
	}
	s.ok(s.b.Rename(s.ctx, at("/file"), at("/renamed")))
	s.put("/renamed", "new")
	if got := s.get("/renamed"); got != "new" {
		s.Errorf("written over a link to a file: %q", got)
	}
	for _, name := range []string{"/renamed", "/dir", "/broken", "/loop", "/d/up"} {
		s.want("Remove "+name, s.b.Remove(s.ctx, at(name)), nil)
		s.wantGone(name)
	}
	if names, _ := s.list("/d"); len(names) != 1 {
		s.Errorf("removing links left %q", names)
	}
}
