package davtest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"dav207/server/davpath"
	"dav207/server/multistatus"
)

// Fault makes something happen to requests: a fault that an honest server may have, or one on the
// wire that it never has. Server.Fail and Server.Wire make one; a file of faults has the same
// words. Its methods return the fault and may be called while requests are served. A fault that
// can never fit anything is an error when it is made, and one that never fired is an error at the
// end.
//
// The first fault that fits a resource decides for it. A fault counts requests, not operations: it
// decides once for each request that touches a resource of its pattern, and the decision holds for
// all of them. So Times(2) fails two requests.
type Fault struct {
	server *Server    // its mutex guards the fields
	spec   *faultSpec // replaced as a whole, never changed
	id     int
	calls  int // requests that touched what the fault is for
	fired  int // those in which it fired
}

// faultSpec is a fault as a file has it. The fields are the methods of Fault.
type faultSpec struct {
	Method      string            `json:"method,omitempty"` // one, or several with commas; none is any
	Path        string            `json:"path"`
	Depth       string            `json:"depth,omitempty"`
	User        string            `json:"user,omitempty"`
	Header      map[string]string `json:"header,omitempty"` // an empty value: the header is present
	Nth         int               `json:"nth,omitempty"`
	After       int               `json:"after,omitempty"`
	Times       int               `json:"times,omitempty"`
	Optional    bool              `json:"optional,omitempty"`
	Status      int               `json:"status,omitempty"`
	Condition   string            `json:"condition,omitempty"`
	Description string            `json:"description,omitempty"`
	SetHeader   map[string]string `json:"setHeader,omitempty"`
	Property    string            `json:"property,omitempty"`
	Lock        string            `json:"lock,omitempty"`
	Wire        *wireSpec         `json:"wire,omitempty"`

	fault   *Fault
	methods []string // of Method; nil for any
	pattern string   // of Path, as doublestar has it
}

// Nth makes only the n-th request fail, counted from 1.
func (f *Fault) Nth(n int) *Fault { return f.set(func(s *faultSpec) { s.Nth = n }) }

// After lets the first n requests pass.
func (f *Fault) After(n int) *Fault { return f.set(func(s *faultSpec) { s.After = n }) }

// Times makes the fault fire in at most n requests.
func (f *Fault) Times(n int) *Fault { return f.set(func(s *faultSpec) { s.Times = n }) }

// Optional makes it no error that the fault never fires.
func (f *Fault) Optional() *Fault { return f.set(func(s *faultSpec) { s.Optional = true }) }

// Depth restricts the fault to requests with this Depth header: "0", "1" or "infinity", which is
// also that of a request without one where it is the default of the method.
func (f *Fault) Depth(d string) *Fault { return f.set(func(s *faultSpec) { s.Depth = d }) }

// User restricts the fault to requests of this user.
func (f *Fault) User(name string) *Fault { return f.set(func(s *faultSpec) { s.User = name }) }

// Header restricts the fault to requests that have this header, with any value if value is "".
func (f *Fault) Header(name, value string) *Fault {
	return f.set(func(s *faultSpec) { s.Header = with(s.Header, name, value) })
}

// Property restricts a status to one property, in PROPFIND and PROPPATCH: "getetag" is one of
// WebDAV's own, "{namespace}name" any.
func (f *Fault) Property(name string) *Fault { return f.set(func(s *faultSpec) { s.Property = name }) }

// Condition is the name of the DAV:error element that goes with the status (RFC 4918 §16), such as
// "quota-not-exceeded". By default 423 has lock-token-submitted, or no-conflicting-lock for LOCK.
func (f *Fault) Condition(name string) *Fault {
	return f.set(func(s *faultSpec) { s.Condition = name })
}

// Description is the text for people that goes with the status.
func (f *Fault) Description(text string) *Fault {
	return f.set(func(s *faultSpec) { s.Description = text })
}

// SetHeader adds a header to the response if the status is that of the whole response. A 207 has no
// place for the headers of a member.
func (f *Fault) SetHeader(name, value string) *Fault {
	return f.set(func(s *faultSpec) { s.SetHeader = with(s.SetHeader, name, value) })
}

func with(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = make(map[string]string)
	}
	m[name] = value
	return m
}

