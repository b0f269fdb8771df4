package davtest

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// request is what the faults know of a request in progress.
type request struct {
	*http.Request
	path   string       // of the Request-URI, "" for none
	faults []*faultSpec // those that fit its method and headers

	mu      sync.Mutex
	decided map[*Fault]bool // whether a fault that was asked fires in this request
	held    []string        // tokens of locks that end with the request
}

type requestKey struct{}

// begin returns what the faults know of r, and r with that in its context if the policy needs it.
func (s *Server) begin(r *http.Request) (*request, *http.Request) {
	q := &request{decided: make(map[*Fault]bool)}
	if p, err := s.mapping.Parse(r.URL.EscapedPath()); err == nil {
		q.path = p.String()
	}
	user, _, _ := r.BasicAuth()
	inServer := false // whether one of the faults is
	s.mu.Lock()
	for _, fault := range s.faults {
		if spec := fault.spec; spec.fitsHead(r, user) {
			q.faults = append(q.faults, spec)
			inServer = inServer || spec.inServer()
		}
	}
	s.mu.Unlock()
	if inServer {
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
	}
	q.Request = r
	return q, r
}

// finish ends the locks that were held during the request.
func (s *Server) finish(q *request) {
	for _, token := range q.held {
		if l, _ := s.locks.Lookup(token); l.Principal == somebodyElse { // after Reset it may be a client's
			s.locks.Unlock(token)
		}
	}
}

// fires reports whether a fault fires in the request. It decides once.
func (q *request) fires(s *Server, f *Fault) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	fires, known := q.decided[f]
	if !known {
		s.mu.Lock()
		fires = f.fires()
		s.mu.Unlock()
		q.decided[f] = fires
	}
	return fires
}

// hasFired reports whether a fault was asked in the request and fired.
func (q *request) hasFired(f *Fault) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.decided[f]
}

// faultPolicy is the access.Policy of a Server: the faults, and then the policy of its options.
type faultPolicy struct {
	server *Server
	next   access.Policy // may be nil
}

var (
	_ access.PropertyPolicy = faultPolicy{}
	_ access.TreePolicy     = faultPolicy{}
	_ access.UnlockPolicy   = faultPolicy{}
)

// Check implements access.Policy.
func (p faultPolicy) Check(ctx context.Context, privilege access.Privilege, path davpath.Path) error {
	if q, _ := ctx.Value(requestKey{}).(*request); q != nil && touches(q.Method, privilege) {
		if err := p.server.failureOf(q, path, nil); err != nil {
			return err
		}
	}
	switch {
	case p.next != nil:
		return p.next.Check(ctx, privilege, path)
	case privilege == access.Unlock: // as of a server without a policy
		return &multistatus.Error{Status: http.StatusForbidden, Description: "The lock is somebody else's."}
	}
	return nil
}

// touches reports whether a request with this method that is checked for a privilege acts on the
// resource, and does not only look at it on the way.
func touches(method string, p access.Privilege) bool {
	return (p == access.Read) == readsOnly(method) || method == "COPY"
}

// CheckProperty implements access.PropertyPolicy.
func (p faultPolicy) CheckProperty(ctx context.Context, privilege access.Privilege, path davpath.Path, name xml.Name) error {
	if q, _ := ctx.Value(requestKey{}).(*request); q != nil {
		if err := p.server.failureOf(q, path, &name); err != nil {
			return err
		}
	}
	if next, ok := p.next.(access.PropertyPolicy); ok {
		return next.CheckProperty(ctx, privilege, path, name)
	}
	return nil
}

// CheckOwnUnlock implements access.UnlockPolicy.
func (p faultPolicy) CheckOwnUnlock(ctx context.Context, path davpath.Path) error {
	if q, _ := ctx.Value(requestKey{}).(*request); q != nil {
		if err := p.server.failureOf(q, path, nil); err != nil {
			return err
		}
	}
	if next, ok := p.next.(access.UnlockPolicy); ok {
		return next.CheckOwnUnlock(ctx, path)
	}
	return nil
}

// AllowsAll implements access.TreePolicy.
func (p faultPolicy) AllowsAll(ctx context.Context, privilege access.Privilege, path davpath.Path) bool {
	if q, _ := ctx.Value(requestKey{}).(*request); q != nil {
		return false
	}
	next, ok := p.next.(access.TreePolicy)
	return p.next == nil && privilege != access.Unlock || ok && next.AllowsAll(ctx, privilege, path)
}

