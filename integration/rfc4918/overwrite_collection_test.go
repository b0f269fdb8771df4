package rfc4918

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server/davpath"
	"dav207/server/davtest"
)

// marked reports whether a resource has the property that mark sets.
func marked(t testing.TB, srv *davtest.Server, name string) bool {
	t.Helper()
	r := srv.Send("PROPFIND", name, `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`, "Depth: 0")
	if r.StatusCode != 207 || len(r.Responses) != 1 {
		t.Fatalf("PROPFIND %s = %v", name, r)
	}
	return strings.Contains(r.String(), "200[mark]")
}

// A member that was deleted or moved loses its locks (RFC 4918 §6.1, §9.6: a server "MUST destroy
// locks rooted on the deleted resource") and its properties, also if its collection stays because
// of another failure.
func TestDeletedMembersLoseLocksAndProperties(t *testing.T) {
	type broken struct {
		op   faultfs.Op
		name string
		err  error
	}
	for _, tt := range []struct {
		rule, method, name, dst string
		gone, stays             string
		faults                  []broken
		want                    string
	}{
		{"§9.6 DELETE", "DELETE", "/c/", "", "/c/m", "/c/",
			[]broken{{faultfs.Remove, "/c", syscall.EACCES}}, "207 /c/=403"},
		{"§9.6 DELETE, deeper", "DELETE", "/c/", "", "/c/d/m", "/c/d/",
			[]broken{{faultfs.Remove, "/c/d", syscall.EACCES}}, "207 /c/d/=403"},
		{"§9.8.4 COPY over it", "COPY", "/s/", "/c/", "/c/d/m", "/c/d/",
			[]broken{{faultfs.Remove, "/c/d", syscall.EACCES}}, "207 /c/d/=403"},
		{"§9.9.3 MOVE over it, across file systems", "MOVE", "/s/", "/c/", "/c/d/m", "/c/d/",
			[]broken{{faultfs.Rename, "/s", syscall.EXDEV}, {faultfs.Remove, "/c/d", syscall.EACCES}}, "207 /c/d/=403"},
		{"§9.9 MOVE away, across file systems", "MOVE", "/c/", "/x/", "/c/d/m", "/c/d/",
			[]broken{{faultfs.Rename, "/c", syscall.EXDEV}, {faultfs.Rename, "/c/d", syscall.EXDEV}, {faultfs.Remove, "/c/d", syscall.EACCES}}, "207 /c/d/=403"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			srv := harness.NewServer(t, nil)
			srv.Put("/s/f", tt.gone)
			srv.Send("PROPPATCH", tt.gone, harness.SetMark)
			token := srv.Lock(tt.gone)
			for _, f := range tt.faults {
				srv.Files.Fail(f.op, f.name, harness.PathError(f.name, f.err))
			}
			headers := []string{"If: <" + tt.gone + "> (<" + token + ">)"}
			if tt.dst != "" {
				headers = append(headers, "Destination: "+tt.dst)
			}
			if got := srv.Do(tt.method, tt.name, headers...).String(); got != tt.want {
				t.Errorf("%s %s %s = %s, want %s", tt.method, tt.name, tt.dst, got, tt.want)
			}
			if tree := " " + srv.Names() + " "; !strings.Contains(tree, " "+tt.stays+" ") || strings.Contains(tree, " "+tt.gone+" ") {
				t.Fatalf("tree = %s, want %s and not %s", tree, tt.stays, tt.gone)
			}
			srv.Put(tt.gone) // without a request, which would clear the properties
			if marked(t, srv, tt.gone) {
				t.Error("the new resource has the old property")
			}
			srv.Remove(tt.gone)
			if got := srv.Send("PUT", tt.gone, "new").String(); got != "201" {
				t.Errorf("PUT %s = %s, want 201", tt.gone, got)
			}
		})
	}
}

// undeletableFS is a directory in which a file called "stays" cannot be removed, also after a
// rename of its collection.
type undeletableFS struct {
	fsbackend.Bulk
	dir string
}

func (s *undeletableFS) Remove(ctx context.Context, p davpath.Path) error {
	if path.Base(p.String()) == "stays" {
		return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.EACCES}
	}
	return s.Bulk.Remove(ctx, p)
}

func (s *undeletableFS) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	err := filepath.WalkDir(filepath.Join(s.dir, p.String()), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "stays" {
			err = syscall.EACCES
		}
		return err
	})
	return (err == nil || os.IsNotExist(err)) && s.Bulk.RemoveTree(ctx, p, removed)
}

