// Package server is an http.Handler that serves a webdav.FileSystem with the whole of RFC 4918 classes 1, 2 and 3, and
// says of every resource that a request touched what became of it.
//
// A request for one resource answers with a plain status; one that failed for some of many answers 207 with the status of
// each that failed. Nothing is left out silently, nothing partial is shown as whole: an answer that cannot be
// completed ends in a broken connection.
//
// It does not authenticate (whoever does puts the name into the context, see package access), does not limit rates
// or connections, and does not speak TLS: that is for middleware and net/http.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/early"
	"dav207/server/locks"
	"dav207/server/pathlock"
	"dav207/server/tree"
	"dav207/server/wire"
)

// Options are the choices of a Handler. The zero value, and a nil pointer, have all the defaults.
type Options struct {
	// Prefix is the decoded URL path under which the tree is served, such as "/dav". Default: "/".
	// The handler takes it away itself: do not put http.StripPrefix in front.
	Prefix string
	// Locks holds the write locks. Default: a table in memory.
	Locks *locks.Table
	// Props holds the dead properties. Default: memory.
	Props props.Store
	// Live are live properties in addition to those of RFC 4918 and RFC 4331.
	Live []props.Live
	// ReadOnly lets nothing be changed, whoever asks: what Policy allows besides access.Read is refused all the same (403), locks are
	// not offered (405), and the DAV and Allow headers say so.
	ReadOnly bool
	// Policy says who may do what. Default: everybody everything. If it is an access.PropertyPolicy it is asked about single
	// properties, too.
	Policy access.Policy
	// PublicURLs are URLs under which clients know the root of the tree when a proxy is in front: their hosts are accepted
	// in Destination and If, as the host of the request always is, their schemes in request-targets, and the path of the
	// first one stands in hrefs instead of Prefix, for a proxy that takes a part of the path away.
	PublicURLs []*url.URL
	// TrustedProxies are the addresses of proxies whose Forwarded, X-Forwarded-Host, X-Forwarded-Proto and
	// X-Forwarded-Prefix headers say how the client knows this server, and which may pass on request-targets of either
	// scheme where they do not say by which they were asked. From other addresses these headers mean nothing.
	TrustedProxies []netip.Prefix
	// DenyInfinity answers a PROPFIND with Depth: infinity with 403 and propfind-finite-depth (RFC 4918 §9.1).
	DenyInfinity bool
	// MaxXML bounds the bytes of an XML body; more is answered with 413. Default: 1 MiB.
	MaxXML int64
	// HideJunk leaves out of listings the files that desktops leave everywhere: "._" twins,
	// .DS_Store, Thumbs.db and their like. The system that wrote them asks for them by name and
	// finds them; COPY, MOVE and DELETE of a collection take them along. Refusing them is no choice:
	// Finder breaks off a whole copy when it cannot write the twin of a file.
	HideJunk bool
	// NoMacQuota answers macOS as if quota-available-bytes and quota-used-bytes (RFC 4331) were not
	// known: 15.4 and later takes a minute and a half to mount some servers that have them (seen by the
	// makers of Cryptomator and copyparty). Finder then shows no free space.
	NoMacQuota bool
	// Silence is the longest time for which a COPY, MOVE or DELETE under way says nothing. After it the client hears 102
	// Processing, if it is one that is known to read past that and no proxy is in between, or more of a 207 that
	// has begun. Default: 0, which is for ever.
	Silence time.Duration
	// Logger gets a line for each failure of a member, a failed request at level Debug (4xx), Warn (507)
	// or Error (5xx). Default: none.
	Logger *slog.Logger
}

// Handler serves a file system. Make one with New. It is safe for concurrent use.
type Handler struct {
	tree       tree.Tree // without Guard and Gone: each request has its own
	mapping    davpath.Mapping
	locks      *locks.Table
	policy     access.Policy
	property   access.PropertyPolicy // nil: every property may be read and changed
	readOnly   bool
	registry   *props.Registry
	methods    []method
	hosts      []string         // those of PublicURLs
	sites      []string         // the same with their schemes
	public     *davpath.Mapping // how the first of PublicURLs maps the tree, nil for none
	trusted    []netip.Prefix   // the proxies
	queue      pathlock.Manager
	plenty     plenty
	parsed     parsed
	log        *slog.Logger
	maxXML     int64
	finite     bool
	hideJunk   bool
	noMacQuota bool
	silence    time.Duration
}

