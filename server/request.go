package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/early"
	"dav207/server/interim"
	"dav207/server/multistatus"
	"dav207/server/origin"
	"dav207/server/pathlock"
	"dav207/server/reqbody"
	"dav207/server/tree"
	"dav207/server/wire"
)

// Each request takes the same steps, in serve and then in the file of its method:
//
//  1. Parse the headers and the body.
//  2. Wait for conflicting requests: reserve.
//  3. Look up the resource: lookup.
//  4. Check policy, If, locks and HTTP conditions: precheck.go.
//  5. Plan a change of a tree: package tree.
//  6. Run the plan: run.
//  7. Respond.
//
// With Expect: 100-continue the checks also run before the body is read: checkExpect.

// method is the implementation of one HTTP method.
type method struct {
	name  string
	serve func(*request) error
	head  func(*request) error // for checkExpect; nil if serve checks before it reads the body
}

// methodTable returns all methods in the order of the Allow header.
func (h *Handler) methodTable() []method {
	return []method{
		{"OPTIONS", h.options, nil},
		{"GET", h.get, nil},
		{"HEAD", h.get, nil},
		{"PUT", h.put, nil},
		{"DELETE", h.withInterim(h.delete), h.deleteHead},
		{"MKCOL", h.mkcol, h.mkcolHead},
		{"COPY", h.withInterim(h.copyOrMove), h.copyOrMoveHead},
		{"MOVE", h.withInterim(h.copyOrMove), h.copyOrMoveHead},
		{"PROPFIND", h.propfind, h.propfindHead},
		{"PROPPATCH", h.proppatch, h.proppatchHead},
		{"LOCK", h.lock, h.lockHead},
		{"UNLOCK", h.unlock, h.unlockHead},
	}
}

// allow returns the value of the Allow header, without the method named by without (RFC 9110
// §10.2.1). It does not look at the resource: methods are left out that the user cannot use for
// the URL or for any below it. Clients apply the header to a whole collection.
func (h *Handler) allow(q *request, without string) string {
	path, err := h.mapping.Parse(q.URL.EscapedPath())
	if err != nil { // "*", or a parent of the share: what holds for all of it
		path = davpath.Root
	}
	usable := h.usableMethods(q.ctx, path)
	names := make([]string, 0, len(h.methods))
	for _, m := range h.methods {
		if m.name != without && usable[m.name] {
			names = append(names, m.name)
		}
	}
	return strings.Join(names, ", ")
}

// usableMethods returns the methods that the policy may allow for path or for a URL below it.
func (h *Handler) usableMethods(ctx context.Context, path davpath.Path) map[string]bool {
	may := func(p access.Privilege, at davpath.Path) bool { return h.allowsSome(ctx, p, at) }
	reads, adds, removes := may(access.Read, path), may(access.Bind, path), may(access.Unbind, path)
	writes, patches := adds || may(access.WriteContent, path), may(access.WriteProperties, path)
	locks := writes && may(access.Lock, path)
	unlocks := locks || may(access.Unlock, path)
	addsAnywhere := may(access.Bind, davpath.Root)
	return map[string]bool{
		http.MethodOptions: true, http.MethodGet: reads, http.MethodHead: reads, "PROPFIND": reads,
		http.MethodPut: writes, http.MethodDelete: removes, "MKCOL": adds,
		"COPY":      reads && (addsAnywhere || may(access.WriteContent, davpath.Root)),
		"MOVE":      removes && addsAnywhere,
		"PROPPATCH": patches,
		"LOCK":      locks, "UNLOCK": unlocks,
	}
}

// isLockMethod reports whether a method belongs to class 2 (RFC 4918 §18.2).
func isLockMethod(method string) bool { return method == "LOCK" || method == "UNLOCK" }

// withInterim returns serve with interim responses.
func (h *Handler) withInterim(serve func(*request) error) func(*request) error {
	if h.silence <= 0 {
		return serve
	}
	return func(q *request) error {
		q.interim = interim.Start(q.w, q.Request, h.silence)
		defer q.interim.Stop()
		return serve(q)
	}
}

