// Package batch answers many requests in one: POST of a JSON envelope to one URL, answered by 207
// with the outcome of each request.
//
// A Handler stands in front of the handler that serves the tree, and behind authentication. It runs
// the requests of a batch, its items, one after another through that same handler, with the user,
// the address, the TLS state and the context of the batch. So an item has the locks, conditions,
// access checks and limits of a single request.
//
// The envelope has the shape of Microsoft Graph and of OData's JSON format (OData JSON Format
// Version 4.01 §19), {"requests": [...]}, or the plain one, {"operations": [...]}. It is read and
// checked as a whole before the first item runs: after a plain 4xx or 501 nothing was done.
package batch

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dav207/server/davpath"
	"dav207/server/early"
	"dav207/server/limits"
	"dav207/server/multistatus"
	"dav207/server/origin"
	"dav207/server/reqbody"
	"dav207/server/wire"
)

// DefaultPath is the path of the batch URL below the prefix, unless Options say otherwise.
const DefaultPath = "/$batch"

// Options configure a Handler. The zero value and a nil pointer select all defaults.
type Options struct {
	// Prefix, PublicURLs and TrustedProxies are those of server.Options.
	Prefix         string
	PublicURLs     []*url.URL
	TrustedProxies []netip.Prefix
	// Path is the decoded path of the batch URL below the prefix. Default: DefaultPath.
	Path string
	// MaxItems, MaxBytes and MaxDepth are the limits of an envelope: its items, its bytes, and how
	// deep its JSON is nested. More is 413. Defaults: 1,000, 16 MiB, 64.
	MaxItems, MaxDepth int
	MaxBytes           int64
	// MaxAnswer is the limit of the body of one item's answer in bytes, since it is kept in memory
	// until it is complete. A longer one is 507. Default: 16 MiB.
	MaxAnswer int
	// MaxHeld is the limit of the bytes of results that wait in a temp file, since their items run
	// before others that precede them. One that does not fit is 507. Default: 256 MiB.
	MaxHeld int64
	// Silence is how long the client of a running batch waits at most for the next byte: then the
	// answer begins, with 207, or white space is sent. Default: 5 s.
	Silence time.Duration
	// Logger gets a record at level Info for each item. Default: no log.
	Logger *slog.Logger
}

// Handler serves batches. Create it with New. It is safe for concurrent use.
type Handler struct {
	Options
	next    http.Handler
	mapping davpath.Mapping
	origins *origin.Server
	path    davpath.Path
	limits  []byte // as JSON

	posts     http.Handler // post, of one user few at a time
	batches   chan struct{}
	large     chan struct{}
	largeWait time.Duration
}

// New returns a Handler that runs items through next and passes all other requests on to it. opts
// may be nil. New panics if opts are invalid: Prefix, Path or the path of a public URL is not a
// valid path, or Path is the root or reserved.
func New(next http.Handler, opts *Options) *Handler {
	h := &Handler{next: next, batches: make(chan struct{}, maxBatches), large: make(chan struct{}, maxLarge), largeWait: maxLargeWait}
	if opts != nil {
		h.Options = *opts
	}
	h.setDefaults()
	var err error
	if h.mapping, err = davpath.NewMapping(h.Prefix); err != nil {
		panic(fmt.Sprintf("batch: prefix %q: %v", h.Prefix, err))
	}
	if h.path, err = ParsePath(h.Path); err != nil {
		panic(fmt.Sprintf("batch: path %q: %v", h.Path, err))
	}
	if h.origins, err = origin.New(h.mapping, h.PublicURLs, h.TrustedProxies); err != nil {
		panic(fmt.Sprintf("batch: %v", err))
	}
	h.posts = limits.Requests(limits.RequestOptions{MaxPerUser: maxPerUser, MaxPerAddress: maxPerUser, TrustedProxies: h.TrustedProxies})(http.HandlerFunc(h.post))
	h.limits = fmt.Appendf(nil, `{"limits":{"items":%d,"bytes":%d,"depth":%d,"answerBytes":%d,"heldBytes":%d}}`+"\n",
		h.MaxItems, h.MaxBytes, h.MaxDepth, h.MaxAnswer, h.MaxHeld)
	return h
}

