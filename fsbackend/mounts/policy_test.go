package mounts_test

import (
	"context"
	"io/fs"
	"net/http/httptest"
	"strings"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/mounts"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
)

// TestPolicy: locks and dead properties, which no back end sees, keep out of read-only mounts and
// of the trees of others, whether there is another policy or not.
func TestPolicy(t *testing.T) {
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	const set = `<propertyupdate xmlns="DAV:"><set><prop><z xmlns="urn:z">v</z></prop></set></propertyupdate>`
	all, err := rules.Compile([]rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]access.Policy{"none": nil, "rules": all, "a simple one": allow{}} {
		homes, _ := homes(t)
		m := table(t, mounts.Mount{Path: "/", Files: homes}, mounts.Mount{Path: "/ro", ReadOnly: true, Files: fill(t, tree(), "/f=x /d/ /d/g=x")},
			mounts.Mount{Path: "/ro/rw", Files: fill(t, tree(), "/f=x")},
			mounts.Mount{Path: "/team/{user}", Open: func(context.Context, string) (fsbackend.Backend, func() error, error) { return tree(), nil, nil }})
		h := server.New(m, &server.Options{Policy: m.Policy(next)})
		for _, tt := range []struct{ request, body, answer string }{
			{"alice PUT /team/alice/f", "x", "201"},
			{"alice PROPPATCH /ro/f", set, "403"},
			{"alice PROPPATCH /ro/", set, "403"},
			{"alice LOCK /ro/f", lock, "403"},
			{"alice LOCK /ro/", lock, "403"},
			{"alice LOCK /", lock, "403"},
			{"alice LOCK /team", lock, "403"},
			{"alice LOCK /team/bob", lock, "403"},
			{"alice LOCK /team/bob/f", lock, "403"},
			{"alice PROPPATCH /team/bob/f", set, "403"},
			{"alice LOCK /ro/rw", lock, "200"}, // of its own
			{"alice PROPPATCH /f", set, "207"},
			{"alice PROPPATCH /team/alice/f", set, "207"},
			{"alice LOCK /team/alice", lock, "200"},
			{"bob PUT /team/bob/f", "x", "201"},
			{"bob PUT /team/bob/f", "y", "204"},
			{"alice DELETE /ro/d", "", "403"},
			{"alice DELETE /ro/f", "", "403"},
			{"alice COPY /ro/d /f2", "", "201"},
			{"alice GET /ro/f", "", "200 x"},
		} {
			if got := do(h, tt.request, tt.body); got != tt.answer {
				t.Errorf("%s: %s = %s, want %s", name, tt.request, got, tt.answer)
			}
		}
		for _, tt := range []struct{ user, at, allowed string }{
			{"alice", "/ro/f", "OPTIONS, GET, HEAD, COPY, PROPFIND"},
			{"alice", "/team/bob/x", "OPTIONS, GET, HEAD, COPY, PROPFIND"},
			{"alice", "/team/alice/x", "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK"},
			{"alice", "/ro", "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK"}, // in /ro/rw
		} {
			r := httptest.NewRequest("OPTIONS", tt.at, nil)
			r.Header.Set("User", tt.user)
			w := httptest.NewRecorder()
			as(h).ServeHTTP(w, r)
			if got := strings.TrimSuffix(w.Header().Get("Allow"), ", UNLOCK"); got != tt.allowed {
				t.Errorf("%s: OPTIONS %s: Allow: %s, want %s", name, tt.at, got, tt.allowed)
			}
		}
	}
}

