package harness

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"
)

// ActiveLock is a DAV:activelock of RFC 4918 §14.1 as encoding/xml reads it.
type ActiveLock struct {
	Scope, Depth, Timeout, Token, Root string
	Owner                              *struct {
		Inner string     `xml:",innerxml"`
		Attr  []xml.Attr `xml:",any,attr"`
	}
}

// ActiveLocks returns the locks in the body of an answer to LOCK or PROPFIND.
func ActiveLocks(t testing.TB, body []byte) []ActiveLock {
	t.Helper()
	type name struct{ XMLName xml.Name }
	type element struct {
		Any []name `xml:",any"`
	}
	var found []ActiveLock
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name != (xml.Name{Space: "DAV:", Local: "activelock"}) {
			continue
		}
		var l struct {
			Scope   element `xml:"DAV: lockscope"`
			Type    element `xml:"DAV: locktype"`
			Depth   string  `xml:"DAV: depth"`
			Timeout string  `xml:"DAV: timeout"`
			Owner   *struct {
				Inner string     `xml:",innerxml"`
				Attr  []xml.Attr `xml:",any,attr"`
			} `xml:"DAV: owner"`
			Token struct {
				Href []string `xml:"DAV: href"`
			} `xml:"DAV: locktoken"`
			Root struct {
				Href []string `xml:"DAV: href"`
			} `xml:"DAV: lockroot"`
		}
		if err := d.DecodeElement(&l, &start); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if len(l.Scope.Any) != 1 || len(l.Type.Any) != 1 || l.Type.Any[0].XMLName.Local != "write" || len(l.Root.Href) != 1 || len(l.Token.Href) > 1 {
			t.Fatalf("the activelock violates RFC 4918 §14.1:\n%s", body)
		}
		a := ActiveLock{Scope: l.Scope.Any[0].XMLName.Local, Depth: l.Depth, Timeout: l.Timeout, Root: l.Root.Href[0]}
		a.Owner = l.Owner
		if len(l.Token.Href) == 1 {
			a.Token = l.Token.Href[0]
		}
		found = append(found, a)
	}
}
