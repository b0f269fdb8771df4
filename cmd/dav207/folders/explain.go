package folders

import (
	"strings"

	"dav207/cmd/dav207/config"
	"dav207/fsbackend/mounts"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Refusal returns why the mounts keep a user, "" for guests, from something at p that the rules may
// allow: "" if they do not.
func Refusal(list []config.Mount, user string, p davpath.Path, what access.Privilege) string {
	if len(list) == 0 || what == access.Unlock {
		return ""
	}
	at := find(list, user, p)
	switch {
	case at.ofOthers != nil:
		return at.ofOthers.At + " is each user's own"
	case what == access.Read:
		return ""
	case at.around != nil && at.around.ReadOnly:
		return "the mount " + at.around.At + " is read-only"
	case at.around == nil && !at.fixed:
		return "no mount is there"
	case at.fixed && (what == access.Bind || what == access.Unbind || what == access.WriteContent):
		return "mounts and what is above them cannot be replaced"
	case what == access.Lock && at.protects:
		return "it is above mounts of users, or read-only ones"
	}
	return ""
}

// place is where a path is among mounts.
type place struct {
	around   *config.Mount // the innermost
	ofOthers *config.Mount // it is in the tree of another user
	fixed    bool          // it is a mount or above one
	protects bool          // below it are trees of users or read-only mounts
}

// find returns where p is for a user.
func find(list []config.Mount, user string, p davpath.Path) (found place) {
	path := segmentsOf(p.String())
	for _, m := range list {
		at := segmentsOf(m.At)
		n := 0
		for n < min(len(at), len(path)) && (at[n] == path[n] || at[n] == config.User) {
			if at[n] == config.User && (path[n] != user || !mounts.ValidUser(user)) {
				return place{ofOthers: &m}
			}
			n++
		}
		if n == len(at) && (found.around == nil || len(found.around.At) < len(m.At)) {
			found.around = &m
		}
		if n == len(path) {
			found.fixed = true
			found.protects = found.protects || n < len(at) && (m.ReadOnly || strings.Contains(m.At, config.User))
		}
	}
	return found
}

func segmentsOf(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}
