package inspect

import "dav207/server/multistatus"

// words are the conditions of DAV: in words, with their section.
var words = map[string]struct{ words, section string }{
	"lock-token-matches-request-uri":   {"the lock token is not of a lock on this resource", "RFC 4918 §16"},
	"lock-token-submitted":             {"it is locked, and the request did not submit the lock token", "RFC 4918 §16"},
	"no-conflicting-lock":              {"another lock is in the way", "RFC 4918 §16"},
	"no-external-entities":             {"the XML of the request has an external entity", "RFC 4918 §16"},
	"preserved-live-properties":        {"the live properties cannot be kept at the destination", "RFC 4918 §16"},
	"propfind-finite-depth":            {"the server does not answer PROPFIND with Depth: infinity here", "RFC 4918 §16"},
	"cannot-modify-protected-property": {"the property is protected: only the server sets it", "RFC 4918 §16"},
	"quota-not-exceeded":               {"the quota would be exceeded", "RFC 4331 §6"},
	"sufficient-disk-space":            {"the disk is full", "RFC 4331 §6"},
	"need-privileges":                  {"the user lacks a privilege", "RFC 3744 §7.1.1"},
	"valid-sync-token":                 {"the sync token is not valid any more", "RFC 6578 §3.2"},
	"number-of-matches-within-limits":  {"there are more results than the server returns", "RFC 3744 §8.1.2"},
	"supported-report":                 {"the server does not have this report", "RFC 3253 §3.6"},
	"valid-resourcetype":               {"the resource type is not supported", "RFC 5689 §3.4"},
	"cycle-allowed":                    {"the collection would hold itself", "RFC 5842 §4"},
}

// Words returns a condition in words with its section, "" for one that is not known.
func Words(c *multistatus.Condition) string {
	w, ok := words[c.Name.Local]
	if !ok || c.Name.Space != multistatus.Namespace {
		return ""
	}
	return w.words + " (" + w.section + ")"
}
