package matrix

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/locks"
)

func TestMatrixLock(t *testing.T) {
	w := newTree(tree...)
	for _, depth := range []string{"0", "infinity"} {
		for _, target := range []string{"/c/", "/c/m"} {
			for _, name := range slices.Sorted(maps.Keys(w)) {
				for _, f := range faults(name) {
					if f.cause == vanished && f.kind == stat && (name == "/" || name == target) {
						continue // TestMatrixLockVanished: it becomes a LOCK of an unmapped URL
					}
					t.Run(harness.NoSlash("LOCK "+depth+" "+target+" "+f.String()), func(t *testing.T) {
						t.Parallel()
						c := newCell(t, w, f)
						m := newModel(w, f)
						want := m.expectLock(target, depth == "infinity")
						got := c.srv.Send("LOCK", target, harness.ExclusiveLock, "Depth: "+depth)
						// All or nothing (§9.10.3): either the lock is granted and listed, or there
						// is none.
						if token := got.Header.Get("Lock-Token"); (got.StatusCode == 200) != (token != "") {
							t.Errorf("Lock-Token = %q with status %d", token, got.StatusCode)
						}
						c.check(t, got, want, m.Tree)
					})
				}
			}
		}
	}
}

// expectLock returns the expected answer to a LOCK (§9.10). LOCK reads and changes no resource, so
// only locks and the policy can fail it.
//   - If the Request-URI is locked: 423 with no-conflicting-lock (§9.10.6) and the root of that lock,
//     which may be an ancestor locked with depth infinity. If the policy or stat refuses the
//     Request-URI: that status.
//   - For depth infinity, each member that is locked or refused by the policy has its status, and the
//     Request-URI has 424 (§9.10.3, §9.10.9). For depth 0 members are not checked.
//   - Other faults of a member do not prevent a lock.
func (m *model) expectLock(target string, deep bool) string {
	conflict := "423 no-conflicting-lock(" + m.name + ")"
	within := strings.HasSuffix(m.name, "/") && m.name != target && strings.HasPrefix(target, m.name)
	switch {
	case m.fails(target, locked, lockedFlat), within && m.kind == locked:
		return conflict
	case m.fails(target, protected, stat):
		return m.outcome()
	}
	if deep && m.name != target && strings.HasSuffix(target, "/") && strings.HasPrefix(m.name, target) {
		answer := ""
		switch m.kind {
		case locked, lockedFlat:
			answer = conflict
		case protected, unreadable:
			answer = m.outcome()
		}
		if answer != "" {
			return "207 " + target + "=424 " + m.name + "=" + answer
		}
	}
	return "200"
}

// TestMatrixLockUnmapped locks an unmapped URL (§9.10.4): if the resource cannot be created there
// is no lock either.
func TestMatrixLockUnmapped(t *testing.T) {
	for _, tt := range []struct {
		f    fault
		want string
		left []string // besides w
	}{
		{fault{}, "201", []string{"/c/new"}},
		{fault{"/c/new", protected, permission, nil}, "403", nil},
		{fault{"/c/", locked, isLocked, nil}, "423 lock-token-submitted(/c/)", nil},     // the member is created before it is locked
		{fault{"/c/", lockedFlat, isLocked, nil}, "423 lock-token-submitted(/c/)", nil}, // §7.4: a new member
		{fault{"/c/new", "create", permission, syscall.EACCES}, "403", nil},
		{fault{"/c/new", "create", noSpace, syscall.ENOSPC}, "507 sufficient-disk-space", nil},
		{fault{"/c/new", "commit", noSpace, syscall.ENOSPC}, "507 sufficient-disk-space", nil},
		{fault{"/c/new", "commit", ioError, syscall.EIO}, "500", nil},
		{fault{"/c/new", stat, ioError, syscall.EIO}, "500", nil},
		{fault{"/c/", stat, ioError, syscall.EIO}, "500", nil},
		{fault{"/c/", stat, permission, syscall.EACCES}, "403", nil},
	} {
		t.Run(harness.NoSlash("LOCK "+tt.f.String()), func(t *testing.T) {
			table := locks.New(nil)
			c := &cell{rules: &harness.Rules{}}
			c.srv = harness.NewServer(t, &server.Options{Locks: table, Policy: c.rules})
			c.srv.Put(tree...)
			c.install(t, tt.f)
			before := table.Len()
			want := newTree(append(slices.Clone(tree), tt.left...)...)
			for _, name := range tt.left {
				want[name] = ""
			}
			c.check(t, c.srv.Send("LOCK", "/c/new", harness.ExclusiveLock), tt.want, want)
			if got := table.Len() - before; got != len(tt.left) {
				t.Errorf("%d locks exist, want %d", got, len(tt.left))
			}
		})
	}
}

// TestMatrixLockVanished locks a resource that vanishes in stat: the URL is then unmapped, and LOCK
// creates and locks an empty file. A URL with a trailing slash is refused.
func TestMatrixLockVanished(t *testing.T) {
	for target, want := range map[string]string{"/c/m": "201", "/c/d/": "405"} {
		w := newTree(tree...)
		f := fault{target, stat, vanished, syscall.ENOENT}
		c := newCell(t, w, f)
		w.Remove(target)
		if want == "201" {
			w[target] = ""
		}
		c.check(t, c.srv.Send("LOCK", target, harness.ExclusiveLock), want, w)
	}
}

// A lock is on names, so members whose stat fails can be locked, with a policy as without one: only
// a refusal of the policy counts.
func TestLockDoesNotStatMembers(t *testing.T) {
	w := newTree(tree...)
	for _, f := range []fault{
		{"/c/m", stat, permission, syscall.EACCES}, {"/c/d/", "open", permission, syscall.EACCES}, {"/c/d/", "list", ioError, syscall.EIO},
	} {
		t.Run(harness.NoSlash(f.String()), func(t *testing.T) {
			c := &cell{rules: &harness.Rules{}}
			c.srv = harness.NewServer(t, &server.Options{Policy: c.rules})
			c.srv.Put(tree...)
			c.srv.Files.Fail(operations[f.kind], f.name, harness.PathError(f.name, f.err))
			c.check(t, c.srv.Send("LOCK", "/c/", harness.ExclusiveLock), "200", w)
			c.srv.Files.Reset()
			if got, want := c.srv.Send("PUT", "/c/m", "x").String(), "423 lock-token-submitted(/c/)"; got != want {
				t.Errorf("PUT = %s, want %s", got, want)
			}
		})
	}
}
