package batch_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"dav207/server/batch"
)

// FuzzEnvelope: a batch is refused before any item has run, or answered with one result for each
// item, in order, as JSON; and then encoding/json reads the same ids from it.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"requests":[{"id":"1","method":"put","url":"/a","headers":{"content-type":"image/png","If":"</b> (<c>)"},"body":"AAA="},{"id":"2","method":"GET","url":"b?c","dependsOn":["1"],"if":"not ($1/$succeeded)"}]}`,
		`{"operations":[{"method":"PUT","url":"http://example.com/a","body":{"a":[1,null,"\ud83d\ude00"]}},{"id":"x","method":"COPY","url":"/","headers":{"Destination":"c"},"base64":true}]}`,
		`{"requests":[{"id":"a","method":"GET","url":"/","dependsOn":["b"]},{"id":"b","method":"GET","url":"/"}]}`,
		`{"requests":[{"id":"a","method":"GET","url":"/","atomicityGroup":"g"}]}`,
		`{"requests":[{"i\u0064":"a\ud800","method":"GET","url":"/"}]} x`,
		`{"requests":[`, `[]`, "\xff", `{"requests":[{"id":"\\`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ran := 0
		h := batch.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ran++
			if len(r.URL.Path)%2 == 0 {
				w.WriteHeader(404)
			}
		}), &batch.Options{MaxItems: 4, MaxBytes: 4096, MaxDepth: 8})
		w := ask(h, "POST", "/$batch", string(body))
		switch w.Code {
		case 400, 413, 501:
			if ran > 0 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d after %d items: %s", w.Code, ran, w.Body)
			}
			return
		case 200, 207:
		default:
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		var sent struct{ Requests, Operations []struct{ ID string } }
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("%d for what is no JSON: %v", w.Code, err)
		}
		got := results(t, w.Body.Bytes())
		if len(got) != len(sent.Requests)+len(sent.Operations) || len(got) > 4 || ran > len(got) {
			t.Fatalf("%d results, %d items have run: %s", len(got), ran, w.Body)
		}
		failed := false
		for i, r := range got {
			failed = failed || r.Status >= 300
			if len(sent.Requests) > 0 && r.ID != sent.Requests[i].ID || len(sent.Operations) > 0 && r.Index != i {
				t.Errorf("result %d is %+v", i, r)
			}
		}
		if failed != (w.Code == 207) {
			t.Errorf("got %d: %s", w.Code, w.Body)
		}
	})
}
