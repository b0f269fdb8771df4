package multistatus

import (
	"fmt"
	"maps"
	"slices"
)

// Rule is a rule that an answer can break.
type Rule struct {
	Name    string // such as "duplicate-href"
	Section string // such as "RFC 4918 §14.24"
	Text    string // what is right
	// Advice is set if the protocol allows what was found, but it misleads clients, caches or
	// browsers.
	Advice bool

	strict bool // Decode returns an error
}

// Finding is a violation of a rule.
type Finding struct {
	*Rule
	Href string // the resource, or the id of the item of a batch; "" for the whole answer
	Text string // what was found
}

// String returns the finding in one line. It may have control characters of the answer.
func (f Finding) String() string {
	s := f.Name + ": " + f.Text
	if f.Href != "" {
		s = f.Href + ": " + s
	}
	return s + " (" + f.Section + ": " + f.Rule.Text + ")"
}

// Rules returns the rules that Inspect applies.
func Rules() []*Rule { return rules }

// rules are the rules of bodies, in the order in which they are declared.
var rules []*Rule

func newRule(name, section, text string) *Rule {
	r := &Rule{Name: name, Section: section, Text: text}
	rules = append(rules, r)
	return r
}

func strictRule(name, section, text string) *Rule {
	r := newRule(name, section, text)
	r.strict = true
	return r
}

func adviceRule(name, section, text string) *Rule {
	r := newRule(name, section, text)
	r.Advice = true
	return r
}

// The rules whose violation makes a body no multistatus. Decode returns an error for them.
var (
	ruleNoHref     = strictRule("no-href", "RFC 4918 §14.24", "a response has an href")
	ruleHrefEmpty  = strictRule("empty-href", "RFC 4918 §14.7", "an href holds a URL")
	ruleOutcome    = strictRule("outcome", "RFC 4918 §14.24", "a response has either a status or propstats, and with propstats one href")
	rulePropstat   = strictRule("propstat", "RFC 4918 §14.22", "a propstat has one prop and one status")
	ruleTwice      = strictRule("child-twice", "RFC 4918 §14.24", "a response and a propstat have at most one status, error and responsedescription")
	ruleStatusLine = strictRule("status-line", "RFC 4918 §14.28", `a status is a status line such as "HTTP/1.1 200 OK"`)
	rulePropTwice  = strictRule("property-twice", "RFC 4918 §9.1", "a property has one outcome for a resource")
	ruleCondition  = strictRule("empty-error", "RFC 4918 §14.5", "an error names a condition")
)

// The other rules of bodies.
var (
	ruleDocument    = newRule("document", "RFC 4918 §14.16", "the root element is DAV:multistatus, or DAV:error")
	ruleWellFormed  = newRule("well-formed", "RFC 4918 §8.2", "XML is well-formed, and uses namespaces correctly")
	ruleXMLCharset  = newRule("xml-encoding", "RFC 4918 §19", "XML is UTF-8 or UTF-16, which every parser reads")
	ruleTooLarge    = newRule("too-large", "dav207", "a body has at most two million tags or values: those of a larger one are not read")
	ruleDuplicate   = newRule("duplicate-href", "RFC 4918 §14.24", "a resource has one response")
	ruleSameStatus  = adviceRule("same-status", "RFC 4918 §14.22", "the properties with one outcome are in one propstat")
	ruleHrefForm    = newRule("href-form", "RFC 4918 §8.3", "an href is an absolute URI or an absolute path")
	ruleHrefEscape  = newRule("href-escaping", "RFC 3986 §2.1", "what a URI cannot have is percent-encoded, as UTF-8")
	ruleHrefDots    = newRule("href-dots", "RFC 4918 §8.3", "an href has no dot segments")
	ruleHrefMixed   = newRule("href-mixed", "RFC 4918 §8.3", "all hrefs have one form")
	ruleSlash       = adviceRule("collection-slash", "RFC 4918 §8.3", "the href of a collection ends with a slash")
	ruleOrder       = adviceRule("order", "RFC 4918 §9.1", "a collection comes before its members: no order is promised, but clients build the tree from it")
	ruleCreation    = newRule("creationdate", "RFC 4918 §15.1", "a creationdate is a date-time of RFC 3339")
	ruleModified    = newRule("getlastmodified", "RFC 4918 §15.7", "a getlastmodified is a date such as Sun, 06 Nov 1994 08:49:37 GMT")
	ruleETag        = newRule("getetag", "RFC 4918 §15.6", "an entity tag is in double quotes, after W/ if it is weak")
	ruleWeak        = adviceRule("weak-getetag", "RFC 4918 §8.8", "entity tags are strong: If-Match never holds with a weak one")
	ruleJSON        = newRule("json", "RFC 8259 §2", "the body is one JSON value, in which no object has a name twice")
	ruleJSONValue   = newRule("json-value", "dav207", "a property in JSON is a string, or an object with text or with xml; its name is one of an element, after its {namespace}")
	ruleJSONShape   = newRule("json-shape", "OData JSON 4.01 §19", "an answer to a batch is an array of objects, each with its id")
	ruleBatchStatus = newRule("batch-status", "RFC 9110 §15", "a status in JSON is a number of three digits")
	ruleBatchTwice  = newRule("duplicate-id", "OData JSON 4.01 §19", "an item of a batch has one response")
	ruleIndex       = adviceRule("index-order", "dav207", "results are in the order of the operations")
)

// maxFindings is the number of findings of one rule that a report has: the others are counted.
const maxFindings = 1000

// Add adds a finding, or counts it if there are many of its rule already.
func (r *Report) Add(rule *Rule, href, format string, args ...any) {
	if r.counts == nil {
		r.counts = make(map[*Rule]int)
	}
	if r.counts[rule]++; r.counts[rule] <= maxFindings {
		r.Findings = append(r.Findings, Finding{rule, href, fmt.Sprintf(format, args...)})
	}
}

// Count returns how often a rule was broken, which may be more often than Findings says.
func (r *Report) Count(rule *Rule) int { return r.counts[rule] }

// Drop removes the findings of the rules with these names.
func (r *Report) Drop(names ...string) {
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return slices.Contains(names, f.Name) })
	maps.DeleteFunc(r.counts, func(rule *Rule, _ int) bool { return slices.Contains(names, rule.Name) })
}

// err returns the first finding for which a body is no multistatus, as an error.
func (r *Report) err() error {
	for _, one := range r.Findings {
		if one.strict {
			if one.Href != "" {
				return invalidf("%s: %s", one.Href, one.Text)
			}
			return invalidf("%s: %s", one.Name, one.Text)
		}
	}
	return nil
}
