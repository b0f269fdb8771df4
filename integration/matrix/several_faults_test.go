package matrix

import (
	"strings"
	"syscall"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davtest"
)

// TestMatrixSeveralFaults has the cells that the models leave out: several failures, hidden
// resources, and a file where the destination has a collection or the reverse. Trees are written as
// by davtest.Server.Tree, without "/", and with the content if it is not the name.
func TestMatrixSeveralFaults(t *testing.T) {
	type faultList []fault
	for _, tt := range []struct {
		rule    string
		before  string
		faults  faultList
		policy  string // rules separated by semicolons
		request string // method, name, destination
		want    string
		left    string
	}{
		{"9.6.1 DELETE: each failure is reported, and nothing else", "/c/a /c/d/x /c/d/y /c/m /c/z", faultList{
			{"/c/a", "remove", permission, syscall.EACCES}, {"/c/d/x", locked, isLocked, nil}, {"/c/z", "remove", ioError, syscall.EIO},
		}, "", "DELETE /c/", "207 /c/a=403 /c/d/x=423 lock-token-submitted(/c/d/x) /c/z=500", "/c/ /c/a /c/d/ /c/d/x /c/z"},
		{"9.6.1 DELETE: members of a collection that fails are not reported", "/c/d/x /c/d/y /c/z", faultList{
			{"/c/d/", locked, isLocked, nil}, {"/c/d/x", "remove", ioError, syscall.EIO},
		}, "", "DELETE /c/", "207 /c/d/=423 lock-token-submitted(/c/d/)", "/c/ /c/d/ /c/d/x /c/d/y"},
		{"9.6.1 DELETE: all members fail, so nothing was done, but it is not the Request-URI that failed", "/c/a /c/b", faultList{
			{"/c/a", "remove", permission, syscall.EACCES}, {"/c/b", "remove", permission, syscall.EACCES},
		}, "", "DELETE /c/", "207 /c/a=403 /c/b=403", "/c/ /c/a /c/b"},
		{"9.6.1 DELETE: the members went, the collection cannot: a bare 403 would say that nothing was done", "/c/a", faultList{
			{"/c/", "remove", permission, syscall.EACCES},
		}, "", "DELETE /c/", "207 /c/=403", "/c/"},
		{"9.6.1 DELETE: an empty collection that cannot go", "/c/", faultList{
			{"/c/", "remove", permission, syscall.EACCES},
		}, "", "DELETE /c/", "403", "/c/"},
		{"8.1 DELETE: a hidden member is not told of, and keeps its ancestors", "/c/a /c/h", nil,
			"hide read /c/h; hide unbind /c/h", "DELETE /c/", "207 /c/=403", "/c/ /c/h"},
		{"8.1 COPY: a hidden member is not there", "/c/a /c/h", nil, "hide read /c/h", "COPY /c/ /t/", "201", "/c/ /c/a /c/h /t/ /t/a=/c/a"},
		{"8.1 MOVE: a hidden member is not told of, and stays", "/c/a /c/h", nil,
			"hide read /c/h; hide unbind /c/h", "MOVE /c/ /t/", "207 /c/=403", "/c/ /c/h /t/ /t/a=/c/a"},

		{"9.8.3 COPY: failures of both ends", "/c/a /c/d/x /c/m /t/m", faultList{
			{"/c/a", "open", permission, syscall.EACCES}, {"/t/d/", "mkdir", noSpace, syscall.ENOSPC}, {"/t/m", locked, isLocked, nil},
		}, "", "COPY /c/ /t/", "207 /c/a=403 /t/d/=507 sufficient-disk-space /t/m=423 lock-token-submitted(/t/m)",
			"/c/ /c/a /c/d/ /c/d/x /c/m /t/ /t/m"},
		{"9.8.3 COPY: the source of a member is looked at before its destination", "/c/m /c/z /t/m", faultList{
			{"/c/m", "read", ioError, syscall.EIO}, {"/t/m", "commit", noSpace, syscall.ENOSPC},
		}, "", "COPY /c/ /t/", "207 /c/m=500", "/c/ /c/m /c/z /t/ /t/m /t/z=/c/z"},
		{"9.8.4 COPY: a member that fails keeps its counterpart, surplus goes", "/c/m /t/m /t/s", faultList{
			{"/t/m", "write", noSpace, syscall.ENOSPC},
		}, "", "COPY /c/ /t/", "207 /t/m=507 sufficient-disk-space", "/c/ /c/m /t/ /t/m"},

		{"9.8.4 COPY: a file over a collection", "/f /t/a /t/d/x", nil, "", "COPY /f /t", "204", "/f /t=/f"},
		{"9.8.4 COPY: a collection over a file", "/c/a /t", nil, "", "COPY /c/ /t", "204", "/c/ /c/a /t/ /t/a=/c/a"},
		{"9.8.4 COPY: a file over a collection that keeps a member", "/f /t/a /t/z", faultList{{"/t/z", locked, isLocked, nil}}, "",
			"COPY /f /t", "207 /t/z=423 lock-token-submitted(/t/z)", "/f /t/ /t/a /t/z"},
		{"9.8.4 COPY: a file that cannot be read leaves the collection alone", "/f /t/a", faultList{{"/f", "read", ioError, syscall.EIO}}, "",
			"COPY /f /t", "500", "/f /t/ /t/a"},
		{"9.8.4 COPY: a file over a locked collection", "/f /t/a", faultList{{"/t/", locked, isLocked, nil}}, "",
			"COPY /f /t", "423 lock-token-submitted(/t/)", "/f /t/ /t/a"},
		{"9.8.4 COPY: a collection that cannot be listed leaves the file alone", "/c/a /t", faultList{{"/c/", "list", ioError, syscall.EIO}}, "",
			"COPY /c/ /t", "500", "/c/ /c/a /t"},
		{"9.8.4 COPY: a collection that cannot be made leaves the file alone", "/c/a /t", faultList{{"/t", "mkdir", noSpace, syscall.ENOSPC}}, "",
			"COPY /c/ /t", "507 sufficient-disk-space", "/c/ /c/a /t"},
		{"9.8.4 COPY: a member that is a file over a locked collection", "/c/m /c/z /t/m/x", faultList{{"/t/m/", locked, isLocked, nil}}, "",
			"COPY /c/ /t/", "207 /t/m/=423 lock-token-submitted(/t/m/)", "/c/ /c/m /c/z /t/ /t/m/ /t/m/x /t/z=/c/z"},
		{"9.8.4 COPY: a member that is a collection over a locked file", "/c/m/x /c/z /t/m", faultList{{"/t/m", locked, isLocked, nil}}, "",
			"COPY /c/ /t/", "207 /t/m=423 lock-token-submitted(/t/m)", "/c/ /c/m/ /c/m/x /c/z /t/ /t/m /t/z=/c/z"},

		{"9.9.3 MOVE: a file over a collection", "/f /t/a /t/d/x", nil, "", "MOVE /f /t", "204", "/t=/f"},
		{"9.9.3 MOVE: a collection over a file", "/c/a /t", nil, "", "MOVE /c/ /t", "204", "/t/ /t/a=/c/a"},
		{"9.9.3 MOVE: a file over a collection that keeps a member: the source stays", "/f /t/a /t/z", faultList{{"/t/z", locked, isLocked, nil}}, "",
			"MOVE /f /t", "207 /t/z=423 lock-token-submitted(/t/z)", "/f /t/ /t/a /t/z"},
		{"9.9.3 MOVE: a rename that fails leaves both", "/c/a /t/b", faultList{{"/c/", "rename", ioError, syscall.EIO}}, "",
			"MOVE /c/ /t/", "500", "/c/ /c/a /t/ /t/b"},
		{"9.9.3 MOVE: a file onto a locked file", "/f /t", faultList{{"/t", locked, isLocked, nil}}, "",
			"MOVE /f /t", "423 lock-token-submitted(/t)", "/f /t"},
		{"9.9.3 MOVE: the destination is deleted first, so a member that may not go keeps all at both ends", "/c/a /c/m /c/z /t/z", faultList{
			{"/c/a", locked, isLocked, nil}, {"/t/z", locked, isLocked, nil},
		}, "", "MOVE /c/ /t/", "207 /t/z=423 lock-token-submitted(/t/z)", "/c/ /c/a /c/m /c/z /t/ /t/z"},
		{"9.9.3 MOVE: all undeletable members are reported, with and without a counterpart in the source", "/c/a /c/d/x /t/a /t/d/x /t/s /t/u", faultList{
			{"/t/a", locked, isLocked, nil}, {"/t/d/x", locked, isLocked, nil},
		}, "deny unbind /t/s", "MOVE /c/ /t/", "207 /t/a=423 lock-token-submitted(/t/a) /t/d/x=423 lock-token-submitted(/t/d/x) /t/s=403",
			"/c/ /c/a /c/d/ /c/d/x /t/ /t/a /t/d/ /t/d/x /t/s /t/u"},
		{"9.9.3 MOVE: members that are locked and members that the disk keeps are all reported", "/c/a /t/a /t/d/x /t/s", faultList{
			{"/t/a", locked, isLocked, nil}, {"/t/d/x", undeletable, permission, syscall.EACCES},
		}, "", "MOVE /c/ /t/", "207 /t/a=423 lock-token-submitted(/t/a) /t/d/x=403", "/c/ /c/a /t/ /t/a /t/d/ /t/d/x /t/s"},
		{"9.9.3 MOVE: so it is where the source has a locked member", "/c/a /c/z /t/a /t/d/x", faultList{
			{"/c/z", locked, isLocked, nil}, {"/t/d/x", undeletable, permission, syscall.EACCES},
		}, "", "MOVE /c/ /t/", "207 /t/d/x=403", "/c/ /c/a /c/z /t/ /t/a /t/d/ /t/d/x"},
		{"8.1 MOVE: a hidden member of the destination is not told of, and keeps all", "/c/a /t/a /t/d/h", nil,
			"hide read /t/d/h; hide unbind /t/d/h", "MOVE /c/ /t/", "207 /t/d/=403", "/c/ /c/a /t/ /t/a /t/d/ /t/d/h"},

		{"9.10.3 LOCK: each conflicting member is reported, and the Request-URI last", "/c/a /c/d/x /c/z", faultList{
			{"/c/a", locked, isLocked, nil}, {"/c/d/", locked, isLocked, nil},
		}, "deny write-content /c/z", "LOCK /c/", "207 /c/a=423 no-conflicting-lock(/c/a) /c/d/=423 no-conflicting-lock(/c/d/) /c/z=403 /c/=424",
			"/c/ /c/a /c/d/ /c/d/x /c/z"},
		{"9.10.3 LOCK: a member that is locked and refused is reported once", "/c/a", faultList{{"/c/a", locked, isLocked, nil}},
			"deny write-content /c/a", "LOCK /c/", "207 /c/a=403 /c/=424", "/c/ /c/a"},
	} {
		t.Run(harness.NoSlash(tt.rule), func(t *testing.T) {
			t.Parallel()
			c := &cell{rules: &harness.Rules{}}
			opts := &server.Options{}
			if tt.policy != "" {
				opts.Policy = c.rules
			}
			c.srv = harness.NewServer(t, opts)
			c.srv.Put(strings.Fields(tt.before)...)
			for _, f := range tt.faults {
				c.install(t, f)
			}
			for line := range strings.SplitSeq(tt.policy, ";") {
				if line = strings.TrimSpace(line); line != "" {
					if err := c.rules.Add(line); err != nil {
						t.Fatal(err)
					}
				}
			}
			var got *davtest.Response
			switch f := strings.Fields(tt.request); f[0] {
			case "LOCK":
				got = c.srv.Send("LOCK", f[1], harness.ExclusiveLock)
			case "DELETE":
				got = c.srv.Do("DELETE", f[1])
			default:
				got = c.srv.Do(f[0], f[1], "Destination: "+f[2])
			}
			w := harness.Tree{"/": ""}
			for _, entry := range strings.Fields(tt.left) {
				name, content, ok := strings.Cut(entry, "=")
				if w[name] = name; ok {
					w[name] = content
				} else if strings.HasSuffix(name, "/") {
					w[name] = ""
				}
			}
			c.check(t, got, harness.SortResponses(tt.want), w)
		})
	}
}

// TestMatrixUnderAPolicy runs the faults of the file system under a policy that allows everything.
// The engine then checks every member, on other code paths, and must give the same results.
func TestMatrixUnderAPolicy(t *testing.T) {
	for _, request := range []string{"DELETE", "COPY"} {
		w := newTree(append(append([]string{}, tree...), destination...)...)
		for _, f := range transferFaults(w) {
			if f.kind == protected || f.kind == unreadable || f.cause == vanished {
				continue
			}
			t.Run(harness.NoSlash(request+" "+f.String()), func(t *testing.T) {
				t.Parallel()
				c := &cell{rules: &harness.Rules{}}
				c.srv = harness.NewServer(t, &server.Options{Policy: c.rules})
				for name := range w {
					if name != "/" {
						c.srv.Put(name)
					}
				}
				c.install(t, f)
				m := newModel(w, f)
				if request == "DELETE" {
					want := m.expectDelete("/c/")
					c.check(t, c.srv.Do("DELETE", "/c/"), want, m.Tree)
					return
				}
				want := m.expectCopy("/c/", "/t/", true)
				c.check(t, c.srv.Do("COPY", "/c/", "Destination: /t/"), want, m.Tree)
			})
		}
	}
}
