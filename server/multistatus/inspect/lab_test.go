package inspect_test

import (
	"net/url"
	"strings"
	"testing"

	"dav207/server/davtest/lab"
	"dav207/server/multistatus/inspect"
)

// TestExercises: nothing is wrong with the answers to the exercises of the lab, each of which is
// another kind of multistatus or of failure; but for those that come from a cache or a proxy.
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
	for _, e := range lab.List {
		r := request(t, e.Method, l.Base()+e.Path, e.Body, e.Headers...)
		x := inspect.Send(t.Context(), r)
		for _, f := range inspect.Judge(x, 0).Findings {
			if strings.HasPrefix(e.Path, "transport/cached/") && f.Name == "missing-self" {
				continue
			}
			t.Errorf("%s /%s: %v", e.Method, e.Path, f)
		}
	}
	// Also what the server has recorded, from its side.
	for _, x := range l.Journal() {
		u, err := url.Parse(x.Scheme + "://" + x.Host + x.Target)
		if err != nil {
			t.Fatal(err)
		}
		judged := &inspect.Exchange{Method: x.Method, URL: u, RequestHeader: x.RequestHeader, RequestBody: x.RequestBody,
			Proto: x.Proto, Status: x.Status, Header: x.ResponseHeader, Body: x.ResponseBody}
		for _, f := range inspect.Judge(judged, 0).Findings {
			if f.Name != "missing-self" {
				t.Errorf("%s: %v", x.String(), f)
			}
		}
	}
}
