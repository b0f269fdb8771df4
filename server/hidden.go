package server

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// junkNames are written by systems for themselves: by macOS, but for the last three, which are
// from Windows. Not among them are .~lock.NAME#, which LibreOffice reads back, and
// .TemporaryItems, through which programs on macOS save documents.
var junkNames = []string{
	".ds_store", ".apdisk", ".spotlight-v100", ".trashes", ".fseventsd",
	".metadata_never_index", ".metadata_never_index_unless_rootfs", ".metadata_direct_scope_only",
	"thumbs.db", "ehthumbs.db", "desktop.ini",
}

// junkName reports whether a segment is the name of junk, in any mix of case.
func junkName(segment string) bool {
	return strings.HasPrefix(segment, "._") ||
		slices.ContainsFunc(junkNames, func(n string) bool { return strings.EqualFold(n, segment) })
}

// listed returns the engine for listing members: junk is left out as what a policy hides is.
func (h *Handler) listed(t *tree.Tree) *tree.Tree {
	if !h.hideJunk {
		return t
	}
	l := *t
	l.Guard = withoutJunk{t.Guard}
	return &l
}

// withoutJunk hides the members of a collection that are junk. Walk does not ask for the
// collection itself: what is in one with the name of junk is listed.
type withoutJunk struct{ tree.Guard }

func (g withoutJunk) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if junkName(path.Name()) {
		return fs.ErrNotExist
	}
	return g.Guard.Check(ctx, p, path)
}