// Locked makes the resource locked by somebody else during the request. The status 423 and all that
// follows from it are the server's.
func (f *Fault) Locked() *Fault { return f.set(func(s *faultSpec) { s.Lock = lockHeld }) }

// LockTaken has somebody else take a lock on the resource at the moment of the request, and keep
// it.
func (f *Fault) LockTaken() *Fault { return f.set(func(s *faultSpec) { s.Lock = lockTaken }) }

// LockExpires ends the locks that cover the resource at the moment of the request.
func (f *Fault) LockExpires() *Fault { return f.set(func(s *faultSpec) { s.Lock = lockExpires }) }

// The values of faultSpec.Lock.
const (
	lockHeld    = "held"
	lockTaken   = "taken"
	lockExpires = "expires"
)

// ID returns the number of the fault: no other fault of the server has it.
func (f *Fault) ID() int { return f.id }

// Fired returns in how many requests the fault fired.
func (f *Fault) Fired() int {
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	return f.fired
}

// String returns the fault as it stands in a file.
func (f *Fault) String() string {
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	return f.spec.String()
}

// set changes the fault. An error is one of the test.
func (f *Fault) set(change func(*faultSpec)) *Fault {
	f.server.t.Helper()
	f.server.mu.Lock()
	changed := f.spec.clone()
	change(changed)
	err := changed.compile(false)
	if err == nil {
		f.spec = changed
	}
	f.server.mu.Unlock()
	if err != nil {
		f.server.t.Fatalf("davtest: fault %s: %v", changed.String(), err)
	}
	return f
}

// faultMethods are the methods that a fault can be for.
var faultMethods = []string{"GET", "HEAD", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "OPTIONS"}

// compile checks s and sets its methods and pattern. A fault that is complete must also do
// something.
func (s *faultSpec) compile(complete bool) (err error) {
	if s.methods, err = parseMethods(s.Method); err != nil {
		return err
	}
	if s.pattern, err = parsePattern(s.Path); err != nil {
		return err
	}
	for _, check := range []func() error{s.checkWhere, s.checkStatus, s.checkProperty, s.checkLock} {
		if err := check(); err != nil {
			return err
		}
	}
	if s.Wire != nil {
		return s.Wire.check()
	}
	if complete && !s.faithful() {
		return errors.New("it does nothing: give it a status, a lock or wire")
	}
	return nil
}

// faithful reports whether the fault is more than wire.
func (s *faultSpec) faithful() bool { return s.Status != 0 || s.Lock != "" }

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
	for segment := range strings.SplitSeq(pattern[1:], "/") {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return "", fmt.Errorf("no resource has the path %q: it has a segment %q", path, segment)
		case segment != "**" && strings.Contains(segment, "**"):
			return "", fmt.Errorf("the path %q has ** within a segment: it stands for whole segments", path)
		case davpath.Reserved(segment):
			return "", fmt.Errorf("no resource has the path %q: the name is reserved", path)
		}
	}
	if base, ok := strings.CutSuffix(pattern, "/**"); ok {
		pattern = base + "/**/*"
	}
	return pattern, nil
}

func (s *faultSpec) checkWhere() error {
	switch s.Depth {
	case "", "0", "1", "infinity":
	default:
		return fmt.Errorf("no Depth is %q: it is 0, 1 or infinity", s.Depth)
	}
	if s.Depth == "1" && s.methods != nil && !slices.Contains(s.methods, "PROPFIND") {
		return errors.New("only PROPFIND has Depth 1 (RFC 4918 §9)")
	}
	if s.Nth < 0 || s.After < 0 || s.Times < 0 {
		return errors.New("nth, after and times count from 1")
	}
	if s.Nth > 0 && (s.After > 0 || s.Times > 0) {
		return errors.New("nth is one request: after and times do not go with it")
	}
	return nil
}

func (s *faultSpec) checkStatus() error {
	switch {
	case s.Status != 0 && (s.Status < 400 || s.Status > 599):
		return fmt.Errorf("the status of a failure is 400 to 599, not %d", s.Status)
	case s.Status == 0 && (s.Condition != "" || s.Description != "" || s.SetHeader != nil || s.Property != ""):
		return errors.New("condition, description, setHeader and property go with a status")
	case s.faithful() && slices.Contains(s.methods, "OPTIONS"):
		return errors.New("OPTIONS touches no resource: only wire can be for it")
	}
	for name := range s.SetHeader {
		if name != http.CanonicalHeaderKey(name) && !validHeader(name) {
			return fmt.Errorf("%q is no name of a header", name)
		}
	}
	return nil
}

