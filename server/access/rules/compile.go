package rules

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"dav207/server/access"
	"dav207/server/davpath"
)

// The names in Rule.Who that are neither of a user nor of a group.
const (
	guests    = "guests"
	everybody = "everybody"
)

// Error is what is wrong with a rule.
type Error struct {
	Index  int // of the rule, from 0
	Reason string
}

// Error returns the reason with the number of the rule, from 1.
func (e *Error) Error() string { return fmt.Sprintf("rule %d: %s", e.Index+1, e.Reason) }

// Compile compiles a list of rules. The error joins an Error for each rule that is not valid or can
// never decide. opts may be nil.
func Compile(rules []Rule, opts *Options) (*List, error) {
	l := &List{fold: opts != nil && opts.IgnoreCase, named: map[string]uint32{}, tries: map[string]*trie{}}
	var errs []error
	for i, r := range rules {
		c := rule{Rule: r, index: i}
		if err := c.compile(); err != nil {
			errs = append(errs, &Error{i, err.Error()})
		}
		l.rules = append(l.rules, c)
		if c.property != nil && !slices.Contains(l.properties, *c.property) {
			l.properties = append(l.properties, *c.property)
		}
		for _, w := range r.Who {
			if l.named[w] == 0 {
				l.named[w] = uint32(len(l.named) + 1)
			}
		}
	}
	if len(errs) == 0 {
		errs = l.unused()
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return l, nil
}

// compile sets the fields that Compile derives from a Rule.
func (r *rule) compile() (err error) {
	if err = r.checkWho(); err == nil {
		err = r.compileVerb()
	}
	if err == nil {
		err = r.compileProperty()
	}
	if err == nil {
		r.pattern, err = segments(r.Path)
	}
	named := slices.ContainsFunc(r.Who, func(w string) bool { return w != guests })
	switch {
	case err != nil:
		return err
	case slices.Contains(r.pattern, userName) && !named:
		return errors.New("it can never match: guests have no name for {user}")
	case r.Hide && r.property == nil && (len(r.pattern) == 0 || r.pattern[len(r.pattern)-1] != anyNumber):
		r.pattern = append(r.pattern, anyNumber) // nothing is below what is not there
	}
	return nil
}

// compileVerb sets effect and what.
func (r *rule) compileVerb() (err error) {
	given := 0
	for _, verb := range []bool{len(r.Allow) > 0, len(r.Deny) > 0, r.Hide} {
		if verb {
			given++
		}
	}
	if given != 1 {
		return errors.New("want one of allow, deny and hide")
	}
	switch {
	case r.Hide:
		r.effect, r.what = hide, all
	case len(r.Deny) > 0:
		r.effect = deny
		r.what, err = privileges(r.Deny)
	default:
		r.what, err = privileges(r.Allow)
	}
	return err
}

func (r *rule) checkWho() error {
	if len(r.Who) == 0 {
		return errors.New(`who is missing: want names of users, "@GROUP", "guests" or "everybody"`)
	}
	if slices.Contains(r.Who, "") || slices.Contains(r.Who, "@") {
		return errors.New("a name in who is empty")
	}
	return nil
}

// privileges returns the set of privileges with these names.
func privileges(names []string) (s set, err error) {
	for _, name := range names {
		switch name {
		case "all":
			s |= all
			continue
		case "write": // RFC 3744 §3.2: "methods that lock a resource or modify" it
			s |= all &^ (1<<access.Read | 1<<access.Unlock)
			continue
		}
		p := access.Read
		for p <= access.Unlock && p.String() != name {
			p++
		}
		if p > access.Unlock {
			return 0, fmt.Errorf("%q is no privilege: want read, write-content, write-properties, bind, unbind, lock, unlock, or write or all for several", name)
		}
		s |= 1 << p
	}
	return s, nil
}

// propertyName is what Rule.Property looks like, but for "*".
var propertyName = regexp.MustCompile(`^\{([^{}]*)\}([^\s{}<>&:/*]+|\*)$`)

// compileProperty sets property. It removes the privileges that are not about properties where a
// shorthand has added them.
func (r *rule) compileProperty() error {
	if r.Property == "" {
		return nil
	}
	const about = set(1<<access.Read | 1<<access.WriteProperties)
	for _, name := range slices.Concat(r.Allow, r.Deny) {
		if s, _ := privileges([]string{name}); s&about == 0 {
			return fmt.Errorf("it can never match: %s is not about a property; want read or write-properties", name)
		}
	}
	r.what &= about
	r.property = &xml.Name{Space: "*", Local: "*"}
	if r.Property == "*" {
		return nil
	}
	m := propertyName.FindStringSubmatch(r.Property)
	if m == nil {
		return fmt.Errorf("%q is no name of a property: want {NAMESPACE}NAME as {DAV:}displayname, {NAMESPACE}* or *", r.Property)
	}
	r.property = &xml.Name{Space: m[1], Local: m[2]}
	return nil
}

// covers reports whether a name of a rule matches a property, or all that another one matches.
func covers(rule, name xml.Name) bool {
	return (rule.Space == "*" && rule.Local == "*" || rule.Space == name.Space) && (rule.Local == "*" || rule.Local == name.Local)
}

// segments parses a pattern.
func segments(pattern string) (segments []string, err error) {
	if pattern == "" {
		pattern = everything
	}
	switch {
	case pattern[0] != '/':
		return nil, fmt.Errorf("the path %q does not begin with a slash: want %q", pattern, "/"+pattern)
	case pattern == "/":
		return nil, nil
	case pattern[len(pattern)-1] == '/':
		one := strings.TrimRight(pattern, "/")
		return nil, fmt.Errorf("the path %q ends with a slash: want %q for it and all below, or %q for it alone", pattern, one+everything, one)
	}
	for s := range strings.SplitSeq(pattern[1:], "/") {
		if s == anyNumber && len(segments) > 0 && segments[len(segments)-1] == anyNumber {
			continue // twice is as much as once
		}
		if err := checkSegment(s); err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// checkSegment returns an error for a segment of a pattern that matches nothing.
func checkSegment(s string) error {
	switch {
	case s == anyOne, s == anyNumber, s == userName:
		return nil
	case !davpath.ValidSegment(s):
		return fmt.Errorf("it can never match: %q is no segment of a path", s)
	case davpath.Reserved(s):
		return fmt.Errorf("it can never match: %q is the server's own and served to nobody", s)
	case strings.Contains(s, anyOne), strings.Contains(s, userName):
		return fmt.Errorf("%q: *, ** and {user} are whole segments of a path", s)
	case s[0] == '{' && s[len(s)-1] == '}':
		return fmt.Errorf("%q: the only name in braces is {user}", s)
	}
	return nil
}

// unused returns an Error for each rule that never decides, since a later one with another effect
// matches all that it matches, and for a list that allows nothing.
func (l *List) unused() (errs []error) {
	for i := range l.rules {
		for j := i + 1; j < len(l.rules); j++ {
			if a, b := &l.rules[i], &l.rules[j]; a.effect != b.effect && !a.Implied && !b.Implied && b.includes(a) {
				errs = append(errs, &Error{i, fmt.Sprintf(
					"it never decides: the later rule to %s matches the same, and the last match wins; put it after that one", b)})
				break
			}
		}
	}
	if len(l.rules) > 0 && !slices.ContainsFunc(l.rules, func(r rule) bool { return r.effect == allow && r.property == nil }) {
		errs = append(errs, errors.New("no rule allows anything, and what no rule matches is hidden: "+
			"begin with one that allows all to everybody"))
	}
	return errs
}

// includes reports whether r certainly matches whatever a matches.
func (r *rule) includes(a *rule) bool {
	switch {
	case a.what&^r.what != 0,
		r.property != nil && (a.property == nil || !covers(*r.property, *a.property)):
		return false
	case !slices.Contains(r.Who, everybody) &&
		slices.ContainsFunc(a.Who, func(w string) bool { return !slices.Contains(r.Who, w) }):
		return false
	}
	return match(r.pattern, a.pattern, func(segment, other string) bool {
		return segment == other || segment == anyOne && other != anyNumber
	})
}
