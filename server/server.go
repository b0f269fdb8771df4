// Package server is an http.Handler that serves a fsbackend.Backend as WebDAV: RFC 4918 classes 1,
// 2 and 3. The response to a request states the result for every resource that the request touched.
//
// A request for one resource gets a plain status. A request that failed for some of many resources
// gets 207 with the status of each one that failed. A response that has begun and cannot be
// completed ends with a closed connection.
//
// The package does not authenticate: a middleware puts the name of the user into the context, see
// package access. It does not limit rates or connections (see package limits) and does not handle
// TLS.
//
// The central types:
//
//   - [davpath.Path] names a resource.
//   - [fsbackend.Backend] stores the files. [fsbackend.Info] describes one, [fsbackend.Upload]
//     writes one.
//   - [tree.Plan] is a COPY, MOVE or DELETE that was checked and did not run yet.
//   - [multistatus.Response] is the result for one resource. [multistatus.Writer] writes the 207.
//   - [props.Store] holds the dead properties, [locks.Table] holds the locks.
//   - [access.Policy] decides who may do what.
//   - [Handler] serves the requests.
package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/origin"
	"dav207/server/pathlock"
	"dav207/server/reqbody"
	"dav207/server/tree"
)

// Options configure a Handler. The zero value and a nil pointer select all defaults.
type Options struct {
	// Prefix is the decoded URL path under which the tree is served, such as "/dav". The handler
	// strips it; do not use http.StripPrefix. Default: "/".
	Prefix string
	// Locks holds the write locks. Default: a table in memory.
	Locks *locks.Table
	// Props holds the dead properties. Default: a store in memory.
	Props props.Store
	// Live are live properties in addition to those of RFC 4918 and RFC 4331.
	Live []props.Live
	// ReadOnly refuses every change with 403, also to users whom Policy allows it. LOCK and UNLOCK
	// get 405, and the DAV and Allow headers leave them out (RFC 4918 §18).
	ReadOnly bool
	// Policy decides who may do what. If it is an access.PropertyPolicy it also decides about
	// single properties: see package access. Default: everything is allowed.
	Policy access.Policy
	// PublicURLs are the URLs of the tree's root as clients know them when a proxy is in front.
	// Their hosts are accepted in Destination and If, in addition to the host of the request. Their
	// schemes are accepted in request-targets. The path of the first one replaces Prefix in hrefs,
	// for a proxy that strips a part of the path.
	PublicURLs []*url.URL
	// TrustedProxies are the addresses of proxies whose Forwarded, X-Forwarded-Host,
	// X-Forwarded-Proto and X-Forwarded-Prefix headers are used. If such a proxy names no scheme,
	// it may pass on request-targets with http and https. From other addresses the headers are
	// ignored.
	TrustedProxies []netip.Prefix
	// DenyInfinity refuses PROPFIND with Depth: infinity: 403 with propfind-finite-depth (RFC 4918
	// §9.1).
	DenyInfinity bool
	// MaxXML is the maximum size of an XML body in bytes; a larger one gets 413. Default: 1 MiB.
	MaxXML int64
	// MaxUpload is the maximum size of the body of a PUT in bytes; a larger one gets 413, before
	// the body if its length is announced, and changes nothing. Default: no limit but that of the
	// back end.
	MaxUpload int64
	// HideJunk leaves the files that desktops write for themselves out of listings: "._*",
	// .DS_Store, Thumbs.db and similar. A request for such a name still finds the file, and COPY,
	// MOVE and DELETE of a collection include it. There is no option to refuse these files: Finder
	// aborts a copy if it cannot write the "._" file.
	HideJunk bool
	// NoMacQuota hides quota-available-bytes and quota-used-bytes (RFC 4331) from macOS. macOS 15.4
	// and later takes 90 seconds to mount some servers that have them (reported by Cryptomator and
	// copyparty). Without them Finder shows no free space.
	NoMacQuota bool
	// Silence is the time after which a running COPY, MOVE or DELETE sends something to the client:
	// 102 Processing, or more of a 207 that has begun. It sends 102 only to clients that are known
	// to handle it, and not through a proxy. Default: 0, it sends nothing.
	Silence time.Duration
	// MaxAge is how long a cache may use the response to a GET of a file without asking whether
	// the file has changed (RFC 9111 §5.2.2.1), in whole seconds. No other response is used so.
	// Default: 0, a cache asks each time. Without a number it would guess from the age of the file
	// (§4.2.2 there).
	MaxAge time.Duration
	// Logger gets a record at level Warn for each member that failed, and one for each request that
	// failed: 4xx at Debug, 507 at Warn, other 5xx at Error. Default: no log.
	Logger *slog.Logger
}

// Handler serves a Backend over WebDAV. Create it with New. It is safe for concurrent use.
type Handler struct {
	tree         tree.Tree // without Guard and Gone, see treeFor
	mapping      davpath.Mapping
	locks        *locks.Table
	policy       access.Policy
	property     access.PropertyPolicy // nil allows every property
	readOnly     bool
	registry     *props.Registry
	methods      []method
	origins      *origin.Server
	pathLocks    pathlock.Manager
	xmlCache     reqbody.XMLCache
	log          *slog.Logger
	maxXML       int64
	maxUpload    int64 // 0 for no limit
	denyInfinity bool
	hideJunk     bool
	noMacQuota   bool
	silence      time.Duration
	cacheControl []string // of a file; must not be changed
}

