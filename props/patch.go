package props

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"

	"dav207/server/access"
	"dav207/server/multistatus"
)

// Patch applies changes to r in document order, all or none (RFC 4918 §9.2). It returns the
// propstats of the response. If all succeed there is one with status 200. Otherwise each property
// that cannot be changed has its own status, and all others have 424. failed is the first error
// whose status is 500 or above, for the log. policy may be nil.
func (g *Registry) Patch(ctx context.Context, store Store, policy access.PropertyPolicy, r Resource, changes []Change) (outcome []multistatus.Propstat, failed error) {
	p := patch{changes: changes, errs: make([]error, len(changes))}
	p.plan(ctx, g, policy, r)
	if !p.failed() {
		p.apply(ctx, store, r)
	}
	return p.result(), p.cause()
}

// patch is a PROPPATCH in progress.
type patch struct {
	changes []Change
	errs    []error // of the change with that index
	live    []liveChange
	dead    []Change // under the names that they are stored by
	deadAt  []int    // the index of each of dead
}

type liveChange struct {
	index       int
	apply, undo func() error
}

var errProtected = &multistatus.Error{
	Status:    http.StatusForbidden,
	Condition: multistatus.Precondition(multistatus.CannotModifyProtectedProperty),
}

// conflict refuses a value (RFC 4918 §9.2.1) for the reason err, which may be nil, or a refusal
// already.
func conflict(err error) error {
	if err == nil || errors.As(err, new(*multistatus.Error)) {
		return err
	}
	return &multistatus.Error{Status: http.StatusConflict, Err: err, Description: "The property cannot have this value."}
}

// plan checks all changes, and changes nothing.
func (p *patch) plan(ctx context.Context, g *Registry, policy access.PropertyPolicy, r Resource) {
	for i := range p.changes {
		c := &p.changes[i]
		if policy != nil {
			if p.errs[i] = policy.CheckProperty(ctx, access.WriteProperties, r.Path, c.Property.XMLName); p.errs[i] != nil {
				continue
			}
		}
		p.planChange(ctx, i, g.lookup(c.Property.XMLName), r)
	}
}

// planChange checks the change with index i, of the live property l or, if l is nil, of a dead one.
func (p *patch) planChange(ctx context.Context, i int, l *live, r Resource) {
	c := &p.changes[i]
	if l != nil && l.Check != nil && !c.Remove {
		if p.errs[i] = conflict(l.Check(&c.Property)); p.errs[i] != nil {
			return
		}
	}
	switch {
	case l != nil && l.Kept != nil && l.Kept.Parse != nil:
		kept := Change{Remove: c.Remove, Property: Property{XMLName: l.Kept.Name}}
		if !c.Remove {
			kept.Property.InnerXML, p.errs[i] = l.Kept.Parse(&c.Property)
		}
		p.errs[i] = conflict(p.errs[i])
		p.dead, p.deadAt = append(p.dead, kept), append(p.deadAt, i)
	case l == nil || l.Stored:
		p.dead, p.deadAt = append(p.dead, *c), append(p.deadAt, i)
	case l.Set == nil || c.Remove:
		p.errs[i] = errProtected
	default:
		change := liveChange{index: i}
		change.apply, change.undo, p.errs[i] = l.Set(ctx, r, &c.Property)
		p.live = append(p.live, change)
	}
}

// apply applies the changes. If one fails, it undoes those before it.
func (p *patch) apply(ctx context.Context, store Store, r Resource) {
	done := 0
	for _, c := range p.live {
		if p.errs[c.index] = c.apply(); p.errs[c.index] != nil {
			break
		}
		done++
	}
	if !p.failed() && len(p.dead) > 0 {
		if err := store.Patch(ctx, r.Path, p.dead); err != nil {
			for _, i := range p.deadAt {
				p.errs[i] = err
			}
		}
	}
	if !p.failed() {
		return
	}
	for ; done > 0; done-- {
		c := p.live[done-1]
		if err := c.undo(); err != nil {
			p.errs[c.index] = err
		}
	}
}

func (p *patch) failed() bool {
	return slices.ContainsFunc(p.errs, func(err error) bool { return err != nil })
}

// cause returns the first error whose status is 500 or above.
func (p *patch) cause() error {
	for _, err := range p.errs {
		if multistatus.StatusOf(err) >= http.StatusInternalServerError {
			return err
		}
	}
	return nil
}

// result groups the names of the properties by status and reason, each once and in document order.
// A name that was changed more than once has its first error.
func (p *patch) result() []multistatus.Propstat {
	outcome := make(map[xml.Name]error)
	var names []xml.Name
	for i := range p.changes {
		n := p.changes[i].Property.XMLName
		before, seen := outcome[n]
		if !seen {
			names = append(names, n)
		}
		outcome[n] = cmp.Or(before, p.errs[i])
	}
	other := &multistatus.Error{Status: http.StatusOK} // of those without an error of their own
	if p.failed() {
		other.Status = http.StatusFailedDependency
	}
	var out []multistatus.Propstat
	var reasons []*multistatus.Error // of out
	for _, n := range names {
		e := cmp.Or(multistatus.AsError(outcome[n]), other)
		at := slices.IndexFunc(reasons, func(o *multistatus.Error) bool { return compareFailures(o, e) == 0 })
		if at < 0 {
			at = len(out)
			out, reasons = append(out, multistatus.Propstat{Status: e.Status, Error: e.Condition, Description: e.Description}), append(reasons, e)
		}
		out[at].Prop = append(out[at].Prop, Property{XMLName: n})
	}
	if len(out) == 0 { // a response has at least one (§14.24)
		out = []multistatus.Propstat{{Status: http.StatusOK}}
	}
	return out
}
