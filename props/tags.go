package props

import (
	"encoding/xml"
	"strings"

	"dav207/server/multistatus"
)

// tags are what stands around the content of a property that has no attributes, as multistatus.AppendProperty writes it.
type tags struct{ start, end, empty string }

func newTags(n xml.Name) (tags, error) {
	// The content is such that it cannot be a part of a tag.
	whole, err := multistatus.AppendProperty(nil, &Property{XMLName: n, InnerXML: []byte("<>")})
	if err != nil {
		return tags{}, err
	}
	empty, err := multistatus.AppendProperty(nil, &Property{XMLName: n})
	start, end, _ := strings.Cut(string(whole), "<>")
	return tags{start, end, string(empty)}, err
}

// append appends p, of which t are the tags, like multistatus.AppendProperty.
func (t *tags) append(b []byte, p *Property) ([]byte, error) {
	switch {
	case p.Lang != "" || len(p.Attr) > 0: // they belong into the tag
		return multistatus.AppendProperty(b, p)
	case len(p.InnerXML) == 0:
		return append(b, t.empty...), nil
	}
	return append(append(append(b, t.start...), p.InnerXML...), t.end...), nil
}

// deadName is what a Finder has to know of a name that dead properties have.
type deadName struct {
	name xml.Name
	tags
	live bool // a live property has it, too
}

// deadNames remembers the names that it was asked for last: the resources of a listing have properties of a few names, and
// in the same order.
type deadNames struct {
	live  func(xml.Name) bool // reports whether a live property has the name, and its turn
	known []deadName
	at    int // the one that was found last
}

// maxNames bounds what is looked through for each property.
const maxNames = 32

// of returns what is known of n. It fails where n is not an XML name.
func (d *deadNames) of(n xml.Name) (*deadName, error) {
	for range d.known {
		if d.at++; d.at >= len(d.known) {
			d.at = 0
		}
		if d.known[d.at].name == n {
			return &d.known[d.at], nil
		}
	}
	t, err := newTags(n)
	if err != nil {
		return nil, err
	}
	if len(d.known) == maxNames {
		d.known = d.known[:0]
	}
	d.known, d.at = append(d.known, deadName{n, t, d.live(n)}), len(d.known)
	return &d.known[d.at], nil
}