// New returns a Handler that serves files; fsbackend.New and fsbackend.FromWebDAV make a Backend.
// opts may be nil. New panics if opts are invalid: Prefix or the path of a public URL is not a
// valid path, or a live property is registered twice.
func New(files fsbackend.Backend, opts *Options) *Handler {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	mapping, err := davpath.NewMapping(o.Prefix)
	if err != nil {
		panic(fmt.Sprintf("server: prefix %q: %v", o.Prefix, err))
	}
	h := &Handler{
		tree:         tree.Tree{FS: files, Props: o.Props, Swaps: &tree.Swaps{}},
		mapping:      mapping,
		locks:        o.Locks,
		policy:       o.Policy,
		readOnly:     o.ReadOnly,
		log:          o.Logger,
		maxXML:       o.MaxXML,
		maxUpload:    max(o.MaxUpload, 0),
		denyInfinity: o.DenyInfinity,
		hideJunk:     o.HideJunk,
		noMacQuota:   o.NoMacQuota,
		silence:      o.Silence,
		cacheControl: []string{"max-age=" + strconv.FormatInt(int64(max(o.MaxAge, 0)/time.Second), 10)},
	}
	h.property, _ = o.Policy.(access.PropertyPolicy)
	if h.readOnly {
		h.policy = readOnly{o.Policy}
	}
	h.setDefaults()
	if h.origins, err = origin.New(mapping, o.PublicURLs, o.TrustedProxies); err != nil {
		panic(fmt.Sprintf("server: %v", err))
	}
	h.methods = h.methodTable()
	h.tree.Warn = func(ctx context.Context, msg string, p davpath.Path, err error) {
		h.log.WarnContext(ctx, msg, slog.String("name", p.String()), slog.Any("err", err))
	}
	h.registerProps()
	h.registry.Register(o.Live...)
	return h
}

// setDefaults sets the fields that the Options left empty.
func (h *Handler) setDefaults() {
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
}

// registerProps registers the live properties of this package.
func (h *Handler) registerProps() {
	h.registry = &props.Registry{}
	h.registry.Register(h.rootDisplayName(props.Standard(h.timeSetter(props.ParseHTTPDate)))...)
	h.registry.Register(h.timeProperties()...)
	h.registry.Register(h.lockProperties()...)
	h.registry.Register(h.quotaProperties()...)
	h.registry.Register(h.userProperties()...)
}

// Waiting returns how many requests wait for others that use the same resources.
func (h *Handler) Waiting() int { return h.pathLocks.Waiting() }

// Locks returns how many write locks there are.
func (h *Handler) Locks() int { return h.locks.Len() }

// RecoverMoves completes MOVEs that a crash interrupted: it moves the dead properties of the moved
// resources. Call it once, before the first request. It returns an error of the property store or
// of ctx.
func (h *Handler) RecoverMoves(ctx context.Context) error { return h.tree.FinishMoves(ctx) }

// DropStaleLocks removes the locks of resources that do not exist, as after a crash. Call it once,
// after the back end has restored its temp files. It may run concurrently with requests. It returns
// an error of the lock table or of ctx.
func (h *Handler) DropStaleLocks(ctx context.Context) error {
	for _, l := range h.locks.Below(davpath.Root) {
		if err := h.dropStaleLock(ctx, l); err != nil {
			return fmt.Errorf("the lock of %s: %w", l.Root, err)
		}
	}
	return nil
}

func (h *Handler) dropStaleLock(ctx context.Context, l locks.Lock) error {
	release, err := h.pathLocks.Acquire(ctx, writes(l.Root))
	if err != nil {
		return err
	}
	defer release()
	if _, err := h.tree.Stat(ctx, l.Root); !errors.Is(err, fs.ErrNotExist) {
		return nil // after another error the resource may exist
	}
	return h.endLocksAt(ctx, l.Root)
}

// PurgeOrphanedProps checks every resource that has dead properties once. It removes the properties
// of those that have been missing for grace, because they were removed or renamed outside the
// server. It may run concurrently with requests. It returns the number of resources whose
// properties it removed, and an error of the property store or of ctx; it logs other errors.
func (h *Handler) PurgeOrphanedProps(ctx context.Context, grace time.Duration) (removed int, err error) {
	for e, err := range h.tree.Props.All(ctx, davpath.Root) {
		if err != nil {
			return removed, err
		}
		gone, err := h.reconcile(ctx, e, grace)
		switch {
		case ctx.Err() != nil:
			return removed, ctx.Err()
		case err != nil:
			h.log.WarnContext(ctx, "cannot check the resource of these properties", slog.String("name", e.Path.String()), slog.Any("err", err))
		case gone:
			removed++
			h.log.InfoContext(ctx, "removed the properties of a resource that is gone", slog.String("name", e.Path.String()))
		}
	}
	return removed, nil
}

func (h *Handler) reconcile(ctx context.Context, e props.Entry, grace time.Duration) (gone bool, err error) {
	release, err := h.pathLocks.Acquire(ctx, writes(e.Path))
	if err != nil {
		return false, err
	}
	defer release()
	return h.tree.Reconcile(ctx, e, time.Now(), grace)
}