// SetDAVHeaders sets the DAV and MS-Author-Via headers (RFC 4918 §10.1) as OPTIONS does. A
// middleware that refuses requests must set them, too, since clients send OPTIONS before they have
// credentials.
func (h *Handler) SetDAVHeaders(head http.Header) {
	classes := "1, 2, 3"
	if h.readOnly {
		classes = "1, 3" // §18.3: all but locking. macOS then mounts read-only
	}
	head.Set("DAV", classes)
	head.Set("MS-Author-Via", "DAV") // without it Office opens documents read-only
}

// options implements OPTIONS (RFC 4918 §10.1). The response does not depend on whether there is a
// resource: clients ask for parents of the share and for names that do not exist.
func (h *Handler) options(q *request) error {
	head := q.w.Header()
	h.SetDAVHeaders(head)
	head.Set("Allow", h.allow(q, ""))
	head.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// request is a request in progress.
type request struct {
	*http.Request
	w         http.ResponseWriter
	ctx       context.Context
	body      reqbody.Reader // use this, not Request.Body
	path      davpath.Path
	found     lookupResult
	principal string
	origin    origin.Origin
	ifs       davheader.If
	interim   *interim.Responses // nil if there are no interim responses
	refusing  bool               // see refuse
	tree      tree.Tree          // see treeFor
	guard     guard
}

// lookupResult is the result of the last lookup of the request's resource. It is valid while the
// request holds its ranges; reserve resets it.
type lookupResult struct {
	there      bool
	vacant     bool // no resource, and the parent is a collection
	direct     bool // no symbolic link in the path: it is the real path
	collection bool
}

// recordLookup stores the result of a lookup.
func (q *request) recordLookup(r props.Resource, err error) {
	q.found = lookupResult{}
	if err == nil {
		q.found = lookupResult{there: true, direct: r.Info.Direct, collection: r.Info.IsDir()}
	}
}

// stat looks up the request's resource and stores the result.
func (q *request) stat(t *tree.Tree) (props.Resource, error) {
	r, err := t.Stat(q.ctx, q.path)
	q.recordLookup(r, err)
	return r, err
}

// recordReplaced stores the file that an upload replaces. There is none if r.Info is nil.
func (q *request) recordReplaced(r props.Resource) {
	if r.Info == nil {
		q.found = lookupResult{vacant: true}
		return
	}
	q.recordLookup(r, nil)
}

type originKey struct{}

// hrefs returns the mapping for the hrefs of the request that ctx belongs to.
func (h *Handler) hrefs(ctx context.Context) davpath.Mapping {
	if o, ok := ctx.Value(originKey{}).(origin.Origin); ok {
		return o.Mapping
	}
	return h.mapping
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = wire.Wrap(w, r)
	q := &request{Request: r, w: w, ctx: r.Context(), body: reqbody.New(w, r), principal: access.Principal(r.Context()), origin: h.origins.Of(r)}
	if q.origin.Mapping != h.mapping {
		q.ctx = context.WithValue(q.ctx, originKey{}, q.origin)
	}
	q.ctx = h.hideQuota(q.ctx, r.UserAgent())
	switch err := h.serve(q); {
	case err == nil:
	case q.body.Ended() || q.body.Err() != nil:
		h.fail(q, err)
	default:
		early.Respond(w, r, q.body.WasRead(), q.body.Deadline(), func() { h.fail(q, err) })
	}
}

// serve finds the method and the path, parses If, and calls the method. ServeHTTP sends the
// response for the error that it returns.
func (h *Handler) serve(q *request) error {
	if err := h.origins.CheckTarget(q.Request); err != nil {
		return targetError(err)
	}
	i := slices.IndexFunc(h.methods, func(m method) bool { return m.name == q.Method })
	if i < 0 {
		return errMethod(q.Method)
	}
	if q.Method == http.MethodGet || q.Method == http.MethodHead || q.Method == http.MethodOptions {
		q.body.Drain()
	}
	if isLockMethod(q.Method) && h.readOnly { // the DAV header leaves class 2 out (RFC 4918 §18)
		return statusError(http.StatusMethodNotAllowed, "Nothing can be locked here: it is for reading only.")
	}
	if q.Method == http.MethodOptions { // any URL, also one that no resource can have
		return h.options(q)
	}
	path, err := h.mapping.Parse(q.URL.EscapedPath())
	if errors.Is(err, davpath.ErrOutside) {
		return h.serveOutside(q, path)
	}
	if err != nil {
		return badRequest(err)
	}
	if path.Reserved() {
		return h.serveReserved(q, path)
	}
	q.path = path
	return h.serveMethod(q, &h.methods[i])
}

// serveMethod is serve for a URL below the prefix.
func (h *Handler) serveMethod(q *request, m *method) error {
	if access.Hides(q.ctx, h.policy, q.path) {
		return h.hiddenError(q)
	}
	if err := h.parseIf(q); err != nil {
		return err
	}
	if err := h.checkExpect(q, m); err != nil {
		return err
	}
	return m.serve(q)
}

// serveReserved serves a URL of the server's own. The only resource that clients see there is the
// principal resource of the user.
func (h *Handler) serveReserved(q *request, path davpath.Path) error {
	if q.Method == "PROPFIND" && q.principal != "" && path == principalPath(q.principal) {
		return h.propfindPrincipal(q, path)
	}
	return reservedError(q.Method, path)
}

// serveOutside serves a URL outside of the prefix. Some clients ask for each ancestor of the
// collection that they mount. An ancestor of the prefix is an empty collection, apart from the next
// ancestor; other URLs get 404.
func (h *Handler) serveOutside(q *request, path davpath.Path) error {
	switch {
	case !path.Contains(h.mapping.Prefix()):
		return statusError(http.StatusNotFound, "")
	case q.Method == http.MethodGet, q.Method == http.MethodHead:
		return getAncestor(q, path)
	case q.Method == "PROPFIND":
		return h.propfindAncestor(q, path)
	}
	return statusError(http.StatusForbidden, "")
}

// reserve waits for earlier requests that conflict with ranges, or until the request is canceled.
// It resets q.found. The caller must call release; more than one call is allowed.
func (h *Handler) reserve(q *request, ranges ...pathlock.Range) (release func(), err error) {
	q.found = lookupResult{}
	if q.refusing {
		return func() {}, nil
	}
	return h.pathLocks.Acquire(q.ctx, ranges...)
}

// writes returns the range for a write of the resource p.
func writes(p davpath.Path) pathlock.Range { return pathlock.Range{Path: p, Write: true} }

// runWriteTimeout is the total time that a client has to read a 207 while other requests wait for
// the same resources.
const runWriteTimeout = 15 * time.Second

// run executes a plan and sends the response for its failures. An error of plan.Run itself is the
// result of the whole request; each reported failure becomes a response of a 207. done is true if
// everything succeeded: then the caller responds. run calls release before it sends the end of a
// 207.
func (h *Handler) run(q *request, release func(), plan *tree.Plan) (done bool, err error) {
	out := multistatus.NewWriter(q.w, q.Request)
	out.SetWriteTimeout(runWriteTimeout) // other requests may wait for these resources
	report := func(p davpath.Path, collection bool, err error) {
		h.warnMember(q, p, err)
		q.interim.Guard(out, func() {
			out.Write(failure(h.hrefs(q.ctx).Href(p, collection), err)) // Close returns the error
			out.FlushIfStale()
		})
	}
	err = plan.Run(q.ctx, report)
	q.interim.Stop()
	switch {
	case err == nil:
		return true, nil
	case q.ctx.Err() != nil:
		return false, abort(q.ctx.Err()) // a 207 that ends here would claim success for the rest
	case !errors.Is(err, tree.ErrPartial):
		return false, discardOrAbort(out, err)
	}
	release()
	out.SetWriteTimeout(0)
	if err := out.Close(); err != nil {
		return false, abort(err)
	}
	return false, nil
}

// warnMember logs the failure of one of many resources.
func (h *Handler) warnMember(q *request, p davpath.Path, err error) {
	level := slog.LevelWarn
	if errors.Is(err, context.Canceled) { // the client is gone
		level = slog.LevelDebug
	}
	h.log.LogAttrs(q.ctx, level, "member failed", slog.String("method", q.Method), slog.String("name", p.String()),
		slog.Int("status", asError(err).Status), slog.Any("err", err))
}

// respondCreated responds with 201, or with 204 if the URL had a resource before.
func (h *Handler) respondCreated(q *request, existed bool) {
	if existed {
		q.w.WriteHeader(http.StatusNoContent)
		return
	}
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusCreated)
}
