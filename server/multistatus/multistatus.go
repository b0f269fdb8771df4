// Package multistatus has the types of a 207 (Multi-Status) response and of its parts (RFC 4918
// §13, §14, §16), and a Writer that streams them. Section numbers in this package are those of RFC
// 4918.
//
// A Writer sends nothing before the first Response. Until then the caller may send a plain status,
// as §9.6.1 and §9.8.3 require if only the Request-URI failed. The XML is well-formed for any
// names and values, and deterministic: the root element binds the prefix D to DAV:, no element
// rebinds it, and every other namespace is declared on the element that uses it.
//
// The same types have a form in JSON (multistatus.schema.json), for clients that prefer it: see
// Format.
//
// The package does not depend on file systems or methods. Any handler that answers for more than
// one resource can use it.
package multistatus

import (
	"encoding/xml"

	"dav207/server/davxml"
)

// Namespace is the XML namespace of WebDAV's own elements.
const Namespace = davxml.NamespaceDAV

// Property is one property of a resource: an element inside DAV:prop (§14.18).
type Property struct {
	XMLName xml.Name
	// Lang is the value of xml:lang, "" for none (§4.3).
	Lang string
	// Attr holds the other attributes of the element, and the namespace declarations that InnerXML
	// needs, as encoding/xml represents them: {Space: "xmlns", Local: prefix}.
	Attr []xml.Attr
	// InnerXML is the content. It must be well-formed, and may use the prefix D for DAV:, those
	// declared in Attr, and those that it declares itself.
	InnerXML []byte
}

// Size returns the approximate size of the property in bytes, in memory or as XML.
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
	Description string     // human-readable; "" for none
}

// Response is the outcome for one resource (§14.24). It has either a Status or Propstats, never
// both.
type Response struct {
	Href        string // percent-encoded; that of a collection ends with a slash (§8.3)
	Status      int
	Propstat    []Propstat
	Error       *Condition // nil for none
	Description string     // human-readable; "" for none
}

// Condition is a precondition or postcondition that did not hold (§16), the content of a DAV:error.
type Condition struct {
	Name  xml.Name
	Hrefs []string // the resources that it names, percent-encoded; nil for none
}

// Precondition returns the condition with this name in the DAV: namespace.
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
	NumberOfMatchesWithinLimits   = "number-of-matches-within-limits" // RFC 3744 §9, RFC 6578 §3.7
	CannotModifyProtectedProperty = "cannot-modify-protected-property"
	QuotaNotExceeded              = "quota-not-exceeded"
	SufficientDiskSpace           = "sufficient-disk-space"
)