// A member of the destination that cannot be removed stays under its name and is reported. The
// source of a MOVE stays, too (RFC 4918 §9.8.4, §9.9.3, §9.9.4).
func TestOverwriteUndeletableMember(t *testing.T) {
	for _, tt := range []struct {
		rule, method, src string
		before            []string
		across            bool // renames out of the source fail
		want              string
		left              string
	}{
		{"MOVE of a collection", "MOVE", "/c/", []string{"/c/1", "/t/stays"}, false,
			"207 /t/stays=403", "c/ c/1 t/ t/stays"},
		{"MOVE of a collection, deeper, among others", "MOVE", "/c/", []string{"/c/1", "/t/a", "/t/d/stays", "/t/d/x", "/t/z"}, false,
			"207 /t/d/stays=403", "c/ c/1 t/ t/d/ t/d/stays t/d/x t/z"},
		{"MOVE of a file", "MOVE", "/f", []string{"/f", "/t/a", "/t/stays"}, false,
			"207 /t/stays=403", "f t/ t/stays"},
		{"MOVE of a file across file systems", "MOVE", "/f", []string{"/f", "/t/a", "/t/stays"}, true,
			"207 /t/stays=403", "f t/ t/stays"},
		{"MOVE of a collection across file systems", "MOVE", "/c/", []string{"/c/1", "/t/1", "/t/stays"}, true,
			"207 /t/stays=403", "c/ t/ t/1 t/stays"},
		{"COPY of a file", "COPY", "/f", []string{"/f", "/t/a", "/t/d/stays"}, false,
			"207 /t/d/stays=403", "f t/ t/d/ t/d/stays"},
		{"COPY of a collection", "COPY", "/c/", []string{"/c/1", "/t/a", "/t/stays"}, false,
			"207 /t/stays=403", "c/ c/1 t/ t/1 t/stays"},
		{"COPY of a collection with a file of the name of a collection", "COPY", "/c/", []string{"/c/d", "/c/z", "/t/d/stays"}, false,
			"207 /t/d/stays=403", "c/ c/d c/z t/ t/d/ t/d/stays t/z"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tt.before {
				p := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(name), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			files := faultfs.New(&undeletableFS{harness.DiskTree(t, dir, nil).(fsbackend.Bulk), dir})
			if tt.across {
				files.Fail(faultfs.Rename, tt.src, syscall.EXDEV)
				files.Fail(faultfs.Rename, path.Join(tt.src, "**"), syscall.EXDEV)
			}
			s := harness.Serve(t, files, nil)
			if got := harness.OneLine(t, s.Do(tt.method, tt.src, "", "Destination", "dest:/t")); got != tt.want {
				t.Errorf("%s %s = %s, want %s", tt.method, tt.src, got, tt.want)
			}
			if got := harness.ListDir(t, dir); got != tt.left {
				t.Errorf("tree = %s, want %s", got, tt.left)
			}
			// PROPFIND lists all that is left.
			var seen []string
			for _, name := range s.Tree("/")[1:] {
				seen = append(seen, name[1:])
			}
			if got := strings.Join(seen, " "); got != tt.left {
				t.Errorf("listed is %s, want %s", got, tt.left)
			}
			harness.NoTemps(t, dir)
		})
	}
}

// A member of the destination that cannot be removed keeps its lock and its properties; a member
// that was removed loses them.
func TestOverwriteUndeletableKeepsProperties(t *testing.T) {
	for _, method := range []string{"MOVE", "COPY"} {
		srv := harness.NewServer(t, nil)
		srv.Put("/f", "/t/a", "/t/b")
		for _, name := range []string{"/t/a", "/t/b", "/t"} {
			srv.Send("PROPPATCH", name, harness.SetMark)
		}
		srv.Send("PUT", "/t/b", "new")                               // PUT keeps the properties
		srv.Files.Fail(faultfs.Remove, "/**", syscall.EACCES).Nth(2) // of /t/b, also under a temp name
		if got, want := srv.Do(method, "/f", "Destination: /t").String(), "207 /t/b=403"; got != want {
			t.Errorf("%s = %s, want %s", method, got, want)
		}
		if got, want := srv.Names(), "/ /f /t/ /t/b"; got != want {
			t.Errorf("%s: there is %s, want %s", method, got, want)
		}
		if !marked(t, srv, "/t/b") || !marked(t, srv, "/t") || marked(t, srv, "/f") {
			t.Errorf("%s: a resource has the properties of another", method)
		}
		srv.Put("/t/a")
		if marked(t, srv, "/t/a") {
			t.Errorf("%s: the new resource has the old property", method)
		}
	}
}

