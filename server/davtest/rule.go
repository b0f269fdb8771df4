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

// Rule makes something happen to requests: a fault that an honest server may have, or one on the
// wire that it never has. Server.Fail and Server.Wire make one; a file of rules has the same words.
// Its methods return the rule and may be called while requests are served. A rule that can never
// fit anything is an error when it is made, and one that never fired is an error at the end.
//
// The first rule that fits a resource decides for it. A rule counts requests, not operations: it
// decides once for each request that touches a resource of its pattern, and the decision holds for
// all of them. So Times(2) fails two requests.
type Rule struct {
	server *Server   // its mutex guards the fields
	spec   *ruleSpec // replaced as a whole, never changed
	calls  int       // requests that touched what the rule is for
	fired  int       // those in which it fired
}

// ruleSpec is a rule as a file has it. The fields are the methods of Rule.
type ruleSpec struct {
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

	rule    *Rule
	methods []string // of Method; nil for any
	pattern string   // of Path, as doublestar has it
}

// Nth makes only the n-th request fail, counted from 1.
func (r *Rule) Nth(n int) *Rule { return r.set(func(s *ruleSpec) { s.Nth = n }) }

// After lets the first n requests pass.
func (r *Rule) After(n int) *Rule { return r.set(func(s *ruleSpec) { s.After = n }) }

// Times makes the rule fire in at most n requests.
func (r *Rule) Times(n int) *Rule { return r.set(func(s *ruleSpec) { s.Times = n }) }

// Optional makes it no error that the rule never fires.
func (r *Rule) Optional() *Rule { return r.set(func(s *ruleSpec) { s.Optional = true }) }

// Depth restricts the rule to requests with this Depth header: "0", "1" or "infinity", which is
// also that of a request without one where it is the default of the method.
func (r *Rule) Depth(d string) *Rule { return r.set(func(s *ruleSpec) { s.Depth = d }) }

// User restricts the rule to requests of this user.
func (r *Rule) User(name string) *Rule { return r.set(func(s *ruleSpec) { s.User = name }) }

// Header restricts the rule to requests that have this header, with any value if value is "".
func (r *Rule) Header(name, value string) *Rule {
	return r.set(func(s *ruleSpec) { s.Header = with(s.Header, name, value) })
}

// Property restricts a status to one property, in PROPFIND and PROPPATCH: "getetag" is one of
// WebDAV's own, "{namespace}name" any.
func (r *Rule) Property(name string) *Rule { return r.set(func(s *ruleSpec) { s.Property = name }) }

// Condition is the name of the DAV:error element that goes with the status (RFC 4918 §16), such as
// "quota-not-exceeded". By default 423 has lock-token-submitted, or no-conflicting-lock for LOCK.
func (r *Rule) Condition(name string) *Rule { return r.set(func(s *ruleSpec) { s.Condition = name }) }

// Description is the text for people that goes with the status.
func (r *Rule) Description(text string) *Rule {
	return r.set(func(s *ruleSpec) { s.Description = text })
}

// SetHeader adds a header to the response if the status is that of the whole response. A 207 has no
// place for the headers of a member.
func (r *Rule) SetHeader(name, value string) *Rule {
	return r.set(func(s *ruleSpec) { s.SetHeader = with(s.SetHeader, name, value) })
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
func (r *Rule) Locked() *Rule { return r.set(func(s *ruleSpec) { s.Lock = lockHeld }) }

// LockTaken has somebody else take a lock on the resource at the moment of the request, and keep
// it.
func (r *Rule) LockTaken() *Rule { return r.set(func(s *ruleSpec) { s.Lock = lockTaken }) }

// LockExpires ends the locks that cover the resource at the moment of the request.
func (r *Rule) LockExpires() *Rule { return r.set(func(s *ruleSpec) { s.Lock = lockExpires }) }

// The values of ruleSpec.Lock.
const (
	lockHeld    = "held"
	lockTaken   = "taken"
	lockExpires = "expires"
)

// Fired returns in how many requests the rule fired.
func (r *Rule) Fired() int {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.fired
}

// String returns the rule as it stands in a file.
func (r *Rule) String() string {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.spec.String()
}

// set changes the rule. An error is one of the test.
func (r *Rule) set(change func(*ruleSpec)) *Rule {
	r.server.t.Helper()
	r.server.mu.Lock()
	changed := r.spec.clone()
	change(changed)
	err := changed.compile(false)
	if err == nil {
		r.spec = changed
	}
	r.server.mu.Unlock()
	if err != nil {
		r.server.t.Fatalf("davtest: rule %s: %v", changed.String(), err)
	}
	return r
}

// ruleMethods are the methods that a rule can be for.
var ruleMethods = []string{"GET", "HEAD", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "OPTIONS"}

// compile checks s and sets its methods and pattern. A rule that is complete must also do
// something.
func (s *ruleSpec) compile(complete bool) (err error) {
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

// faithful reports whether the rule is more than wire.
func (s *ruleSpec) faithful() bool { return s.Status != 0 || s.Lock != "" }

// parseMethods returns the methods of a list with commas, nil for any.
func parseMethods(list string) ([]string, error) {
	if list == "" || list == "*" {
		return nil, nil
	}
	var methods []string
	for m := range strings.SplitSeq(list, ",") {
		if m = strings.TrimSpace(m); !slices.Contains(ruleMethods, m) {
			return nil, fmt.Errorf("the server has no method %q: it has %s", m, strings.Join(ruleMethods, ", "))
		}
		methods = append(methods, m)
	}
	return methods, nil
}

// parsePattern returns the pattern of doublestar for a pattern of a rule, in which "/c/**" is all
// below /c and not /c itself.
func parsePattern(path string) (string, error) {
	if path == "/" {
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

func (s *ruleSpec) checkWhere() error {
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

func (s *ruleSpec) checkStatus() error {
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

func (s *ruleSpec) checkProperty() error {
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
func (s *ruleSpec) propertyName() xml.Name {
	if space, local, ok := strings.Cut(strings.TrimPrefix(s.Property, "{"), "}"); ok {
		return xml.Name{Space: space, Local: local}
	}
	return xml.Name{Space: multistatus.Namespace, Local: s.Property}
}

func (s *ruleSpec) checkLock() error {
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
func (s *ruleSpec) clone() *ruleSpec {
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

// fitsHead reports whether the rule is for requests with this method and header.
func (s *ruleSpec) fitsHead(q *http.Request, user string) bool {
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

// fitsPath reports whether the rule is for the resource with this name.
func (s *ruleSpec) fitsPath(name string) bool {
	if name == "/" || s.pattern == "/" {
		return name == s.pattern
	}
	return doublestar.MatchUnvalidated(s.pattern, name)
}

// fires counts a request and reports whether the rule fires in it.
func (r *Rule) fires() bool {
	r.calls++
	s := r.spec
	switch {
	case s.Nth > 0 && r.calls != s.Nth, r.calls <= s.After, s.Times > 0 && r.fired >= s.Times:
		return false
	}
	r.fired++
	return true
}

// err returns the failure that the rule gives the resource with this href.
func (s *ruleSpec) err(method, href string) error {
	e := &multistatus.Error{Status: s.Status, Description: s.Description, Err: errRule}
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

var errRule = errors.New("a rule of the test")

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
