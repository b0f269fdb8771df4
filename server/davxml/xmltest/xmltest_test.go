package xmltest_test

import (
	"errors"
	"testing"

	"dav207/server/davxml"
	"dav207/server/davxml/xmltest"
)

func TestCanonical(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"prefixes, indentation, comments", "<?xml version=\"1.0\"?>\n<p:a xmlns:p='DAV:'>\n  <!-- c -->\n  <b xmlns='DAV:'> c </b>\n</p:a>\n",
			"{DAV:}a\n  {DAV:}b \" c \"\n"},
		{"attributes are sorted", `<a b="2" xmlns:p="u" p:c="3" a='"1"'/>`, "a a=\"\\\"1\\\"\" b=\"2\" {u}c=\"3\"\n"},
		{"mixed content keeps its white space", `<a>1 <b/> <c/></a>`, "a\n  \"1 \"\n  b\n  \" \"\n  c\n"},
		{"white space alone is a value", `<a> </a>`, "a \" \"\n"},
		{"an empty element is an empty element", `<a></a>`, "a\n"},
		{"order counts", `<a><c/><b/></a>`, "a\n  c\n  b\n"},
	} {
		for f, canonical := range map[string]func([]byte) (string, error){
			"Canonical": xmltest.Canonical, "CanonicalMultistatus": xmltest.CanonicalMultistatus,
		} {
			if got, err := canonical([]byte(tt.body)); got != tt.want || err != nil {
				t.Errorf("%s: %s = %q, %v, want %q", tt.name, f, got, err, tt.want)
			}
		}
	}
	if _, err := xmltest.Canonical([]byte("<a>")); !errors.Is(err, davxml.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}

// RFC 4918 §14.16, §14.22, §14.24.
func TestCanonicalMultistatus(t *testing.T) {
	const one = `<D:multistatus xmlns:D="DAV:">
		<D:response><D:href>/b</D:href>
			<D:propstat><D:prop><D:b/><a xmlns="u"/><D:a>2<D:z/><D:y/></D:a></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
			<D:propstat><D:prop><D:c><D:z/><D:y/></D:c></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
		</D:response>
		<D:response><D:href>/a</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response>
		<D:responsedescription>x</D:responsedescription>
	</D:multistatus>`
	const want = `{DAV:}multistatus
  {DAV:}response
    {DAV:}href "/a"
    {DAV:}status "HTTP/1.1 423 Locked"
  {DAV:}response
    {DAV:}href "/b"
    {DAV:}propstat
      {DAV:}prop
        {DAV:}c
          {DAV:}z
          {DAV:}y
      {DAV:}status "HTTP/1.1 200 OK"
    {DAV:}propstat
      {DAV:}prop
        {DAV:}a
          "2"
          {DAV:}z
          {DAV:}y
        {DAV:}b
        {u}a
      {DAV:}status "HTTP/1.1 404 Not Found"
  {DAV:}responsedescription "x"
`
	got, err := xmltest.CanonicalMultistatus([]byte(one))
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if plain, _ := xmltest.Canonical([]byte(one)); plain == got {
		t.Error("Canonical sorted the responses")
	}
}

// The order within a property value is the client's, even if it looks like a multistatus.
func TestCanonicalMultistatusKeepsValues(t *testing.T) {
	body := func(inner string) string {
		return `<multistatus xmlns="DAV:"><response><href>/</href><propstat><prop><x>` + inner +
			`</x></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`
	}
	one, _ := xmltest.CanonicalMultistatus([]byte(body(`<prop><b/><a/></prop>`)))
	two, _ := xmltest.CanonicalMultistatus([]byte(body(`<prop><a/><b/></prop>`)))
	if one == two {
		t.Errorf("the order within a value was lost: %s", one)
	}
}
