package harness

import (
	"regexp"
	"strings"
)

// ETag returns the entity tag of a file from GET, HEAD and PROPFIND, which must agree.
func (s *Site) ETag(name string) string {
	s.Helper()
	get := s.Want(200, "GET", name, "").Header.Get("ETag")
	head := s.Want(200, "HEAD", name, "").Header.Get("ETag")
	a := s.Want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "0")
	found := ""
	for _, r := range DecodeMultistatus(s, a.Body) {
		for _, p := range r.Propstat {
			if StatusCode(p.Status) == 200 && len(p.Prop.List) == 1 {
				found = strings.NewReplacer("&#34;", `"`, "&quot;", `"`).Replace(p.Prop.List[0].Inner)
			}
		}
	}
	if get != head || get != found || !strongTag.MatchString(get) {
		s.Errorf("the entity tag of %s is %s for GET, %s for HEAD, %s for PROPFIND, want one strong tag", name, get, head, found)
	}
	return get
}

var strongTag = regexp.MustCompile(`^"[!#-~]+"$`) // RFC 9110 §8.8.3, without what is not ASCII
