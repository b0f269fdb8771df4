package davtest

import "maps"

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
	Nth         *int              `json:"nth,omitempty"`
	After       int               `json:"after,omitempty"`
	Times       *int              `json:"times,omitempty"`
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

// Fail makes requests fail with a status (400 to 599) at the resources whose names match a pattern:
// a single resource in a 207 where the request is for many, the whole request where it is for that
// resource. method is one, or several with commas, or "*". In a pattern * stands for a part of a
// segment, ** for any segments, {a,b} for one of several. All that follows from a failure, such as
// 424 or a collection that stays, is the server's.
func (s *Server) Fail(method, pattern string, status int) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern, Status: status})
}

// On returns a fault for Locked, LockTaken or LockExpires, whose arguments are those of Fail.
func (s *Server) On(method, pattern string) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern})
}

// Wire returns a fault for what happens to the answer on the wire: Delay, Cut, Reset and the
// others. pattern is for the Request-URI. No honest server does any of this.
func (s *Server) Wire(method, pattern string) *Fault {
	s.t.Helper()
	return s.add(&faultSpec{Method: method, Path: pattern, Wire: &wireSpec{}})
}

func (s *Server) add(spec *faultSpec) *Fault {
	s.t.Helper()
	if err := spec.compile(false); err != nil {
		s.t.Fatalf("davtest: fault %s: %v", spec, err)
	}
	f := &Fault{server: s, spec: spec}
	spec.fault = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	f.id = s.made
	s.faults = append(s.faults, f)
	return f
}

// Nth makes only the n-th request fail, counted from 1.
func (f *Fault) Nth(n int) *Fault { return f.set(func(s *faultSpec) { s.Nth = &n }) }

// After lets the first n requests pass.
func (f *Fault) After(n int) *Fault { return f.set(func(s *faultSpec) { s.After = n }) }

// Times makes the fault fire in at most n requests.
func (f *Fault) Times(n int) *Fault { return f.set(func(s *faultSpec) { s.Times = &n }) }

// Optional makes it no error that the fault never fires.
func (f *Fault) Optional() *Fault { return f.set(func(s *faultSpec) { s.Optional = true }) }

// Depth restricts the fault to requests with this Depth header: "0", "1" or "infinity", which is
// also that of a request without one where the method has it.
func (f *Fault) Depth(d string) *Fault { return f.set(func(s *faultSpec) { s.Depth = d }) }

// User restricts the fault to requests of this user.
func (f *Fault) User(name string) *Fault { return f.set(func(s *faultSpec) { s.User = name }) }

// Header restricts the fault to requests that have this header field, with any value if value is
// "".
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

// clone returns a copy that can be changed.
func (s *faultSpec) clone() *faultSpec {
	c := *s
	c.Header, c.SetHeader = maps.Clone(s.Header), maps.Clone(s.SetHeader)
	if s.Wire != nil {
		w := *s.Wire
		c.Wire = &w
	}
	return &c
}