func validHeader(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) })
}

// davProperties are the properties that "name" without a namespace can be.
var davProperties = []string{"creationdate", "displayname", "getcontentlanguage", "getcontentlength", "getcontenttype", "getetag",
	"getlastmodified", "lockdiscovery", "resourcetype", "supportedlock", "quota-available-bytes", "quota-used-bytes"}

func (s *faultSpec) checkProperty() error {
	if s.Property == "" {
		return nil
	}
	if s.methods != nil && !slices.Contains(s.methods, "PROPFIND") && !slices.Contains(s.methods, "PROPPATCH") {
		return errors.New("only PROPFIND and PROPPATCH have properties")
	}
	if strings.HasPrefix(s.Property, "{") {
		if _, local, ok := strings.Cut(s.Property[1:], "}"); !ok || local == "" {
			return fmt.Errorf("%q is no property: write {namespace}name", s.Property)
		}
		return nil
	}
	if !slices.Contains(davProperties, s.Property) {
		return fmt.Errorf("WebDAV has no property %q: write {namespace}name for a property of your own; WebDAV has %s", s.Property, strings.Join(davProperties, ", "))
	}
	return nil
}

// propertyName returns the name of the property, which checkProperty has checked.
func (s *faultSpec) propertyName() xml.Name {
	if space, local, ok := strings.Cut(strings.TrimPrefix(s.Property, "{"), "}"); ok {
		return xml.Name{Space: space, Local: local}
	}
	return xml.Name{Space: multistatus.Namespace, Local: s.Property}
}

func (s *faultSpec) checkLock() error {
	switch s.Lock {
	case "":
		return nil
	case lockHeld, lockTaken, lockExpires:
	default:
		return fmt.Errorf("lock is held, taken or expires, not %q", s.Lock)
	}
	if s.Property != "" || s.Status != 0 {
		return errors.New("lock and status are two things: the server chooses the status of a locked resource")
	}
	for _, m := range s.methods {
		if readsOnly(m) {
			return fmt.Errorf("%s needs no lock", m)
		}
	}
	return nil
}

// clone returns a copy that can be changed.
func (s *faultSpec) clone() *faultSpec {
	c := *s
	c.Header, c.SetHeader = cloneMap(s.Header), cloneMap(s.SetHeader)
	if s.Wire != nil {
		w := *s.Wire
		c.Wire = &w
	}
	return &c
}

func cloneMap(m map[string]string) map[string]string {
	var c map[string]string
	for k, v := range m {
		c = with(c, k, v)
	}
	return c
}

// fitsHead reports whether the fault is for requests with this method and header.
func (s *faultSpec) fitsHead(q *http.Request, user string) bool {
	if s.methods != nil && !slices.Contains(s.methods, q.Method) || s.User != "" && s.User != user ||
		s.Depth != "" && !strings.EqualFold(s.Depth, depthOf(q)) {
		return false
	}
	for name, value := range s.Header {
		if got := q.Header.Values(name); len(got) == 0 || value != "" && !slices.Contains(got, value) {
			return false
		}
	}
	return true
}

// depthOf returns the Depth of a request, which is infinity where the header is missing and the
// method has it (RFC 4918 §9.1, §9.6.1, §9.8.3, §9.9.2, §9.10.3).
func depthOf(q *http.Request) string {
	if d := q.Header.Get("Depth"); d != "" {
		return d
	}
	switch q.Method {
	case "PROPFIND", "DELETE", "COPY", "MOVE", "LOCK":
		return "infinity"
	}
	return "0"
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
	case s.Nth > 0 && f.calls != s.Nth, f.calls <= s.After, s.Times > 0 && f.fired >= s.Times:
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

// duration is a time.Duration that is written as "1.5s".
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	if err != nil || parsed < 0 {
		return fmt.Errorf("%s is no duration such as %q", strconv.Quote(string(b)), "1.5s")
	}
	*d = duration(parsed)
	return nil
}
