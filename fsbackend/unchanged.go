package fsbackend

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// coarse is how far the time of a change may lie before the change: systems stamp files with the
// time of their last tick, which is 10 ms long at most.
const coarse = 20 * time.Millisecond

// UnchangedSince implements tree.ChangeChecker. The file's own time of change is not enough: a
// collection that was renamed over another one brings members that have not changed for long. So
// the collections on the way count, too, and neither a link nor another volume, which somebody may
// have mounted just now, may be on it.
func (d *Disk) UnchangedSince(_ context.Context, name string, since time.Time) bool {
	p, ok := host(name)
	if !ok {
		return false
	}
	dir := d.root
	defer func() {
		if dir != d.root {
			dir.Close()
		}
	}()
	fi, err := dir.Stat(".")
	if err != nil {
		return false
	}
	top, _, _ := identity(fi)
	if !unchanged(fi, top, since) {
		return false
	}
	for rest := p; rest != "" && p != "."; {
		var segment string
		segment, rest, _ = strings.Cut(rest, string(filepath.Separator))
		fi, err := dir.Lstat(segment)
		if err != nil || !servable(fi.Mode()) || !unchanged(fi, top, since) {
			return false
		}
		if rest == "" {
			break
		}
		// One step down at a time, so that a long name costs no more than its segments.
		below, err := dir.OpenRoot(segment)
		if err != nil {
			return false
		}
		if dir != d.root {
			dir.Close()
		}
		dir = below
	}
	return true
}

// unchanged reports whether a file of the volume of top is known to have had its name, content and
// attributes since then.
func unchanged(fi fs.FileInfo, top fileID, since time.Time) bool {
	id, _, _ := identity(fi)
	return id.dev == top.dev && changedBefore(fi, since.Add(-coarse))
}

// UnchangedSince is as that of the back end, if it has one, as Mem does, and false otherwise.
func (f *FS) UnchangedSince(_ context.Context, name string, since time.Time) bool {
	b, ok := f.fs.(interface {
		UnchangedSince(name string, since time.Time) bool
	})
	if !ok {
		return false
	}
	p, ok := backend(clean(name))
	return ok && b.UnchangedSince(p, since)
}

// UnchangedSince reports whether name has led to what is there now, as it is now, since then.
func (m *Mem) UnchangedSince(name string, since time.Time) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.root
	for segment := range strings.SplitSeq(memName(name), "/") {
		if segment != "" { // as before the first "/"
			n = n.members[segment]
		}
		if n == nil || !n.ctime.Before(since) {
			return false
		}
	}
	return true
}
