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