// AllowsSome implements access.TreePolicy.
func (p faultPolicy) AllowsSome(ctx context.Context, privilege access.Privilege, path davpath.Path) bool {
	next, ok := p.next.(access.TreePolicy)
	return !ok || next.AllowsSome(ctx, privilege, path)
}

// failureOf returns the failure of the first fault that is for a resource and fires, or for one
// of its properties if property is not nil.
func (s *Server) failureOf(q *request, path davpath.Path, property *xml.Name) error {
	name := path.String()
	for _, spec := range q.faults {
		switch {
		case !spec.inServer(), !spec.fitsPath(name):
		case (spec.Property != "") != (property != nil), property != nil && spec.propertyName() != *property:
		case !q.fires(s, spec.fault):
		case spec.Lock != "":
			s.changeLocks(q, spec.Lock, path)
		default:
			return spec.err(q.Method, s.href(path))
		}
	}
	return nil
}

// somebodyElse is the owner of the locks that faults take.
const somebodyElse = "somebody else"

// changeLocks does what the lock of a fault says.
func (s *Server) changeLocks(q *request, what string, path davpath.Path) {
	if what == lockExpires {
		for _, l := range s.locks.Covering(path) {
			s.locks.Unlock(l.Token)
		}
		return
	}
	l, err := s.locks.Create(locks.Lock{Root: path, Principal: somebodyElse, Owner: []byte(somebodyElse)})
	if err != nil {
		return // it is locked already
	}
	if what == lockHeld {
		q.mu.Lock()
		q.held = append(q.held, l.Token)
		q.mu.Unlock()
	}
}

// faultMethods are the methods that a fault can be for.
var faultMethods = []string{"GET", "HEAD", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "OPTIONS"}

// depths are the values of Depth that the methods have that have one (RFC 4918 §9.1, §9.6.1,
// §9.8.3, §9.9.2, §9.10.3).
var depths = map[string][]string{
	"PROPFIND": {"0", "1", "infinity"}, "COPY": {"0", "infinity"}, "LOCK": {"0", "infinity"}, "DELETE": {"infinity"}, "MOVE": {"infinity"},
}

// parseMethods returns the methods of a list with commas, nil for any.
func parseMethods(list string) ([]string, error) {
	if list == "" || list == "*" {
		return nil, nil
	}
	var methods []string
	for m := range strings.SplitSeq(list, ",") {
		if m = strings.TrimSpace(m); !slices.Contains(faultMethods, m) {
			return nil, fmt.Errorf("the server has no method %q: it has %s", m, strings.Join(faultMethods, ", "))
		}
		methods = append(methods, m)
	}
	return methods, nil
}

const everything = "/**"

// parsePattern returns the pattern of doublestar for a pattern of a fault, in which "/c/**" is all
// below /c and not /c itself, but "/**" everything.
func parsePattern(path string) (string, error) {
	if path == "/" || path == everything {
		return path, nil
	}
	pattern := strings.TrimSuffix(path, "/")
	switch {
	case !strings.HasPrefix(path, "/"):
		return "", fmt.Errorf("the path %q does not begin with a slash", path)
	case !doublestar.ValidatePattern(pattern):
		return "", fmt.Errorf("the path %q is no pattern: *, **, ?, {a,b} and [a-z] are special, with a backslash they are not", path)
	}
	for _, alternative := range alternatives(pattern) {
		if err := checkAlternative(alternative); err != nil {
			return "", fmt.Errorf("no resource has the path %q: %w", path, err)
		}
	}
	if base, ok := strings.CutSuffix(pattern, "/**"); ok {
		pattern = base + "/**/*"
	}
	return pattern, nil
}

// alternatives returns the patterns without braces that a valid pattern stands for, of which there
// may be very many: it returns at most a thousand.
func alternatives(pattern string) []string {
	open, depth := -1, 0
	var ends []int // of the alternatives of the first braces
	inClass := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
		case c == '{':
			if depth++; depth == 1 {
				open = i
			}
		case c == ',' && depth == 1:
			ends = append(ends, i)
		case c == '}':
			if depth--; depth == 0 {
				var all []string
				from := open + 1
				for _, end := range append(ends, i) {
					if len(all) < 1000 {
						all = append(all, alternatives(pattern[:open]+pattern[from:end]+pattern[i+1:])...)
					}
					from = end + 1
				}
				return all
			}
		}
	}
	return []string{pattern}
}