// If a file replaces a locked collection the URL stays mapped, so its lock stays (RFC 4918 §7.6,
// §6.1). The locks of the members end.
func TestLockOfCollectionReplacedByFile(t *testing.T) {
	for _, method := range []string{"COPY", "MOVE"} {
		srv := harness.NewServer(t, nil)
		srv.Put("/f", "/t/a")
		token := srv.Lock("/t/")
		if got := srv.Do(method, "/f", "Destination: /t", "If: </t> (<"+token+">)").String(); got != "204" {
			t.Fatalf("%s = %s, want 204", method, got)
		}
		if got, want := srv.Send("PUT", "/t", "x").String(), "423 lock-token-submitted(/t)"; got != want {
			t.Errorf("PUT after %s = %s, want %s", method, got, want)
		}
		if got := srv.Send("PUT", "/t", "x", "If: (<"+token+">)").String(); got != "204" {
			t.Errorf("PUT with the token after %s = %s, want 204", method, got)
		}
	}
	srv := harness.NewServer(t, nil)
	srv.Put("/f", "/t/a")
	token := srv.Lock("/t/a")
	if got := srv.Do("COPY", "/f", "Destination: /t", "If: </t/a> (<"+token+">)").String(); got != "204" {
		t.Fatalf("COPY = %s, want 204", got)
	}
	srv.Remove("/t")
	if got := srv.Do("MKCOL", "/t").String(); got != "201" {
		t.Fatalf("MKCOL = %s, want 201", got)
	}
	if got := srv.Send("PUT", "/t/a", "x").String(); got != "201" {
		t.Errorf("PUT of a former member = %s, want 201", got)
	}
}

// If a file can neither be renamed to the destination nor removed from the source, MOVE removes the
// copy again. Nothing was changed, so the answer is a plain status (RFC 4918 §9.9.4).
func TestMoveOfUndeletableFile(t *testing.T) {
	srv := harness.NewServer(t, nil)
	srv.Put("/f")
	srv.Send("PROPPATCH", "/f", harness.SetMark)
	srv.Files.Fail(faultfs.Rename, "/f", syscall.EXDEV)
	srv.Files.Fail(faultfs.Remove, "/f", syscall.EACCES)
	if got := srv.Do("MOVE", "/f", "Destination: /g").String(); got != "403" {
		t.Errorf("MOVE = %s, want 403", got)
	}
	if got := srv.Names(); got != "/ /f" {
		t.Errorf("tree = %s, want / /f", got)
	}
	if !marked(t, srv, "/f") {
		t.Error("the source lost its property")
	}
	srv.Put("/g")
	if marked(t, srv, "/g") {
		t.Error("the new resource at the destination has the property of the source")
	}
}

// A file of a user whose name has the prefix of temp files, but is not one, is not served. DELETE
// of its collection must not remove it, because clients cannot see it.
func TestFilesWithTempPrefixStay(t *testing.T) {
	const own = "t/.dav207-notes/ t/.dav207-notes/thesis"
	for _, tt := range []struct{ method, name, dst, want, left string }{
		{"DELETE", "/t/", "", "207 /t/=403", "c/ c/x f t/ " + own},
		{"MOVE", "/f", "/t", "207 /t/=403", "c/ c/x f t/ " + own + " t/a"},
		{"COPY", "/f", "/t", "207 /t/=403", "c/ c/x f t/ " + own + " t/a"},
		{"MOVE", "/c/", "/t/", "207 /t/=403", "c/ c/x f t/ " + own + " t/a"},
		{"COPY", "/c/", "/t/", "204", "c/ c/x f t/ " + own + " t/x"},
	} {
		t.Run(harness.NoSlash(tt.method+" "+tt.name+tt.dst), func(t *testing.T) {
			s, dir := harness.ServeDir(t, nil, "/t/a", "/t/.dav207-notes/thesis", "/f", "/c/x")
			var header []string
			if tt.dst != "" {
				header = []string{"Destination", "dest:" + tt.dst}
			}
			if got := harness.OneLine(t, s.Do(tt.method, tt.name, "", header...)); got != tt.want {
				t.Errorf("%s %s %s = %s, want %s", tt.method, tt.name, tt.dst, got, tt.want)
			}
			if got := harness.ListDir(t, dir); got != tt.left {
				t.Errorf("tree = %s, want %s", got, tt.left)
			}
		})
	}
}
