package inspect_test

import (
	"net/url"
	"strings"
	"testing"

	"dav207/server/davtest/lab"
	"dav207/server/multistatus/inspect"
)

// TestExercises: nothing is wrong with the answers to the exercises of the lab, as a client and as
// the server's journal have them, but for the one from a cache, which is about another time.
func TestExercises(t *testing.T) {
	l, err := lab.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tree, faults := lab.Exercises()
	if err := l.ReplaceTree(tree); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddFaults(faults); err != nil {
		t.Fatal(err)
	}
	check := func(x *inspect.Exchange) {
		if x.Status == 0 || x.Err != nil {
			t.Errorf("%s %s: %d %v", x.Method, x.URL, x.Status, x.Err)
		}
		for _, f := range inspect.Judge(x, 0).Findings {
			if !strings.HasSuffix(x.URL.Path, "/transport/cached/") || f.Name != "missing-self" {
				t.Errorf("%s %s: %v", x.Method, x.URL, f)
			}
		}
	}
	for _, e := range lab.List {
		check(inspect.Send(t.Context(), request(t, e.Method, l.Base()+e.Path, e.Body, e.Headers...)))
	}
	journal := l.Journal()
	if len(journal) < len(lab.List) {
		t.Errorf("the server has recorded %d exchanges", len(journal))
	}
	for _, x := range journal {
		u, err := url.Parse(x.Scheme + "://" + x.Host + x.Target)
		if err != nil {
			t.Fatal(err)
		}
		check(&inspect.Exchange{Method: x.Method, URL: u, RequestHeader: x.RequestHeader, RequestBody: x.RequestBody,
			Proto: x.Proto, Status: x.Status, Header: x.ResponseHeader, Body: x.ResponseBody})
	}
}