// checkAlternative returns an error if no name matches a valid pattern without braces. It looks for
// one that does.
func checkAlternative(pattern string) error {
	var name strings.Builder
	segments := []string{""} // as in the pattern
	for i := 0; i < len(pattern); i++ {
		from := i
		switch c := pattern[i]; c {
		case '\\':
			i++
			name.WriteByte(pattern[i])
		case '*', '?':
			name.WriteByte('x')
		case '[':
			for i++; pattern[i] != ']'; i++ {
				if pattern[i] == '\\' {
					i++
				}
			}
			member := anyMember(pattern[from : i+1])
			if member == "" {
				return fmt.Errorf("no letter is in %s", pattern[from:i+1])
			}
			name.WriteString(member)
		case '/':
			segments = append(segments, "")
			name.WriteByte(c)
			continue
		default:
			name.WriteByte(c)
		}
		segments[len(segments)-1] += pattern[from : i+1]
	}
	for _, segment := range segments {
		if segment != "**" && strings.Contains(segment, "**") {
			return fmt.Errorf("** within a segment, as in %q, stands for nothing: it stands for whole segments", segment)
		}
	}
	if segments[len(segments)-1] == "" {
		return errors.New("it has an empty segment")
	}
	_, err := parseName(name.String())
	return err
}

// anyMember returns a letter that matches a class such as [a-z], or "" if there is none.
func anyMember(class string) string {
	letters := []rune(class)
	for r := rune('!'); r <= unicode.MaxLatin1; r++ { // for [^…]
		letters = append(letters, r)
	}
	for _, r := range letters {
		if r != '/' && doublestar.MatchUnvalidated(class, string(r)) {
			return string(r)
		}
	}
	return ""
}

// fitsHead reports whether the fault is for requests with this method and header.
func (s *faultSpec) fitsHead(q *http.Request, user string) bool {
	if s.methods != nil && !slices.Contains(s.methods, q.Method) || s.User != "" && s.User != user ||
		s.Depth != "" && !strings.EqualFold(s.Depth, depthOf(q)) {
		return false
	}
	for name, value := range s.Header {
		if got := headerValues(q, name); len(got) == 0 || value != "" && !slices.Contains(got, value) {
			return false
		}
	}
	return true
}

// headerValues returns the values of a header field, also of those that net/http has not in Header.
func headerValues(q *http.Request, name string) []string {
	switch http.CanonicalHeaderKey(name) {
	case "Host":
		return []string{q.Host}
	case "Transfer-Encoding":
		return q.TransferEncoding
	}
	return q.Header.Values(name)
}

// depthOf returns the Depth of a request, which is infinity where the header is missing, or "" if
// the method has none.
func depthOf(q *http.Request) string {
	d := q.Header.Get("Depth")
	if d == "" && depths[q.Method] != nil {
		return "infinity"
	}
	return d
}

// fitsPath reports whether the fault is for the resource with this name.
func (s *faultSpec) fitsPath(name string) bool { return matchPath(s.pattern, name) }

// matchPath reports whether a pattern of parsePattern matches a name.
func matchPath(pattern, name string) bool {
	if pattern == everything {
		return true
	}
	if name == "/" || pattern == "/" {
		return name == pattern
	}
	return doublestar.MatchUnvalidated(pattern, name)
}

// fires counts a request and reports whether the fault fires in it.
func (f *Fault) fires() bool {
	f.calls++
	s := f.spec
	switch {
	case s.Nth != nil && f.calls != *s.Nth, f.calls <= s.After, s.Times != nil && f.fired >= *s.Times:
		return false
	}
	f.fired++
	return true
}

// err returns the failure that the fault gives the resource with this href.
func (s *faultSpec) err(method, href string) error {
	e := &multistatus.Error{Status: s.Status, Description: s.Description, Err: errFault}
	switch {
	case s.Condition != "" && strings.HasSuffix(s.Condition, "-lock") || strings.HasPrefix(s.Condition, "lock-"):
		e.Condition = multistatus.Precondition(s.Condition, href)
	case s.Condition != "":
		e.Condition = multistatus.Precondition(s.Condition)
	case s.Status == http.StatusLocked && method == "LOCK":
		e.Condition = multistatus.Precondition(multistatus.NoConflictingLock, href)
	case s.Status == http.StatusLocked:
		e.Condition = multistatus.Precondition(multistatus.LockTokenSubmitted, href)
	}
	for name, value := range s.SetHeader {
		if e.Header == nil {
			e.Header = http.Header{}
		}
		e.Header.Set(name, value)
	}
	return e
}

var errFault = errors.New("a fault of the test")

// readsOnly reports whether a method changes nothing.
func readsOnly(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, "PROPFIND":
		return true
	}
	return false
}
