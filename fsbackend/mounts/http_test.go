package mounts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/mounts"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/davpath"
)

// fill makes resources: "/a/" a collection, "/a/b=x" a file.
func fill(t *testing.T, f fsbackend.Backend, spec string) fsbackend.Backend {
	t.Helper()
	for _, s := range strings.Fields(spec) {
		name, content, _ := strings.Cut(s, "=")
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			if err := f.Mkdir(t.Context(), at(dir)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		u, err := f.Create(t.Context(), at(name))
		if err == nil {
			_, err = io.WriteString(u, content)
		}
		if err == nil {
			_, err = u.Commit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// show returns all that a user sees below p, in the form of fill.
func show(t *testing.T, ctx context.Context, f fsbackend.Backend, p davpath.Path) string {
	t.Helper()
	var all []string
	var walk func(p davpath.Path)
	walk = func(p davpath.Path) {
		d, err := f.OpenDir(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		names, err := d.Names()
		slices.Sort(names)
		infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
		d.Lstat(names, infos, errs)
		if err := errors.Join(append(errs, err)...); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			if member := p.Child(name); infos[i].IsDir() {
				all = append(all, member.String()+"/")
				walk(member)
			} else {
				r, err := f.Open(ctx, member)
				if err != nil {
					t.Fatal(err)
				}
				content, _ := io.ReadAll(r)
				r.Close()
				all = append(all, member.String()+"="+string(content))
			}
		}
	}
	walk(p)
	return strings.Join(all, " ")
}

// as authenticates: the header User is the name.
func as(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(access.WithPrincipal(r.Context(), r.Header.Get("User"))))
	})
}

var failures = regexp.MustCompile(`<D:href>([^<]*)</D:href><D:status>HTTP/1.1 (\d+)`)

// do sends "USER METHOD /path [/destination]" and returns "403" or "207 /a=403 /b/=507".
func do(h http.Handler, line, body string, header ...string) string {
	f := strings.Fields(line)
	r := httptest.NewRequest(f[1], f[2], strings.NewReader(body))
	r.Header.Set("User", strings.Trim(f[0], "-"))
	if len(f) > 3 {
		r.Header.Set("Destination", f[3])
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	as(h).ServeHTTP(w, r)
	if f[1] == "GET" && w.Code == 200 {
		return "200 " + w.Body.String()
	}
	answer := fmt.Sprint(w.Code)
	if f[1] != "PROPFIND" {
		for _, m := range failures.FindAllStringSubmatch(w.Body.String(), -1) {
			answer += " " + m[1] + "=" + m[2]
		}
		return answer
	}
	for _, m := range regexp.MustCompile(`<D:href>([^<]*)</D:href>`).FindAllStringSubmatch(w.Body.String(), -1) {
		answer += " " + m[1]
	}
	return answer
}

const before = "/a/ /a/b/ /a/b/f=ab /a/c/ /a/c/g=ac /docs/ /docs/x/ /docs/x/d=x /file=root /photos/ /photos/1=one /photos/raw/ /photos/raw/r=raw /photos/sub/ /photos/sub/2=two"

// site is a root with mounts, some of which cover what it has itself.
func site(t *testing.T, root func() fsbackend.Backend) *mounts.Table {
	return table(t,
		mounts.Mount{Path: "/photos/raw", Files: fill(t, root(), "/r=raw"), ReadOnly: true},
		mounts.Mount{Path: "/", Files: fill(t, root(), "/file=root /a/ /a/b/ /a/b/covered=x /a/c/ /a/c/g=ac /photos=covered")},
		mounts.Mount{Path: "/photos", Files: fill(t, root(), "/1=one /sub/ /sub/2=two")},
		mounts.Mount{Path: "/a/b", Files: fill(t, root(), "/f=ab")},
		mounts.Mount{Path: "/docs/x", Files: fill(t, root(), "/d=x")},
	)
}

// TestMounts sends requests to a tree of mounts and compares the answer and what is there after it.
func TestMounts(t *testing.T) {
	for _, back := range []struct {
		name string
		open func() fsbackend.Backend
		opts *server.Options
	}{
		{"memory", tree, nil},
		{"disk", func() fsbackend.Backend { return openDisk(t, t.TempDir(), nil) }, nil},
		{"disk, member by member", func() fsbackend.Backend { return openDisk(t, t.TempDir(), nil) }, &server.Options{Policy: allow{}}},
	} {
		for _, tt := range []struct{ why, request, answer, gone, come string }{
			{"a listing merges", "- PROPFIND /", "207 / /a/ /docs/ /file /photos/", "", ""},
			{"a listing of a mount point", "- PROPFIND /photos", "207 /photos/ /photos/1 /photos/raw/ /photos/sub/", "", ""},
			{"a synthesized collection", "- PROPFIND /docs", "207 /docs/ /docs/x/", "", ""},

			{"§9.6 a mount point", "- DELETE /photos", "403", "", ""},
			{"§9.6 a mount point in a mount", "- DELETE /photos/raw/", "403", "", ""},
			{"§9.6 a synthesized collection", "- DELETE /docs", "403", "", ""},
			{"§9.6.1 above a mount point", "- DELETE /a", "207 /a/b/=403", "/a/c/ /a/c/g=ac", ""},
			{"§9.6 in a mount", "- DELETE /photos/sub", "204", "/photos/sub/ /photos/sub/2=two", ""},
			{"read-only", "- DELETE /photos/raw/r", "403", "", ""},

			{"§9.7 into a mount", "- PUT /photos/new", "201", "", "/photos/new=body"},
			{"read-only", "- PUT /photos/raw/new", "403", "", ""},
			{"read-only", "- PUT /photos/raw/r", "403", "", ""},
			{"read-only", "- MKCOL /photos/raw/new", "403", "", ""},
			{"in a synthesized collection", "- PUT /docs/new", "403", "", ""},
			{"in a synthesized collection", "- MKCOL /docs/new", "403", "", ""},
			{"§9.7.1 without a parent", "- PUT /photos/none/new", "409", "", ""},
			{"§9.7.2 a mount point", "- PUT /photos", "405", "", ""},
			{"§9.3.1 a mount point", "- MKCOL /photos", "405", "", ""},

			{"§9.9 a file", "- MOVE /photos/1 /a/b/1", "201", "/photos/1=one", "/a/b/1=one"},
			{"§9.9 a collection", "- MOVE /photos/sub /a/b/sub", "201", "/photos/sub/ /photos/sub/2=two", "/a/b/sub/ /a/b/sub/2=two"},
			{"§9.9 over a file", "- MOVE /photos/1 /a/b/f", "204", "/photos/1=one /a/b/f=ab", "/a/b/f=one"},
			{"§9.9 over a collection", "- MOVE /a/b/f /a/c", "204", "/a/b/f=ab /a/c/ /a/c/g=ac", "/a/c=ab"},
			{"a mount point", "- MOVE /photos /p", "403", "", ""},
			{"a synthesized collection", "- MOVE /docs /d", "403", "", ""},
			{"§9.9.2 above a mount point", "- MOVE /a /z", "207 /a/b/=403", "/a/c/ /a/c/g=ac", "/z/ /z/c/ /z/c/g=ac"},
			{"§9.9.3 onto a mount point", "- MOVE /file /photos", "403", "", ""},
			{"§9.9.3 onto a mount point", "- MOVE /a/c /photos", "403", "", ""},
			{"§9.9.3 onto what holds a mount point", "- MOVE /file /a", "207 /a/b/=403", "", ""},
			{"§9.9.3 onto what holds a mount point", "- MOVE /photos/sub /a", "207 /a/b/=403", "", ""},
			{"from read-only", "- MOVE /photos/raw/r /r", "403", "", ""},
			{"to read-only", "- MOVE /photos/1 /photos/raw/1", "403", "", ""},
			{"into a synthesized collection", "- MOVE /photos/1 /docs/1", "403", "", ""},

			{"§9.8 a file", "- COPY /photos/raw/r /a/b/f", "204", "/a/b/f=ab", "/a/b/f=raw"},
			{"§9.8 a mount with a mount", "- COPY /photos /a/b/p", "201", "",
				"/a/b/p/ /a/b/p/1=one /a/b/p/raw/ /a/b/p/raw/r=raw /a/b/p/sub/ /a/b/p/sub/2=two"},
			{"§9.8 to read-only", "- COPY /photos/sub /photos/raw/sub", "403", "", ""},
			{"§9.8.4 onto a mount point", "- COPY /a/c /photos", "403", "", ""},
			{"§9.8.4 onto a mount point", "- COPY /file /photos", "403", "", ""},
			{"§9.8.4 onto what holds a mount point", "- COPY /photos/sub /a", "207 /a/b/=403", "/a/c/ /a/c/g=ac", "/a/2=two"},
			{"§9.8.5 a mount into itself", "- COPY /photos /photos/raw/p", "403", "", ""},
		} {
			t.Run(back.name+" "+tt.why+": "+tt.request, func(t *testing.T) {
				m := site(t, back.open)
				if got := do(server.New(m, back.opts), tt.request, "body"[:4*strings.Count(tt.request, "PUT")], "Depth", depth(tt.request)); got != tt.answer {
					t.Errorf("answer %s, want %s", got, tt.answer)
				}
				want := slices.DeleteFunc(append(strings.Fields(before), strings.Fields(tt.come)...), func(s string) bool {
					return slices.Contains(strings.Fields(tt.gone), s)
				})
				slices.Sort(want)
				got := strings.Fields(show(t, t.Context(), m, davpath.Root))
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("there is %s\nwant     %s", got, want)
				}
			})
		}
	}
}

// allow is a policy that has to be asked for each member.
type allow struct{}

func (allow) Check(context.Context, access.Privilege, davpath.Path) error { return nil }

// TestLinkToOtherMount: a MOVE takes no link to another mount, and leads nowhere out of its own.
func TestLinkToOtherMount(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("one", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("../other", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	m := table(t, mounts.Mount{Path: "/a", Files: fill(t, openDisk(t, dir, nil), "/one=1")}, mounts.Mount{Path: "/other", Files: tree()})
	h := server.New(m, nil)
	for _, tt := range []struct{ request, answer string }{
		{"- MOVE /a/link /other/link", "403"},
		{"- GET /a/link", "200 1"},
		{"- GET /a/out/", "404"},
		{"- COPY /a/link /other/link", "201"},
		{"- GET /other/link", "200 1"},
		{"- MOVE /a/link /a/renamed", "201"},
	} {
		if got := do(h, tt.request, ""); got != tt.answer {
			t.Errorf("%s: %s, want %s", tt.request, got, tt.answer)
		}
	}
}

// TestCopyBetween: a copy from one mount to another that fails names the side that did, and leaves
// the destination what it was.
func TestCopyBetween(t *testing.T) {
	for _, tt := range []struct {
		op   faultfs.Op
		side int // 0: the source
		at   string
	}{
		{faultfs.Open, 0, "/a/f"}, {faultfs.Read, 0, "/a/f"}, {faultfs.Create, 1, "/b/f"}, {faultfs.Write, 1, "/b/f"}, {faultfs.Commit, 1, "/b/f"},
	} {
		sides := []*faultfs.FS{faultfs.New(fill(t, tree(), "/f=new")), faultfs.New(fill(t, tree(), "/f=old"))}
		m := table(t, mounts.Mount{Path: "/a", Files: sides[0]}, mounts.Mount{Path: "/b", Files: sides[1]})
		sides[tt.side].Fail(tt.op, "/f", syscall.EIO)
		err := m.CopyFile(t.Context(), at("/a/f"), at("/b/f"))
		if failure := (*fs.PathError)(nil); !errors.As(err, &failure) || failure.Path != tt.at || failure.Err != syscall.EIO {
			t.Errorf("%s: %v, want EIO of %s", tt.op, err, tt.at)
		}
		for _, s := range sides {
			s.Reset()
		}
		if got := show(t, t.Context(), m, davpath.Root); got != "/a/ /a/f=new /b/ /b/f=old" {
			t.Errorf("%s: there is %s", tt.op, got)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	m := table(t, mounts.Mount{Path: "/a", Files: fill(t, tree(), "/f=new")}, mounts.Mount{Path: "/b", Files: tree()})
	cancel()
	if err := m.CopyFile(cancelled, at("/a/f"), at("/b/f")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func depth(request string) string {
	if strings.Contains(request, "PROPFIND") {
		return "1"
	}
	return "infinity"
}

// homes is a table with a directory for each of alice and bob.
func homes(t *testing.T) (*mounts.Table, map[string]int) {
	dir, opened := t.TempDir(), map[string]int{}
	var mu sync.Mutex
	for _, user := range []string{"alice", "bob"} {
		if err := os.Mkdir(filepath.Join(dir, user), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return table(t, mounts.Mount{Path: "/", Files: fill(t, tree(), "/f=root /home/ /home/covered=x")},
		mounts.Mount{Path: "/home/{user}", Open: func(ctx context.Context, user string) (fsbackend.Backend, func() error, error) {
			d, err := disk.Open(filepath.Join(dir, user), nil)
			if err != nil {
				return nil, nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			opened[user]++
			return d.Backend(), func() error { mu.Lock(); defer mu.Unlock(); opened[user]--; return d.Close() }, nil
		}}), opened
}

// TestUsers: each user has a tree that nobody else enters.
func TestUsers(t *testing.T) {
	m, opened := homes(t)
	h := server.New(m, nil)
	for _, tt := range []struct{ request, body, answer string }{
		{"alice PUT /home/alice/f", "hers", "201"},
		{"bob PUT /home/bob/f", "his", "201"},
		{"alice GET /home/alice/f", "", "200 hers"},
		{"alice PROPFIND /home", "", "207 /home/ /home/alice/"},
		{"alice PROPFIND /", "", "207 / /f /home/"},
		{"bob PROPFIND /home", "", "207 /home/ /home/bob/"},
		{"carol PROPFIND /home", "", "207 /home/"},
		{"- PROPFIND /home", "", "207 /home/"},
		{"alice GET /home/covered", "", "403"},
		{"alice GET /home/bob/f", "", "403"},
		{"alice GET /home/nobody/f", "", "403"},
		{"- GET /home/alice/f", "", "403"},
		{"alice PUT /home/bob/g", "x", "403"},
		{"alice DELETE /home/bob/f", "", "403"},
		{"alice DELETE /home/bob", "", "403"},
		{"alice COPY /home/bob/f /home/alice/g", "", "403"},
		{"alice MOVE /home/alice/f /home/bob/g", "", "403"},
		{"alice COPY /home/alice /home/bob/alice", "", "403"},
		{"alice MKCOL /home/dave", "", "403"},
		{"alice MKCOL /home/alice", "", "405"},
		{"alice DELETE /home/alice", "", "403"},
		{"alice DELETE /home", "", "403"},
		{"carol GET /home/carol/f", "", "404"},
		{".. GET /home/%2e%2e/f", "", "200 root"}, // the URL is /f
		{".. PROPFIND /home", "", "207 /home/"},
		{"a/../bob PROPFIND /home", "", "207 /home/"},
		{"alice GET /home/alice/f", "", "200 hers"},
		{"bob GET /home/bob/f", "", "200 his"},
	} {
		if got := do(h, tt.request, tt.body, "Depth", depth(tt.request)); got != tt.answer {
			t.Errorf("%s: %s, want %s", tt.request, got, tt.answer)
		}
	}
	if opened["alice"] != 1 || opened["bob"] != 1 || len(opened) != 2 {
		t.Errorf("opened %v, want each user's tree once", opened)
	}
	if err := m.Close(); err != nil || opened["alice"] != 0 || opened["bob"] != 0 {
		t.Errorf("after Close %v are open, %v", opened, err)
	}
}

// TestUsersStateIsApart: locks, properties and waiting go by the path, which has the user's name.
// Work without a request sees the trees of all, and nothing is lost without that.
func TestUsersStateIsApart(t *testing.T) {
	m, _ := homes(t)
	h := server.New(m, nil)
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	const set = `<propertyupdate xmlns="DAV:"><set><prop><z xmlns="urn:z">hers</z></prop></set></propertyupdate>`
	for _, tt := range []struct{ request, body, answer string }{
		{"alice PUT /home/alice/f", "hers", "201"},
		{"bob PUT /home/bob/f", "his", "201"},
		{"alice PROPPATCH /home/alice/f", set, "207"},
		{"alice LOCK /home/alice/f", lock, "200"},
		{"bob PUT /home/bob/f", "new", "204"},
		{"bob LOCK /home/bob/f", lock, "200"},
		{"alice PUT /home/alice/f", "new", "423"},
	} {
		if got := do(h, tt.request, tt.body); got != tt.answer {
			t.Errorf("%s: %s, want %s", tt.request, got, tt.answer)
		}
	}
	for _, ctx := range []context.Context{t.Context(), mounts.Everyone(t.Context())} {
		for range 2 {
			if removed, err := h.PurgeOrphanedProps(ctx, 0); removed != 0 || err != nil {
				t.Errorf("removed the properties of %d resources, %v", removed, err)
			}
			if err := h.DropStaleLocks(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	if got := do(h, "alice PUT /home/alice/f", "new"); got != "423" {
		t.Errorf("the lock is gone: %s", got)
	}
	const find = `<propfind xmlns="DAV:"><prop><z xmlns="urn:z"/></prop></propfind>`
	r := httptest.NewRequest("PROPFIND", "/home/alice/f", strings.NewReader(find))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(access.WithPrincipal(t.Context(), "alice")))
	if !strings.Contains(w.Body.String(), ">hers<") {
		t.Errorf("the property is gone: %s", w.Body)
	}
}

// TestLockBehindLink: a lock that a link on the way hides protects in the tree of a user, too.
func TestLockBehindLink(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir, nil)
	fill(t, d, "/d/ /d/sub/ /d/sub/f=x /d/sub/g=x")
	if err := os.Symlink("d", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	m := table(t, mounts.Mount{Path: "/home/{user}", Open: func(context.Context, string) (fsbackend.Backend, func() error, error) { return d, nil, nil }})
	h := server.New(m, nil)
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	for _, tt := range []struct{ request, body, answer string }{
		{"alice LOCK /home/alice/d/sub/f", lock, "200"},
		{"alice DELETE /home/alice/link/sub", "", "207"},
		{"alice GET /home/alice/d/sub/f", "", "200 x"},
	} {
		if got := do(h, tt.request, tt.body); strings.Fields(got)[0] != strings.Fields(tt.answer)[0] {
			t.Errorf("%s: %s, want %s", tt.request, got, tt.answer)
		}
	}
}

// TestValidUser refuses names that would lead out of the directory of one user.
func TestValidUser(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../bob", "a/b", `a\b`, "/etc", "C:", ".ssh", "bob.", "bob ", " bob", "a\x00b", "a\nb",
		"*", "{user}", ".dav207", "\u200c.dav207", "\xff", strings.Repeat("n", 300)} {
		if mounts.ValidUser(name) {
			t.Errorf("%q is a valid user", name)
		}
	}
	for _, name := range []string{"alice", "Bob", "a.b@example.org", "zoë", "a-b_c", "a..b", "~x"} {
		if !mounts.ValidUser(name) {
			t.Errorf("%q is not a valid user", name)
		}
	}
}

func TestNew(t *testing.T) {
	one := tree()
	perUser := func(context.Context, string) (fsbackend.Backend, func() error, error) {
		return nil, nil, fs.ErrNotExist
	}
	for _, tt := range []struct {
		why  string
		list []mounts.Mount
		want string
	}{
		{"nothing", nil, ""},
		{"one place", []mounts.Mount{{Path: "/a", Files: tree()}, {Path: "a/", Files: tree()}}, "another is there"},
		{"one directory", []mounts.Mount{{Path: "/a", Files: one}, {Path: "/b", Files: one}}, "one directory"},
		{"reserved", []mounts.Mount{{Path: "/.dav207", Files: tree()}}, "reserved"},
		{"above the root", []mounts.Mount{{Path: "/../a", Files: tree()}}, "above the root"},
		{"no back end", []mounts.Mount{{Path: "/a"}}, "Files for one without"},
		{"a tree for all users", []mounts.Mount{{Path: "/{user}", Files: tree()}}, "Open is for a path with {user}"},
		{"two users", []mounts.Mount{{Path: "/{user}/{user}", Open: perUser}}, "twice"},
		{"a part of a segment", []mounts.Mount{{Path: "/x-{user}", Open: perUser}}, "a whole segment"},
		{"a name beside users", []mounts.Mount{{Path: "/h/{user}", Open: perUser}, {Path: "/h/all", Files: tree()}}, "nothing else"},
		{"users in a mount", []mounts.Mount{{Path: "/h/{user}", Open: perUser}, {Path: "/h", Files: tree()}}, "nothing else"},
		{"users in the root", []mounts.Mount{{Path: "/{user}", Open: perUser}, {Path: "/", Files: tree()}}, "nothing else"},
		{"mounts of users in another", []mounts.Mount{{Path: "/{user}/a", Open: perUser}, {Path: "/{user}/b", Open: perUser}}, ""},
	} {
		if _, err := mounts.New(t.Context(), tt.list, nil); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.want)
		}
	}
}

// TestIdentity: no two resources of a table have one identity, those that no back end has included.
func TestIdentity(t *testing.T) {
	m, seen := site(t, tree), map[fsbackend.ID]string{}
	for _, name := range append(strings.Fields(before), "/") {
		name, _, _ = strings.Cut(name, "=")
		info, err := m.Stat(t.Context(), at(name))
		if err != nil {
			t.Fatal(err)
		}
		if other := seen[info.ID]; other != "" || info.ID == (fsbackend.ID{}) {
			t.Errorf("%s and %q have the identity %v", name, other, info.ID)
		}
		seen[info.ID] = name
	}
}
