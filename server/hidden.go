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

// junkNames are files that systems write for themselves: the last three by Windows, the others by
// macOS. Not among them are .~lock.NAME#, which LibreOffice reads, and .TemporaryItems, where
// programs on macOS save documents.
var junkNames = []string{
	".ds_store", ".apdisk", ".spotlight-v100", ".trashes", ".fseventsd",
	".metadata_never_index", ".metadata_never_index_unless_rootfs", ".metadata_direct_scope_only",
	"thumbs.db", "ehthumbs.db", "desktop.ini",
}

// junkName reports whether a segment is the name of such a file. Case is ignored.
func junkName(segment string) bool {
	return strings.HasPrefix(segment, "._") ||
		slices.ContainsFunc(junkNames, func(n string) bool { return strings.EqualFold(n, segment) })
}

// withoutJunk returns the engine for a listing, without junk if Options.HideJunk is set.
func (h *Handler) withoutJunk(t *tree.Tree) *tree.Tree {
	if !h.hideJunk {
		return t
	}
	l := *t
	l.Guard = junkGuard{t.Guard}
	return &l
}

// junkGuard hides members that are junk. Walk does not check the collection that it lists, so a
// collection with such a name can be listed.
type junkGuard struct{ tree.Guard }

func (g junkGuard) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if junkName(path.Name()) {
		return fs.ErrNotExist
	}
	return g.Guard.Check(ctx, p, path)
}
