package matrix

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davtest"
	"dav207/server/locks"
)

func TestMatrixLock(t *testing.T) {
	w := grow(tree...)
	for _, depth := range []string{"0", "infinity"} {
		for _, target := range []string{"/c/", "/c/m"} {
			for _, name := range slices.Sorted(maps.Keys(w)) {
				for _, f := range faults(name) {
					if f.cause == vanished && f.kind == look && (name == "/" || name == target) {
						continue // below: it is then a LOCK where nothing is
					}
					t.Run(harness.NoSlash("LOCK "+depth+" "+target+" "+f.String()), func(t *testing.T) {
						t.Parallel()
						c := newCell(t, w, f)
						m := newModel(w, f)
						want := m.foretellLock(target, depth == "infinity")
						got := c.srv.Send("LOCK", target, harness.ExclusiveLock, "Depth: "+depth)
						// All or nothing (§9.10.3): a lock was granted, and shows, or none.
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

// foretellLock foretells LOCK (§9.10), which reads and changes no resource: only what is locked and
// what the policy protects can fail it.
//   - Request-URI locked by another: 423 with no-conflicting-lock (§9.10.6) and the root of that
//     lock, also where it is a collection above, locked with depth infinity. Not to be locked, or
//     not to be looked at: its status.
//   - For depth infinity, members that are locked or not to be locked each have their status, and
//     the Request-URI has 424 (§9.10.3, §9.10.9). For depth 0 nobody asks them.
//   - Whatever else fails for a member is no reason against a lock.
func (m *model) foretellLock(target string, deep bool) string {
	conflict := "423 no-conflicting-lock(" + m.name + ")"
	within := strings.HasSuffix(m.name, "/") && m.name != target && strings.HasPrefix(target, m.name)
	switch {
	case m.fails(target, locked, lockedFlat), within && m.kind == locked:
		return conflict
	case m.fails(target, protected, look):
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

// TestMatrixLockUnmapped is LOCK where nothing is (§9.10.4): what cannot be created is not locked
// either.
func TestMatrixLockUnmapped(t *testing.T) {
	for _, tt := range []struct {
		f    fault
		want string
		left []string // besides w
	}{
		{fault{}, "201", []string{"/c/new"}},
		{fault{"/c/new", protected, permission, nil}, "403", nil},
		{fault{"/c/", locked, isLocked, nil}, "423 lock-token-submitted(/c/)", nil},     // making a member comes before locking it
		{fault{"/c/", lockedFlat, isLocked, nil}, "423 lock-token-submitted(/c/)", nil}, // §7.4: a new member
		{fault{"/c/new", "create", permission, syscall.EACCES}, "403", nil},
		{fault{"/c/new", "create", noSpace, syscall.ENOSPC}, "507 sufficient-disk-space", nil},
		{fault{"/c/new", "commit", noSpace, syscall.ENOSPC}, "507 sufficient-disk-space", nil},
		{fault{"/c/new", "commit", ioError, syscall.EIO}, "500", nil},
		{fault{"/c/new", look, ioError, syscall.EIO}, "500", nil},
		{fault{"/c/", look, ioError, syscall.EIO}, "500", nil},
		{fault{"/c/", look, permission, syscall.EACCES}, "403", nil},
	} {
		t.Run(harness.NoSlash("LOCK "+tt.f.String()), func(t *testing.T) {
			table := locks.New(nil)
			c := &cell{rules: &harness.Rules{}}
			c.srv = davtest.NewServer(t, &server.Options{Locks: table, Policy: c.rules})
			c.srv.Put(tree...)
			c.install(t, tt.f)
			before := table.Len()
			want := grow(append(slices.Clone(tree), tt.left...)...)
			for _, name := range tt.left {
				want[name] = ""
			}
			c.check(t, c.srv.Send("LOCK", "/c/new", harness.ExclusiveLock), tt.want, want)
			if got := table.Len() - before; got != len(tt.left) {
				t.Errorf("%d locks were granted, want %d", got, len(tt.left))
			}
		})
	}
}

// TestMatrixLockVanished is LOCK of a resource that vanishes when it is looked at: then nothing is
// there, and an empty file is made and locked. With a slash behind it that is refused.
func TestMatrixLockVanished(t *testing.T) {
	for target, want := range map[string]string{"/c/m": "201", "/c/d/": "405"} {
		w := grow(tree...)
		f := fault{target, look, vanished, syscall.ENOENT}
		c := newCell(t, w, f)
		w.Remove(target)
		if want == "201" {
			w[target] = ""
		}
		c.check(t, c.srv.Send("LOCK", target, harness.ExclusiveLock), want, w)
	}
}

// A lock speaks of names, so what the file system does not let us look at can be locked, with a
// policy as without one: only what the policy says counts.
func TestLockDoesNotLookAtMembers(t *testing.T) {
	w := grow(tree...)
	for _, f := range []fault{
		{"/c/m", look, permission, syscall.EACCES}, {"/c/d/", "open", permission, syscall.EACCES}, {"/c/d/", "list", ioError, syscall.EIO},
	} {
		t.Run(harness.NoSlash(f.String()), func(t *testing.T) {
			c := &cell{rules: &harness.Rules{}}
			c.srv = davtest.NewServer(t, &server.Options{Policy: c.rules})
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
