package locks

import (
	"slices"
	"sort"
	"time"

	"dav207/server/davpath"
)

// root is a resource that is the root of locks. Table.roots holds them in path order, so that those
// below a collection are neighbours: finding them takes a binary search. Adding one to 100,000
// others moves a part of the slice, which takes less time than the rest of a LOCK request.
type root struct {
	path  davpath.Path
	locks []*Lock // those with infinite depth first, then oldest first
}

// The callers of the methods below hold t.mu.

// find returns the position of the root p, or the one that it would have.
func (t *Table) find(p davpath.Path) (at int, found bool) {
	return slices.BinarySearchFunc(t.roots, p, func(r *root, p davpath.Path) int { return r.path.Compare(p) })
}

// covering returns the locks that cover p or, with members, new members of p: outermost first.
func (t *Table) covering(p davpath.Path, members bool) (found []*Lock) {
	if !p.IsRoot() {
		found = t.covering(p.Parent(), true)
	}
	if r := t.byRoot[p]; r != nil {
		for _, l := range r.locks {
			if l.Infinite || !members {
				found = append(found, l)
			}
		}
	}
	return found
}

// below returns the range in t.roots of those strictly below p.
func (t *Table) below(p davpath.Path) (from, to int) {
	from, found := t.find(p)
	if found {
		from++
	}
	return from, from + sort.Search(len(t.roots)-from, func(i int) bool { return !p.Contains(t.roots[from+i].path) })
}

// insert adds a lock to the table, but not to the journal.
func (t *Table) insert(l Lock) {
	r := t.byRoot[l.Root]
	if r == nil {
		r = &root{path: l.Root}
		at, _ := t.find(l.Root)
		t.roots, t.byRoot[l.Root] = slices.Insert(t.roots, at, r), r
	}
	at := len(r.locks)
	if l.Infinite {
		at = sort.Search(at, func(i int) bool { return !r.locks[i].Infinite })
	}
	r.locks = slices.Insert(r.locks, at, &l)
	t.byToken[l.Token] = &l
	t.perPrincipal[l.Principal]++
	t.nextExpiry = earlier(t.nextExpiry, l.Expires)
}

// remove removes the locks in t.roots[from:to] for which gone returns true, but not from the
// journal. It returns them in path order.
func (t *Table) remove(from, to int, gone func(*Lock) bool) (removed []Lock) {
	kept := slices.DeleteFunc(t.roots[from:to], func(r *root) bool {
		r.locks = slices.DeleteFunc(r.locks, func(l *Lock) bool {
			if !gone(l) {
				return false
			}
			removed = append(removed, *l)
			delete(t.byToken, l.Token)
			if t.perPrincipal[l.Principal]--; t.perPrincipal[l.Principal] == 0 {
				delete(t.perPrincipal, l.Principal)
			}
			return true
		})
		if len(r.locks) == 0 {
			delete(t.byRoot, r.path)
		}
		return len(r.locks) == 0
	})
	t.roots = slices.Delete(t.roots, from+len(kept), to)
	if len(t.byToken) == 0 {
		t.reset()
	}
	return removed
}

// expire removes the expired locks and returns the current time.
func (t *Table) expire() time.Time {
	now := t.now()
	if t.nextExpiry.IsZero() || now.Before(t.nextExpiry) {
		return now
	}
	t.nextExpiry = time.Time{}
	t.unrecord(t.remove(0, len(t.roots), func(l *Lock) bool {
		if now.Before(l.Expires) {
			t.nextExpiry = earlier(t.nextExpiry, l.Expires)
			return false
		}
		return true
	}))
	return now
}

// earlier returns the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
