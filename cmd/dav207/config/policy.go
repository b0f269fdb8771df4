package config

import (
	"errors"
	"fmt"
	"strings"

	"dav207/server/access/rules"
)

// The values of Policy for guests.
const (
	GuestsRead  = "read"  // they may read everything, unless a rule says otherwise
	GuestsRules = "rules" // they may do what rules allow them
)

// Policy returns the rules of the file as a whole, with those that follow from guests and from the
// mounts, or nil if everybody who logs in may do everything. A mistake is an *Error.
//
// Without rules everybody may do everything, but guests, who may read. With rules all that none
// allows is hidden. A mount for each user is that user's, unless a rule says otherwise. It is not
// hidden from guests, whose clients would not ask for a password there: they are denied all that
// can have the name of a user. What mounts refuse, whatever the rules allow, is not in them.
func (f *File) Policy(guests string) (*rules.List, error) {
	var all []rules.Rule
	imply := func(r rules.Rule) {
		r.Implied = true
		all = append(all, r)
	}
	everybody := []string{"everybody"}
	if len(f.Rules) == 0 {
		imply(rules.Rule{Who: everybody, Allow: []string{"read", "write"}})
		imply(rules.Rule{Who: []string{"guests"}, Deny: []string{"write"}})
	} else if guests == GuestsRead {
		imply(rules.Rule{Who: everybody, Allow: []string{"read"}})
	}
	for _, m := range f.Mounts {
		if strings.Contains(m.At, User) {
			imply(rules.Rule{Who: everybody, Allow: []string{"read", "write"}, Path: m.At + "/**"})
			imply(rules.Rule{Who: []string{"guests"}, Deny: []string{"all"}, Path: strings.Replace(m.At, User, "*", 1) + "/**"})
		}
	}
	first := len(all)
	for _, r := range f.Rules {
		if err := f.checkGroups(r); err != nil {
			return nil, err
		}
		all = append(all, r.Rule)
	}
	if len(all) == 2 && guests == "" && len(f.Rules) == 0 {
		return nil, nil
	}
	list, err := rules.Compile(all, nil)
	if one := (*rules.Error)(nil); errors.As(err, &one) && one.Index >= first && one.Index < first+len(f.Rules) {
		err = &Error{Line: f.Rules[one.Index-first].Line, Err: errors.New(one.Reason)}
	}
	return list, err
}

// checkGroups returns a mistake if a rule names a group that is not there.
func (f *File) checkGroups(r Rule) error {
	for _, who := range r.Who {
		if group, ok := strings.CutPrefix(who, "@"); ok && f.Groups[group] == nil {
			return &Error{Line: r.Line, Err: fmt.Errorf("there is no group %q: name its members under groups", group)}
		}
	}
	return nil
}

// Memberships returns the groups of each user.
func (f *File) Memberships() map[string][]string {
	groups := map[string][]string{}
	for name, members := range f.Groups {
		for _, user := range members {
			groups[user] = append(groups[user], name)
		}
	}
	return groups
}

// LineOf returns the line of a rule of Policy, by its index there. The rule must not be implied.
func (f *File) LineOf(list *rules.List, index int) int {
	n := 0
	for i := range index {
		if !list.Rule(i).Implied {
			n++
		}
	}
	return f.Rules[n].Line
}
