package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/resource"
	"dav207/server/tree"
)

// Junk says what becomes of the files that desktops leave wherever they come: "._" twins, .DS_Store, Thumbs.db and their
// like. Refusing them is no choice: Finder breaks off a whole copy when it cannot write the twin of a file.
type Junk int

const (
	// KeepJunk treats them as the files that they are. It is the default.
	KeepJunk Junk = iota
	// HideJunk keeps them, under their names, and leaves them out when the members of a collection are listed. The system
	// that wrote them asks for them by name and finds them; COPY, MOVE and DELETE of a collection take them along.
	HideJunk
	// DropJunk does not let new ones come. PUT reads the body and keeps nothing of it, MKCOL makes nothing, and both say
	// that they did. LOCK makes an empty file that is there for as long as the lock, and that PUT and PROPPATCH
	// change nothing of. What is there already is treated as by HideJunk, and so is what COPY and MOVE bring: what was
	// ever kept is never dropped.
	DropJunk
)

// junkNames are written by systems for themselves: by macOS, but for the last three, which are from Windows. Not among
// them are .~lock.NAME#, which LibreOffice reads back, and .TemporaryItems, through which programs on macOS save documents.
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
	if h.junk == KeepJunk {
		return t
	}
	l := *t
	l.Guard = withoutJunk{t.Guard}
	return &l
}

// withoutJunk hides the members of a collection that are junk. Walk does not ask for the collection itself: what is in
// one with the name of junk is listed.
type withoutJunk struct{ tree.Guard }

func (g withoutJunk) Check(ctx context.Context, p access.Privilege, path resource.Path) error {
	if junkName(path.Name()) {
		return fs.ErrNotExist
	}
	return g.Guard.Check(ctx, p, path)
}

// missing returns the first name on the way to p that nothing is at; there is nothing at p.
func missing(ctx context.Context, t *tree.Tree, p resource.Path) resource.Path {
	for !p.IsRoot() && !t.Present(ctx, p.Parent()) {
		p = p.Parent()
	}
	return p
}

// dropped reports whether what would be created at p is not kept: nothing is there, and the first name that is missing is
// one of junk. Below what was dropped everything is.
func (h *Handler) dropped(ctx context.Context, t *tree.Tree, p resource.Path) bool {
	if h.junk != DropJunk {
		return false
	}
	for s := range p.Segments() {
		if junkName(s) {
			return !t.Present(ctx, p) && junkName(missing(ctx, t, p).Name())
		}
	}
	return false
}

// stand returns the locks that make an empty file at p, which is dropped: what LOCK makes where nothing is (RFC 4918 §7.3).
func (h *Handler) stand(ctx context.Context, t *tree.Tree, p resource.Path) []locks.Lock {
	if h.junk != DropJunk || h.locks.Len() == 0 {
		return nil
	}
	real := h.real(ctx, p)
	rooted := slices.DeleteFunc(h.locks.Covering(real), func(l locks.Lock) bool { return l.Root != real })
	if len(rooted) == 0 || !h.dropped(ctx, t, p) {
		return nil
	}
	return rooted
}

// stat looks at the resource of the request, which may be one that only a lock holds.
func (h *Handler) stat(q *request, t *tree.Tree) (props.Resource, error) {
	r, err := t.Stat(q.ctx, q.path)
	q.look(r, err)
	if errors.Is(err, fs.ErrNotExist) && len(h.stand(q.ctx, t, q.path)) > 0 {
		return props.Resource{Path: q.path, Info: emptyInfo(q.path.Name())}, nil
	}
	return r, err
}

// getNowhere answers GET and HEAD for what only a lock holds.
func (h *Handler) getNowhere(q *request, t *tree.Tree) error {
	if _, err := h.existing(q, t, access.Read); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", props.ContentType(q.path.Name()))
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// putNowhere answers a PUT whose content is not kept. There is no entity tag: nothing has it (RFC 9110 §9.3.4).
func (h *Handler) putNowhere(q *request, length int64, existed bool) error {
	n, err := copyPooled(io.Discard, &q.body)
	if err == nil {
		err = asAnnounced(n, length)
	}
	if err != nil {
		return err
	}
	h.done(q, existed)
	return nil
}

// patchNowhere is the outcome of a PROPPATCH of what only a lock holds.
func patchNowhere(changes []props.Change) []multistatus.Propstat {
	var names []props.Property
	for _, c := range changes {
		if !slices.ContainsFunc(names, func(p props.Property) bool { return p.XMLName == c.Property.XMLName }) {
			names = append(names, props.Property{XMLName: c.Property.XMLName})
		}
	}
	return []multistatus.Propstat{{Prop: names, Status: http.StatusOK}}
}

// deleteNowhere answers a DELETE of what only locks hold: they end.
func (h *Handler) deleteNowhere(q *request, held []locks.Lock) error {
	for _, l := range held {
		h.locks.Unlock(l.Token)
	}
	q.waiting.stop()
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// emptyInfo describes the file that a LOCK makes of a name that is dropped.
type emptyInfo string

func (n emptyInfo) Name() string                       { return string(n) }
func (emptyInfo) Size() int64                          { return 0 }
func (emptyInfo) Mode() os.FileMode                    { return 0o666 }
func (emptyInfo) ModTime() time.Time                   { return time.Time{} }
func (emptyInfo) IsDir() bool                          { return false }
func (emptyInfo) Sys() any                             { return nil }
func (emptyInfo) ETag(context.Context) (string, error) { return `"empty"`, nil }