// setDefaults sets the fields that the Options left empty.
func (h *Handler) setDefaults() {
	if h.Path == "" {
		h.Path = DefaultPath
	}
	if h.MaxItems <= 0 {
		h.MaxItems = 1000
	}
	if h.MaxBytes <= 0 {
		h.MaxBytes = 16 << 20
	}
	if h.MaxDepth <= 0 {
		h.MaxDepth = 64
	}
	if h.MaxAnswer <= 0 {
		h.MaxAnswer = 16 << 20
	}
	if h.MaxHeld <= 0 {
		h.MaxHeld = 256 << 20
	}
	if h.Silence <= 0 {
		h.Silence = 5 * time.Second
	}
	if h.Logger == nil {
		h.Logger = slog.New(slog.DiscardHandler)
	}
}

// ParsePath returns the path of a batch URL below the prefix. It returns an error for a path that
// the batch URL cannot have.
func ParsePath(s string) (davpath.Path, error) {
	p, err := davpath.Clean(s)
	if err == nil && (!strings.HasPrefix(s, "/") || p.IsRoot() || p.Reserved()) {
		err = davpath.ErrMalformed
	}
	return p, err
}

// ServeHTTP implements http.Handler.
//
// A resource of the tree may have the path of the batch URL. It is served as any other, since only
// POST is always the batch's, which no resource has. GET and HEAD answer with the limits if there
// is no such resource, OPTIONS adds them to the answer of the tree.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions:
		if h.isBatchURL(r) {
			h.serve(w, r)
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

// isBatchURL reports whether a request is for the batch URL.
func (h *Handler) isBatchURL(r *http.Request) bool {
	if !strings.Contains(r.URL.Path, h.path.Name()) || h.origins.CheckTarget(r) != nil {
		return false
	}
	p, err := h.mapping.Parse(r.URL.EscapedPath())
	return err == nil && p == h.path
}

// serve serves a request for the batch URL.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.posts.ServeHTTP(wire.Wrap(w, r), r)
		return
	}
	probe := r.WithContext(r.Context())
	probe.Body, probe.ContentLength = http.NoBody, 0
	if r.Method != http.MethodOptions {
		probe.Method, probe.Header = http.MethodHead, h.inherited(r)
	}
	res := h.newResult(r.Context())
	defer res.release()
	h.perform(res, probe)
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodOptions && res.status != http.StatusNotFound, r.Method == http.MethodOptions && res.status != http.StatusOK:
		h.next.ServeHTTP(w, r)
		return
	case r.Method == http.MethodOptions:
		for name, values := range res.header {
			w.Header()[name] = values
		}
		w.Header().Set("Allow", res.header.Get("Allow")+", POST")
	}
	w = wire.Wrap(w, r)
	w.Header().Set("Accept-Post", multistatus.ContentTypeJSON) // W3C Linked Data Platform 1.0 §7.1
	send(w, r, http.StatusOK, multistatus.ContentTypeJSON, h.limits)
}

// send sends a complete response.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	head := w.Header()
	setHeaders(head, contentType)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// setHeaders sets the header fields of each answer of this package. Caches must ask again: the
// batch URL may become a resource of the tree, and a problem may be mended (RFC 9110 §15.1).
func setHeaders(head http.Header, contentType string) {
	head.Set("Content-Type", contentType)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-cache")
}

// post runs a batch.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	body := reqbody.New(w, r)
	var e *envelope
	var err error = errBusy
	select {
	case h.batches <- struct{}{}:
		defer func() { <-h.batches }()
		e, err = h.readEnvelope(r, &body)
	default:
	}
	if e != nil {
		defer e.body.Close()
	}
	if err == nil {
		h.run(w, r, e)
		return
	}
	failed := multistatus.AsError(err)
	h.Logger.DebugContext(r.Context(), "batch refused", slog.Int("status", failed.Status), slog.Any("err", err))
	respond := func() {
		if failed.Status == http.StatusUnsupportedMediaType {
			w.Header().Set("Accept-Post", multistatus.ContentTypeJSON)
		}
		if failed.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		send(w, r, failed.Status, multistatus.ContentTypeProblem, multistatus.AppendProblem(nil, failed))
	}
	if body.Ended() || body.Err() != nil {
		respond()
		return
	}
	early.Respond(w, r, body.WasRead(), body.Deadline(), respond)
}