// New returns a handler that serves fs. opts may be nil. What fs offers besides the methods of webdav.FileSystem
// (package tree) is found by type assertion. It panics where opts are wrong: a prefix that is no path, or a live
// property that is there already.
func New(fs webdav.FileSystem, opts *Options) *Handler {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	mapping, err := davpath.NewMapping(o.Prefix)
	if err != nil {
		panic(fmt.Sprintf("server: prefix %q: %v", o.Prefix, err))
	}
	h := &Handler{
		tree:       tree.Tree{FS: fs, Props: o.Props, Uploads: &tree.Uploads{}, Swaps: &tree.Swaps{}},
		mapping:    mapping,
		locks:      o.Locks,
		policy:     o.Policy,
		readOnly:   o.ReadOnly,
		log:        o.Logger,
		maxXML:     o.MaxXML,
		finite:     o.DenyInfinity,
		hideJunk:   o.HideJunk,
		noMacQuota: o.NoMacQuota,
		silence:    o.Silence,
		trusted:    slices.Clone(o.TrustedProxies),
	}
	h.property, _ = o.Policy.(access.PropertyPolicy)
	if h.readOnly {
		h.policy = readOnly{o.Policy}
	}
	if h.tree.Props == nil {
		h.tree.Props = &props.Memory{}
	}
	if h.locks == nil {
		h.locks = locks.New(nil)
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.maxXML <= 0 {
		h.maxXML = 1 << 20
	}
	for _, u := range o.PublicURLs {
		h.hosts = append(h.hosts, canonicalHost(u.Host))
		h.sites = append(h.sites, site(u))
	}
	if len(o.PublicURLs) > 0 {
		public, err := davpath.NewMapping(o.PublicURLs[0].Path)
		if err != nil {
			panic(fmt.Sprintf("server: public URL %q: %v", o.PublicURLs[0], err))
		}
		h.public = &public
	}
	h.methods = h.methodTable()
	h.tree.Warn = func(msg string, p davpath.Path, err error) {
		h.log.Warn(msg, slog.String("name", p.String()), slog.Any("err", err))
	}
	h.registry = &props.Registry{}
	h.registry.Register(h.namedRoot(props.Standard(h.tree.AppendETag, h.setLastModified()))...)
	h.registry.Register(h.timeProperties()...)
	h.registry.Register(h.lockProperties()...)
	h.registry.Register(h.quotaProperties()...)
	h.registry.Register(o.Live...)
	return h
}

// method is what the server does for one method.
type method struct {
	name  string
	serve func(*request) error
	head  func(*request) error // see checkHead; nil where serve asks everything before it reads a body
}

// methodTable is every method there is, in the order of the Allow header.
func (h *Handler) methodTable() []method {
	return []method{
		{"OPTIONS", h.options, nil},
		{"GET", h.get, nil},
		{"HEAD", h.get, nil},
		{"PUT", h.put, nil},
		{"DELETE", h.patiently(h.delete), h.deleteHead},
		{"MKCOL", h.mkcol, h.mkcolHead},
		{"COPY", h.patiently(h.copy), h.copyHead},
		{"MOVE", h.patiently(h.move), h.moveHead},
		{"PROPFIND", h.propfind, h.propfindHead},
		{"PROPPATCH", h.proppatch, h.proppatchHead},
		{"LOCK", h.lock, h.lockHead},
		{"UNLOCK", h.unlock, h.unlockHead},
	}
}

// allow returns the Allow header without one method (RFC 9110 §10.2.1).
func (h *Handler) allow(without string) string {
	names := make([]string, 0, len(h.methods))
	for _, m := range h.methods {
		if m.name != without && h.offers(m.name) {
			names = append(names, m.name)
		}
	}
	return strings.Join(names, ", ")
}

// request is a request under way.
type request struct {
	*http.Request
	w         http.ResponseWriter
	ctx       context.Context
	body      body // and not Request.Body
	path      davpath.Path
	seen      seen
	principal string
	origin    origin
	ifs       ifHeader
	waiting   *waiting  // nil where nobody is told of a long operation
	tree      tree.Tree // see treeFor
	guard     guard
}

// seen is what the last look at the resource of a request found, as long as no other request can have changed it.
type seen struct {
	there      bool
	vacant     bool // nothing is there, and its parent is a collection
	direct     bool // no link leads to it: its path is its real one
	collection bool
}

// look notes what was found.
func (q *request) look(r props.Resource, err error) {
	d, ok := r.Info.(tree.Directer)
	q.seen = seen{}
	if err == nil {
		q.seen = seen{there: true, direct: ok && d.Direct(), collection: r.Info.IsDir()}
	}
}

// stat looks at the resource of the request, and notes what it found.
func (q *request) stat(t *tree.Tree) (props.Resource, error) {
	r, err := t.Stat(q.ctx, q.path)
	q.look(r, err)
	return r, err
}

// lookAtPlace notes what a tree.Putter found at the place, where no link leads to.
func (q *request) lookAtPlace(r props.Resource) {
	q.seen = seen{there: r.Info != nil, vacant: r.Info == nil, direct: true}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = wire.Wrap(w, r)
	q := &request{Request: r, w: w, ctx: r.Context(), body: newBody(w, r), principal: access.Principal(r.Context()), origin: h.originOf(r)}
	if q.origin.mapping != h.mapping {
		q.ctx = context.WithValue(q.ctx, originKey{}, q.origin)
	}
	q.ctx = h.hideQuota(q.ctx, r.UserAgent())
	switch err := h.serve(q); {
	case err == nil:
	case q.body.ended || q.body.err != nil:
		h.fail(q, err)
	default:
		early.Respond(w, r, q.body.begun, q.body.deadline, func() { h.fail(q, err) })
	}
}

func (h *Handler) serve(q *request) error {
	if err := h.checkTarget(q.Request); err != nil {
		return err
	}
	i := slices.IndexFunc(h.methods, func(m method) bool { return m.name == q.Method })
	if i < 0 {
		return errMethod(q.Method)
	}
	if q.Method == http.MethodGet || q.Method == http.MethodHead || q.Method == http.MethodOptions {
		q.body.ignore()
	}
	if locking(q.Method) && !h.offers(q.Method) { // nowhere, as the DAV header says (RFC 4918 §18.1)
		return plain(http.StatusMethodNotAllowed, "Nothing can be locked here: it is for reading only.")
	}
	if q.Method == http.MethodOptions { // for every URL, what no resource can have included
		return h.options(q)
	}
	path, err := h.mapping.Parse(q.URL.EscapedPath())
	if errors.Is(err, davpath.ErrOutside) {
		return h.outside(q, path)
	}
	if err != nil {
		return badRequest(err)
	}
	if path.Reserved() {
		return reserved(q.Method, path)
	}
	q.path = path
	if err := h.parseIf(q); err != nil {
		return err
	}
	if err := h.checkHead(q, &h.methods[i]); err != nil {
		return err
	}
	return h.methods[i].serve(q)
}

// treeFor returns the engine with what this request may do, and what ends when it removes something.
func (h *Handler) treeFor(q *request) *tree.Tree {
	q.tree, q.guard = h.tree, guard{h: h, q: q}
	t := &q.tree
	t.Guard = &q.guard
	t.Gone = func(p davpath.Path, below bool) {
		if h.locks.Len() == 0 {
			return
		}
		p = h.realMember(context.WithoutCancel(q.ctx), p)
		if !below {
			h.locks.Remove(p)
			return
		}
		for _, l := range h.locks.Below(p) {
			h.locks.Unlock(l.Token)
		}
	}
	return t
}

// reserve waits for earlier requests that this one would disturb, as long as the request lives. release must be called.
func (h *Handler) reserve(q *request, claims ...pathlock.Range) (release func(), err error) {
	q.seen = seen{}
	return h.queue.Acquire(q.ctx, claims...)
}