// TestPrivilegesOfSynthesized: DAV:current-user-privilege-set (RFC 3744 §5.4) does not say that
// members can be added or removed where no back end has the collection, and DAV:write, which holds
// these privileges (§3.2), is not there either.
func TestPrivilegesOfSynthesized(t *testing.T) {
	all, err := rules.Compile([]rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mounted := mounts.Mount{Path: "/mnt", Files: fill(t, tree(), "/docs/ /docs/c/")}
	m := table(t, mounted, mounts.Mount{Path: "/syn/a", Files: tree()}, mounts.Mount{Path: "/mnt/docs/b", Files: tree()}, mounts.Mount{Path: "/mnt/none/b", Files: tree()})
	h := server.New(m, &server.Options{Policy: m.Policy(all)})
	for name, want := range map[string]bool{"/": false, "/syn": false, "/mnt/none": false, "/mnt": true, "/syn/a": true, "/mnt/docs": true, "/mnt/docs/b": true, "/mnt/docs/c": true} {
		r := httptest.NewRequest("PROPFIND", name, strings.NewReader(`<propfind xmlns="DAV:"><prop><current-user-privilege-set/></prop></propfind>`))
		r.Header.Set("Depth", "0")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, privilege := range []string{"bind", "unbind", "write", "all"} {
			if got := strings.Contains(w.Body.String(), "<D:"+privilege+"/>"); got != want {
				t.Errorf("%s has %s: %v, want %v", name, privilege, got, want)
			}
		}
		if got := do(h, "ann PUT "+strings.TrimSuffix(name, "/")+"/new", "x"); (got == "201") != want {
			t.Errorf("PUT of a member of %s: %s", name, got)
		}
	}
}

// TestPolicyAgrees: what a TreePolicy says of a whole tree agrees with what Check says of its parts.
func TestPolicyAgrees(t *testing.T) {
	m := table(t, mounts.Mount{Path: "/", Files: tree()}, mounts.Mount{Path: "/ro", ReadOnly: true, Files: tree()}, mounts.Mount{Path: "/ro/rw/x", Files: tree()},
		mounts.Mount{Path: "/home/{user}", Open: func(context.Context, string) (fsbackend.Backend, func() error, error) {
			return nil, nil, fs.ErrNotExist
		}},
		mounts.Mount{Path: "/home/{user}/ro", ReadOnly: true, Open: func(context.Context, string) (fsbackend.Backend, func() error, error) {
			return nil, nil, fs.ErrNotExist
		}})
	ctx := access.WithPrincipal(t.Context(), "alice")
	list, err := rules.Compile([]rules.Rule{{Who: []string{"everybody"}, Allow: []string{"all"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var paths []davpath.Path
	for _, name := range strings.Fields("/ /a /a/b /ro /ro/a /ro/rw /ro/rw/x /ro/rw/x/a /home /home/alice /home/alice/a /home/alice/ro /home/alice/ro/a /home/bob /home/bob/a /home/alice.b") {
		paths = append(paths, davpath.Must(name))
	}
	for _, next := range []access.Policy{nil, list} {
		policy := m.Policy(next).(access.TreePolicy)
		for what := access.Read; what <= access.Unlock; what++ {
			for _, p := range paths {
				some := false
				for _, below := range paths {
					allowed := policy.Check(ctx, what, below) == nil
					some = some || allowed && p.Contains(below)
					if policy.AllowsAll(ctx, what, p) && p.Contains(below) && p != below && !allowed {
						t.Errorf("all of %s has %v, but not %s", p, what, below)
					}
				}
				if some && !policy.AllowsSome(ctx, what, p) {
					t.Errorf("nothing of %s has %v", p, what)
				}
			}
		}
	}
}

// TestUsageOfSynthesized: a collection that no back end has has no quota (RFC 4331 §3), wherever it is.
func TestUsageOfSynthesized(t *testing.T) {
	m := table(t, mounts.Mount{Path: "/", Files: openDisk(t, t.TempDir(), nil)}, mounts.Mount{Path: "/a/b", Files: openDisk(t, t.TempDir(), nil)})
	h := server.New(m, nil)
	for name, want := range map[string]string{"/": "200 OK", "/a": "404 Not Found", "/a/b": "200 OK"} {
		r := httptest.NewRequest("PROPFIND", name, strings.NewReader(`<propfind xmlns="DAV:"><prop><quota-used-bytes/></prop></propfind>`))
		r.Header.Set("Depth", "0")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s, want %s", name, w.Body, want)
		}
	}
}
