package server

import (
	"context"
	"encoding/xml"
	"io/fs"
	"net/http"
	"strings"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// propfind implements PROPFIND (RFC 4918 §9.1). If a member cannot be read, the requested
// properties have the status of that error.
func (h *Handler) propfind(q *request) error {
	query, err := h.readPropfind(q)
	if err != nil {
		return err
	}
	t := h.treeFor(q)
	r, depth, noroot, err := h.checkPropfind(q, t)
	if err != nil {
		return err
	}
	if r.Info.IsDir() {
		h.setContentLocation(q, r)
	}
	return h.list(q, t, r, depth, noroot, query)
}

func (h *Handler) propfindHead(q *request) error {
	if err := h.checkMaxXML(q); err != nil {
		return err
	}
	_, _, _, err := h.checkPropfind(q, h.treeFor(q))
	return err
}

// checkPropfind looks up the request's resource and returns the Depth. noroot is true if the
// response leaves the collection itself out.
func (h *Handler) checkPropfind(q *request, t *tree.Tree) (r props.Resource, d tree.Depth, noroot bool, err error) {
	if r, err = h.lookupFor(q, t, access.Read); err != nil {
		return r, 0, false, err
	}
	if !r.Info.IsDir() {
		// §10.2: "If a resource does not have internal members, then the Depth header MUST be
		// ignored."
		return r, tree.Zero, false, nil
	}
	d, noroot, err = davheader.PropfindDepth(q.Header)
	if err == nil && d == tree.Infinity && h.denyInfinity {
		err = conditionError(http.StatusForbidden, multistatus.PropfindFiniteDepth)
	}
	return r, d, noroot, err
}

// readPropfind reads and parses the body.
func (h *Handler) readPropfind(q *request) (props.Query, error) {
	body, err := h.parseBody(q)
	if err != nil {
		return props.Query{}, err
	}
	return parsePropfind(body)
}

// setContentLocation sets Content-Location to the URL with a slash, if the request has none (§5.2).
func (h *Handler) setContentLocation(q *request, r props.Resource) {
	if !strings.HasSuffix(q.URL.Path, "/") {
		q.w.Header().Set("Content-Location", h.hrefs(q.ctx).Href(r.Path, true))
	}
}

// list writes the multistatus of a PROPFIND. With noroot it leaves out the response for r. Once a
// part of the response was sent, its errors close the connection.
//
// One piece: the closures share the current member, so that a listing allocates none per member.
func (h *Handler) list(q *request, t *tree.Tree, r props.Resource, depth tree.Depth, noroot bool, query props.Query) error {
	out := multistatus.NewWriter(q.w, q.Request)
	property := h.property
	if depth != tree.Zero {
		q.ctx, property = h.forListing(q.ctx)
	}
	finder := h.registry.NewFinder(h.withListing(q.ctx, r.Path), out.Format(), query, property)
	if err := h.checkAmplification(q, t, r, depth, finder.NamesSize()); err != nil {
		return err
	}
	scan := props.NewScan(q.ctx, t.Props)
	each := h.hrefs(q.ctx).Hrefs()
	var member props.Resource
	var dead []props.Property
	var failed *multistatus.Error // the error of member
	appendHref := func(b []byte) []byte {
		return each.Append(b, member.Path, member.Info != nil && member.Info.IsDir())
	}
	appendFound := func(b []byte) ([]byte, int, error) {
		if failed != nil {
			b, err := finder.Fail(b, failed)
			return b, failed.Status, err
		}
		return finder.Find(b, &member, dead)
	}
	withDead := finder.NeedsDead()
	var err error
	root := true
	for member, err = range h.withoutJunk(t).Walk(q.ctx, r, depth) {
		failed = nil
		switch {
		case err == nil && root && noroot:
			root = false
			out.Begin() // without members the multistatus is empty
			continue
		case err == nil && withDead && root:
			dead, err = scan.Root(member.Path)
		case err == nil && withDead:
			dead, err = scan.Member(member.Path)
		case err == nil:
		case root || q.ctx.Err() != nil:
			return discardOrAbort(out, err)
		default:
			h.warnMember(q, member.Path, err)
			failed, err = asError(err), nil
		}
		root = false
		if err == nil {
			err = out.WriteFunc(appendHref, appendFound)
		}
		if err == nil {
			err = out.FlushIfStale()
		}
		if err != nil {
			return discardOrAbort(out, err)
		}
	}
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// checkAmplification returns 507 if the names in a PROPFIND, which take size bytes for each member,
// would take more than maxListedNames for all of them. Every member has to repeat each of them, be
// it as 404 (RFC 4918 §9.1), so that a small request would have an answer of gigabytes. It counts
// the members before the answer begins: a listing that ends early is worse than none, since clients
// take it for whole (RFC 6578 §3.7 has this condition where a result cannot be truncated). Only
// what asks for many names is counted, and no further than the limit.
func (h *Handler) checkAmplification(q *request, t *tree.Tree, r props.Resource, depth tree.Depth, size int) error {
	if size <= freeNamesSize || depth == tree.Zero {
		return nil
	}
	left := maxListedNames / size
	for _, err := range h.withoutJunk(t).Walk(q.ctx, r, depth) {
		if q.ctx.Err() != nil {
			return err
		}
		if left--; left < 0 {
			e := &multistatus.Error{Status: http.StatusInsufficientStorage, Condition: multistatus.Precondition(multistatus.NumberOfMatchesWithinLimits)}
			e.Description = "So many properties of so many members would be too long an answer: ask for fewer, or for one collection after another."
			return e
		}
	}
	return nil
}

// propfindAncestor implements PROPFIND of an ancestor of the prefix: a collection that holds only
// the next ancestor.
func (h *Handler) propfindAncestor(q *request, path davpath.Path) error {
	d, noroot, err := davheader.PropfindDepth(q.Header)
	if err != nil {
		return err
	}
	if d == tree.Infinity {
		return conditionError(http.StatusForbidden, multistatus.PropfindFiniteDepth)
	}
	query, err := h.readPropfind(q)
	if err != nil {
		return err
	}
	registry := &props.Registry{}
	registry.Register(props.Standard(nil)...)
	collections := []davpath.Path{path}
	if d == tree.One {
		next := h.mapping.Prefix()
		for next.Parent() != path {
			next = next.Parent()
		}
		collections = append(collections, next)
	}
	if noroot {
		collections = collections[1:]
	}
	return listVirtual(q, davpath.Mapping{}, registry, query, fs.ModeDir|0o555, collections...)
}

// propfindPrincipal implements PROPFIND of the user's principal resource, to which
// DAV:current-user-principal leads (RFC 3744 §4, RFC 5397 §3). Other methods and users do not find
// it.
func (h *Handler) propfindPrincipal(q *request, path davpath.Path) error {
	query, err := h.readPropfind(q)
	if err != nil {
		return err
	}
	href := h.principalHref(q.ctx)
	registry := &props.Registry{}
	for _, p := range [][2]string{{"displayname", string(davxml.EscapeText(nil, q.principal))}, {"resourcetype", "<D:principal/>"},
		{"principal-URL", href}, {"alternate-URI-set", ""}, {"current-user-principal", href}} {
		registry.Register(props.Live{Name: props.DAV(p[0]), Prepare: func(context.Context) props.AppendFunc {
			return func(b []byte, _ *props.Resource) ([]byte, error) { return append(b, p[1]...), nil }
		}})
	}
	return listVirtual(q, h.hrefs(q.ctx), registry, query, 0o444, path)
}

// listVirtual writes the multistatus of a PROPFIND of resources that do not exist in the back end
// and have no times.
func listVirtual(q *request, hrefs davpath.Mapping, registry *props.Registry, query props.Query, mode fs.FileMode, paths ...davpath.Path) error {
	out := multistatus.NewWriter(q.w, q.Request)
	finder := registry.NewFinder(q.ctx, out.Format(), query, nil)
	for _, p := range paths {
		info := &fsbackend.Info{Attr: fsbackend.Attr{Name: p.Name(), Mode: mode}}
		r := &props.Resource{Path: p, Info: info}
		err := out.WriteFunc(func(b []byte) []byte { return hrefs.AppendHref(b, p, mode.IsDir()) },
			func(b []byte) ([]byte, int, error) { return finder.Find(b, r, nil) })
		if err != nil {
			return discardOrAbort(out, err)
		}
	}
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// appendNames appends the names of the elements in a DAV:prop.
func appendNames(names []xml.Name, prop *davxml.Element) []xml.Name {
	for _, e := range prop.Children {
		names = append(names, e.Name)
	}
	return names
}

// parsePropfind parses a DAV:propfind (§14.20). Without a body it is allprop (§9.1). Unknown
// elements are ignored (§17).
func parsePropfind(root *davxml.Element) (props.Query, error) {
	if root == nil {
		return props.Query{Kind: props.AllProp}, nil
	}
	if !isDAV(root, "propfind") {
		return props.Query{}, invalid("The body must be a DAV:propfind.")
	}
	var q props.Query
	forms, named := 0, false
	var include []xml.Name
	for _, c := range root.Children {
		switch {
		case isDAV(c, "prop"):
			q.Kind = props.Prop
			if !named { // Emacs' url-dav sends two: the second continues the first
				named = true
				forms++
			}
			q.Names = appendNames(q.Names, c)
		case isDAV(c, "allprop"):
			q.Kind = props.AllProp
			forms++
		case isDAV(c, "propname"):
			q.Kind = props.PropName
			forms++
		case isDAV(c, "include"):
			include = appendNames(include, c)
		}
	}
	if forms != 1 {
		return q, invalid("A DAV:propfind holds one of prop, propname and allprop.")
	}
	if q.Kind == props.AllProp { // with other forms DAV:include is ignored (§17)
		q.Names = include
	}
	size := 0
	for _, n := range q.Names {
		size += len(n.Space) + len(n.Local)
	}
	if len(q.Names) > maxNames || size > maxNamesSize {
		return q, statusError(http.StatusRequestEntityTooLarge, "Too many properties are asked for.")
	}
	return q, nil
}

// The bounds on one request. A body declares a namespace once, but the response repeats it with
// each name, for each member: without a bound a few bytes could request gigabytes.
const (
	maxNames      = 2048
	maxNamesSize  = 128 << 10
	maxUpdateSize = 8 << 20
	// freeNamesSize is how many bytes of names may be asked for of any number of members. Clients
	// ask for at most 30 properties at once.
	freeNamesSize = 4 << 10
	// maxListedNames bounds the bytes of larger queries, for all members together.
	maxListedNames = 64 << 20
)
