// Package multistatus is the vocabulary in which a WebDAV server says what became of each resource: the responses,
// property groups and conditions of RFC 4918 §13, §14 and §16, and a Writer that streams them as a 207.
//
// A Writer never answers 207 for nothing: as long as no Response was written the caller is free to send a plain status,
// which is what §9.6.1 and §9.8.3 want where the Request-URI alone failed. What it writes is well-formed whatever the
// names and values are, and the same responses give the same bytes: the prefix D is bound to DAV: on the root element and
// never rebound, every other namespace is declared where it is used.
//
// The package knows no files and no methods. It can be used alone, by any handler that has to answer for more than one
// resource.
package multistatus

import "encoding/xml"

// Namespace is the XML namespace of WebDAV's own elements.
const Namespace = "DAV:"

// Property is one property of a resource: an element inside DAV:prop (§14.18).
type Property struct {
	XMLName xml.Name
	// Lang is the value of xml:lang, "" for none (§4.3).
	Lang string
	// Attr holds further attributes of the element, and the namespace declarations that InnerXML relies on, as
	// encoding/xml reads them: {Space: "xmlns", Local: prefix}.
	Attr []xml.Attr
	// InnerXML is the content: well-formed, with no other prefix than D, for DAV:, those declared in Attr, and those it
	// declares itself.
	InnerXML []byte
}

// Size returns about how many bytes the property takes, written out or kept.
func (p *Property) Size() int {
	n := len(p.XMLName.Space) + len(p.XMLName.Local) + len(p.Lang) + len(p.InnerXML)
	for _, a := range p.Attr {
		n += len(a.Name.Space) + len(a.Name.Local) + len(a.Value)
	}
	return n
}

// Propstat groups the properties that share an outcome (§14.22).
type Propstat struct {
	Prop        []Property
	Status      int
	Error       *Condition // nil for none
	Description string     // for people; "" for none
}

// Response is the outcome for one resource (§14.24): either a Status or one or more Propstats, never both.
type Response struct {
	Href        string // escaped, with a slash at the end of a collection's (§8.3)
	Status      int
	Propstat    []Propstat
	Error       *Condition // nil for none
	Description string     // for people; "" for none
}

// Condition is a precondition or postcondition that did not hold (§16), the content of a DAV:error.
type Condition struct {
	Name  xml.Name
	Hrefs []string // the resources it speaks of, escaped; nil for none
}

// Precondition returns the condition of that name in the DAV: namespace.
func Precondition(name string, hrefs ...string) *Condition {
	return &Condition{Name: xml.Name{Space: Namespace, Local: name}, Hrefs: hrefs}
}

// The conditions of RFC 4918 §16 and RFC 4331 §6, by name.
const (
	LockTokenMatchesRequestURI    = "lock-token-matches-request-uri"
	LockTokenSubmitted            = "lock-token-submitted" // names the roots of the locks
	NoConflictingLock             = "no-conflicting-lock"  // names the roots of the locks
	NoExternalEntities            = "no-external-entities"
	PreservedLiveProperties       = "preserved-live-properties"
	PropfindFiniteDepth           = "propfind-finite-depth"
	CannotModifyProtectedProperty = "cannot-modify-protected-property"
	QuotaNotExceeded              = "quota-not-exceeded"
	SufficientDiskSpace           = "sufficient-disk-space"
)
