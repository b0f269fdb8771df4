package reqbody

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"dav207/server/davxml"
)

// The cache returns the body that was sent. It does not keep malformed or large bodies, and it is
// bounded.
func TestXMLCache(t *testing.T) {
	var p XMLCache
	first, err := p.parse([]byte("<a><b/></a>"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.parse([]byte("<a><b/></a>")); again != first || err != nil {
		t.Errorf("the same body = %p, %v, want %p", again, err, first)
	}
	if other, err := p.parse([]byte("<a><c/></a>")); err != nil || other.Children[0].Name.Local != "c" {
		t.Errorf("another body = %v, %v", other, err)
	}
	for range 2 {
		if _, err := p.parse([]byte("<a>")); !errors.Is(err, davxml.ErrMalformed) {
			t.Errorf("malformed: error %v, want %v", err, davxml.ErrMalformed)
		}
		if _, err := p.parse([]byte(" ")); !errors.Is(err, davxml.ErrEmpty) {
			t.Errorf("empty: error %v, want %v", err, davxml.ErrEmpty)
		}
	}
	if _, err := p.parse([]byte("<a>" + strings.Repeat(" ", maxCachedSize) + "</a>")); err != nil {
		t.Error(err)
	}
	for body := range p.docs {
		if len(body) > maxCachedSize || body == "<a>" || body == " " {
			t.Errorf("%.20q is in the cache", body)
		}
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 * maxCachedDocs {
				want := fmt.Sprintf("a%d-%d", w, i%(2*maxCachedDocs))
				if got, err := p.parse([]byte("<" + want + "/>")); err != nil || got.Name.Local != want {
					t.Errorf("<%s/> = %v, %v", want, got, err)
				}
			}
		})
	}
	wg.Wait()
	if len(p.docs) > maxCachedDocs {
		t.Errorf("the cache has %d bodies, want at most %d", len(p.docs), maxCachedDocs)
	}
}
